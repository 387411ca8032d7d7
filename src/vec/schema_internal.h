#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "vec/collection.h"

namespace malmoi::vec {

// The named vectors of a collection in one numbering: dense ones by name, then sparse ones.
struct Schema {
  struct Field {
    std::string name;
    bool sparse = false;
    std::uint32_t dim = 0;  // Dense only.
    Distance distance = Distance::kCosine;
    bool idf = false;
  };
  std::vector<Field> fields;

  explicit Schema(const CollectionConfig& config);
  std::optional<std::uint32_t> Find(std::string_view name) const;
};

// Errors: kInvalidArgument for what a collection cannot have.
Status CheckConfig(const CollectionConfig& config);

// A point inside encoded bytes. Vector data is unaligned: copy it out.
struct PointView {
  struct Vector {
    std::uint32_t field = 0;
    std::uint32_t size = 0;      // Floats, or sparse entries.
    const char* data = nullptr;  // f32[size], or u32[size] then f32[size].
  };
  PointId id;
  std::vector<Vector> vectors;
  std::string_view payload;
};

// One change, as it stands in the log (docs/formats/wal.md).
enum class OpKind : std::uint8_t { kUpsert = 1, kDelete = 2, kMetadata = 3 };
struct Op {
  OpKind kind = OpKind::kUpsert;
  std::string_view body;
};

void PutId(std::string* out, const PointId& id);
Status CheckVectors(const Schema& schema, const NamedVectors& vectors);
// `v` as the field stores it: of length 1 for cosine. Not repeated on stored vectors: normalising
// twice may change the last bit.
std::vector<float> StoredForm(const Schema& schema, const std::string& name, std::vector<float> v);
// Whether dense vectors are as the caller gave them or as they are stored.
enum class VectorForm : std::uint8_t { kGiven, kStored };
// Checks the point against schema and limits, normalises cosine vectors and appends its bytes.
Status EncodePoint(const Schema& schema, const Point& point, VectorForm form, std::string* out);
Result<std::string> EncodeUpsert(const Schema& schema, std::span<const Point> points,
                                 VectorForm form);
std::string EncodeDelete(std::span<const PointId> ids);
std::string EncodeMetadata(std::string_view json);

// Reads of untrusted bytes; kCorruption where they are not what the encoders write.
Result<std::vector<Op>> DecodeOps(std::string_view bytes);
Result<std::vector<PointView>> DecodeUpsert(const Schema& schema, std::string_view body);
Result<std::vector<PointId>> DecodeDelete(std::string_view body);

// Mixes the id's bits for hash tables in memory.
std::uint64_t HashId(const PointId& id);

}  // namespace malmoi::vec
