#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"
#include "remote/qdrant_client.h"

namespace malmoi::rpc::store {

struct LinkOptions {
  std::string url;  // "grpc://host:6334" or "grpcs://..." (TLS): remote::StoreUrl.
  std::string key;  // Metadata "api-key"; empty: none.
  remote::StoreTls tls = {};
  double call_seconds_max = 600;  // Of one try: a large collection may be made or copied that long.
  // UNAVAILABLE and RESOURCE_EXHAUSTED: so many tries, after a pause that doubles from
  // first_pause_seconds on, or the server's "retry-after" where that is longer (30 s at most).
  // Every call made here may be repeated.
  int tries = 4;
  double first_pause_seconds = 0.2;
  int answer_bytes_max = 1 << 30;
};

// Qdrant's gRPC interface (version 1.20) of this program's server or Qdrant's own, as a link for
// remote::QdrantClient: collections, aliases, points, payloads, queries, facets, payload indexes,
// snapshots (made, listed, deleted; files pass over REST alone). Connects with the first call.
//
// Errors: kIo for an unreadable file of `tls`; kUnsupported where the program was built without
// gRPC. Of calls: kNotFound, kAlreadyExists, kInvalidArgument, kPermissionDenied (no key, or a
// wrong one), kOverloaded, kUnavailable (no server, TLS), kDeadline, kOutOfRange (a message over a
// limit), kCancelled, kUnsupported, kCorruption (an answer that is none), kInternal; each with the
// server's text. Thread-safe.
Result<std::shared_ptr<remote::StoreLink>> ConnectStore(const LinkOptions& options);

// Whether the program was built with gRPC.
bool HasGrpc();

// The address that `text` names (remote::StoreUrl), with a link where it is one of gRPC.
Result<remote::StoreAddress> StoreAddressOf(const std::string& text, const std::string& key,
                                            const remote::StoreTls& tls);

}  // namespace malmoi::rpc::store
