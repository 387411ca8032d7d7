#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "json/value.h"
#include "json/writer.h"

namespace malmoi::serve {

// The slowest requests, for GET /profiler/slow_requests: of each kind ("query", "scroll", "count",
// "facet", "retrieve", "points-update") at most kKept that took kShortestSeconds or more, the same
// request of a collection once, with its longest time. Lost at a restart. Thread-safe.
class SlowRequests {
 public:
  static constexpr double kShortestSeconds = .05;
  static constexpr std::size_t kKept = 32;
  static constexpr std::size_t kItems = 64;  // Of an array of a request; the rest is counted.

  struct Request {
    std::string_view kind;  // Of static storage.
    std::string collection;
    double seconds = 0;
    json::Value body;  // Arrays are shortened when it is kept.
  };
  // No-op for a request that is not slow.
  void Add(Request request);
  // {"requests": [...]} as Qdrant's: the slowest first, at most `limit`, of kinds that contain
  // `kind`.
  void Print(std::size_t limit, std::string_view kind, json::Writer* writer) const;

 private:
  struct Entry {
    Request request;
    std::uint64_t hash = 0, count = 1;
    std::int64_t wall_ns = 0;
  };
  mutable std::mutex mutex_;  // guards: entries_
  std::vector<Entry> entries_;
};

// The kind of an operation by its name in Qdrant's OpenAPI document ("query_batch_points"); empty:
// none that is looked at.
std::string_view SlowKind(std::string_view operation);

}  // namespace malmoi::serve
