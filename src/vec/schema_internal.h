#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "vec/read.h"

namespace malmoi::vec {

enum class FieldKind : std::uint8_t { kDense, kSparse, kMulti };

// The named vectors of a collection. A field's number is its place and never changes: new ones are
// appended, dropped ones stay as gaps, so that older rows, files and log records keep their sense.
struct Schema {
  struct Field {
    std::string name;
    FieldKind kind = FieldKind::kDense;
    std::uint32_t dim = 0;  // But sparse.
    Distance distance = Distance::kCosine;
    Datatype datatype = Datatype::kFloat32;
    bool idf = false;
    bool dropped = false;
    std::string settings = "{}";

    bool sparse() const { return kind == FieldKind::kSparse; }
    std::size_t row_bytes() const;  // Of one dense vector.
    // Cosine on u8 keeps lengths and divides by them at query time.
    bool normalized() const {
      return distance == Distance::kCosine && datatype != Datatype::kUint8 && !sparse();
    }
    bool operator==(const Field&) const = default;
  };
  std::vector<Field> fields;

  Schema() = default;
  // Dense and multivectors by name, then sparse ones by name: the order of format 1.
  explicit Schema(const CollectionConfig& config);
  std::optional<std::uint32_t> Find(std::string_view name) const;
  // The vectors of a configuration, without gaps.
  void Describe(CollectionConfig* config) const;
};

Schema::Field FieldOf(const std::string& name, const DenseParams& params);
Schema::Field FieldOf(const std::string& name, const SparseParams& params);

// Errors: kInvalidArgument for what a collection cannot have.
Status CheckConfig(const CollectionConfig& config);
Status CheckField(const Schema::Field& field);
Status CheckVectors(const Schema& schema, const NamedVectors& vectors);
// `v`: rows of `dim` numbers, which is to be the field's, all of them finite.
Status CheckDense(const Schema::Field& field, std::uint32_t dim, std::span<const float> v);
Status CheckJsonObject(std::string_view json, std::string_view what);

// Numbers as the field stores them: of length 1 for cosine, then as its datatype. `v` is a whole
// number of vectors of the field's dimension.
std::string StoredDense(const Schema::Field& field, std::span<const float> v);
void AppendDense(const Schema::Field& field, std::span<const float> v, std::string* out);
// The floats of stored rows.
std::vector<float> LoadDense(const Schema::Field& field, const char* rows, std::size_t count);
std::uint16_t FloatToHalf(float value);
float HalfToFloat(std::uint16_t half);

// Mixes the id's bits for hash tables in memory.
std::uint64_t HashId(const PointId& id);

}  // namespace malmoi::vec
