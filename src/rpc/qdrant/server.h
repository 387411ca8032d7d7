#pragma once

#include <cstdint>
#include <memory>

#include "base/result.h"
#include "qdrant/service.h"
#include "qdrant/snapshots.h"
#include "serve/qdrant/store_records.h"

namespace malmoi::rpc::store {

// Qdrant's gRPC interface (version 1.20): the services Collections, Points, Snapshots and Qdrant of
// package qdrant, grpc.health.v1 and reflection. Requests become those that REST makes of JSON, so
// both answer alike. Keys and tokens come as metadata "api-key" or "authorization: Bearer ..."; TLS
// by the certificate of the settings, read again every tls_reload seconds; with verify_grpc_clients
// clients have to show one of an authority in tls_ca. A message may have 256 MiB.
class Server {
 public:
  // Calls are counted, and written down where they are slow or an audit log is kept, in `records`.
  // The arguments outlive the Server; settings.grpc_port is set. Errors: kUnavailable where the
  // address is taken; kIo where a certificate cannot be read; kUnsupported where the program was
  // built without gRPC.
  static Result<std::unique_ptr<Server>> Start(qdrant::Service& service,
                                               qdrant::Snapshots& snapshots,
                                               const serve::StoreSettings& settings,
                                               serve::StoreRecords& records);
  virtual ~Server() = default;
  virtual std::uint16_t port() const = 0;
  // Finishes calls under way for at most `seconds`.
  virtual void Stop(double seconds) = 0;
};

}  // namespace malmoi::rpc::store
