#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "base/result.h"
#include "vec/point.h"

namespace malmoi::rpc::store {

// Upserts over Qdrant's gRPC interface, durable when acknowledged (wait=true), to this server or
// another. One connection of its own; calls of one client are made one after another.
class PointsClient {
 public:
  // `address`: "host:port". Connects with the first call. Errors: kUnsupported where the program
  // was built without gRPC.
  static Result<std::unique_ptr<PointsClient>> Create(const std::string& address);
  virtual ~PointsClient() = default;

  // A request of points with one unnamed dense vector and a payload of numbers and strings (flat),
  // made once. Returns its number.
  virtual Result<std::size_t> Prepare(const std::string& collection,
                                      std::span<const vec::Point> points) = 0;
  // Sends a prepared request with ids from `first` on. Errors: kUnavailable with the server's text.
  virtual Status Send(std::size_t request, std::uint64_t first) = 0;
};

}  // namespace malmoi::rpc::store
