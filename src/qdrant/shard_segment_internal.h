#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "json/value.h"
#include "qdrant/shard_files_internal.h"

namespace malmoi::qdrant {

// One segment of a shard: its points' vectors and payloads, by offset. Immutable; its files are
// mapped.
class Segment {
 public:
  // `directory` has segment.json. Errors: kUnsupported, kCorruption, kIo, naming the file.
  static Result<std::unique_ptr<Segment>> Open(os::Vfs& vfs, const std::string& directory);

  const std::vector<SegmentPoint>& points() const { return points_; }
  std::uint64_t version() const { return version_; }  // Of the last operation that it has seen.
  // {"vectors": ..., "sparse_vectors": ...}, as a collection is made with.
  const json::Value& params() const { return params_; }
  // Schemas of payload indexes by field.
  const std::map<std::string, json::Value>& indexes() const { return indexes_; }
  Result<vec::Point> Read(const SegmentPoint& point) const;

 private:
  enum class Number { kFloat, kHalf, kByte };
  struct Dense {
    std::string name;
    std::uint32_t dim = 0;
    Number number = Number::kFloat;
    Rows rows;
    Flags missing;
    std::unique_ptr<Rows> offsets;  // Of a multivector: (first row, rows, room) by point.
  };
  struct Sparse {
    std::string name;
    Grid store;
    Flags missing;
  };

  Status OpenVectors(os::Vfs& vfs, const std::string& directory, const json::Value& config);
  Status OpenDense(os::Vfs& vfs, const std::string& folder, const json::Value& config,
                   Dense* vector);
  Status OpenPoints(os::Vfs& vfs, const std::string& directory);
  Status ReadDense(const Dense& vector, std::uint32_t offset, vec::NamedVectors* out) const;

  std::string directory_;
  std::uint64_t version_ = 0;
  json::Value params_;
  std::map<std::string, json::Value> indexes_;
  std::vector<SegmentPoint> points_;
  std::vector<Dense> dense_;
  std::vector<Sparse> sparse_;
  std::unique_ptr<Grid> payloads_;
};

}  // namespace malmoi::qdrant
