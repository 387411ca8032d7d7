#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"
#include "serve/tei/service.h"

namespace malmoi::rpc::tei {

// The gRPC side of an embedding server: package tei.v1 of text-embeddings-inference with its
// streams, grpc.health.v1 and reflection. The service's API key is asked for as "authorization"
// metadata ("Bearer KEY"), but for health and reflection. Without a model's name in the interface,
// calls go to the first model that can do them.
class Server {
 public:
  // `service` outlives the Server. Errors: kUnavailable where the address is taken; kUnsupported
  // where the program was built without gRPC.
  static Result<std::unique_ptr<Server>> Start(const serve::tei::Service& service,
                                               const std::string& host, std::uint16_t port);
  virtual ~Server() = default;
  virtual std::uint16_t port() const = 0;
  // Finishes calls under way for at most `seconds`.
  virtual void Stop(double seconds) = 0;
};

}  // namespace malmoi::rpc::tei
