#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "json/value.h"
#include "os/vfs.h"
#include "qdrant/shard_segment_internal.h"
#include "vec/point.h"

namespace malmoi::qdrant {

// What a snapshot of Qdrant's says of its collection.
struct ForeignHead {
  json::Value creation;                        // The body that makes it.
  std::map<std::string, json::Value> indexes;  // Schemas by field.
  std::uint64_t points = 0;                    // Without operations that wait.
};

// A batch is full behind the first point or operation that passes one of them.
constexpr std::size_t kForeignBatch = 1000, kForeignBatchBytes = 8u << 20;

// Reads a snapshot of Qdrant's out of untrusted files, batch by batch: the points, each in its
// newest state, then the operations that no segment has seen. Runs in a sandboxed child
// (snapshot_child.h); its errors are kUnsupported, kCorruption and kIo, naming the file.
// Memory: about 60 bytes a point and a batch.
class ForeignReader {
 public:
  static Result<std::unique_ptr<ForeignReader>> Open(os::Vfs& vfs, const std::string& directory);
  explicit ForeignReader(os::Vfs& vfs) : vfs_(vfs) {}  // Open makes it whole.

  const ForeignHead& head() const { return head_; }
  Result<std::vector<vec::Point>> NextPoints();       // None: there are no more.
  Result<std::vector<json::Value>> NextOperations();  // As OperationOfLog; none: no more.

  // Where the newest state of a point is.
  struct Place {
    const SegmentPoint* point = nullptr;
    std::uint32_t segment = 0;
  };
  struct Shard {
    std::string folder;
    std::vector<std::unique_ptr<Segment>> segments;
    std::uint64_t version = 0;  // The last operation that a segment or a point has seen.
    std::vector<Place> places;
  };

 private:
  os::Vfs& vfs_;
  ForeignHead head_;
  std::vector<Shard> shards_;
  std::size_t point_shard_ = 0, place_ = 0, log_shard_ = 0;
  std::uint64_t log_seen_ = 0;
};

}  // namespace malmoi::qdrant
