#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "vec/filter.h"
#include "vec/payload_index.h"
#include "vec/point.h"

namespace malmoi::vec {

// Operations on points, applied one after another: each sees what those before it did. Ids that do
// not exist are skipped, but by Upsert. All are total: a condition or selector that keeps nothing
// changes nothing.

// The points of the given ids, or those that the filter keeps (null: no filter; then ids count).
struct PointSelector {
  std::vector<PointId> ids = {};
  std::shared_ptr<const Filter> filter = {};
};

enum class UpdateMode : std::uint8_t { kUpsert, kInsertOnly, kUpdateOnly };

// Whole points are inserted or replaced. With `condition`, existing points that it does not keep
// stay as they are; new ones are inserted all the same.
struct UpsertOp {
  std::vector<Point> points;
  UpdateMode mode = UpdateMode::kUpsert;
  std::shared_ptr<const Filter> condition = {};
};
// Points that each have one dense vector of the same name, without a Point for each: what batches
// over a wire mostly are.
struct PointColumns {
  std::string vector_name = {};
  std::uint32_t dim = 0;
  std::vector<PointId> ids = {};
  std::vector<float> rows = {};                // [ids.size(), dim]
  std::string payloads = {};                   // As Point::payload, one after another.
  std::vector<std::size_t> payload_ends = {};  // In `payloads`; one without bytes is {}.

  std::string_view payload(std::size_t point) const {
    const std::size_t begin = point == 0 ? 0 : payload_ends[point - 1];
    return std::string_view(payloads).substr(begin, payload_ends[point] - begin);
  }
};
std::vector<Point> ToPoints(const PointColumns& columns);

struct DeletePointsOp {
  PointSelector points;
};
struct VectorUpdate {
  PointId id;
  NamedVectors vectors;
};
// Sets the given vectors of existing points, keeping the others and the payload.
struct UpdateVectorsOp {
  std::vector<VectorUpdate> updates;
  std::shared_ptr<const Filter> condition = {};
};
struct DeleteVectorsOp {
  PointSelector points;
  std::vector<std::string> names;
};
// kSet: members of `payload` replace those of the same name; with `key`, inside of the object at
// that path, which is made where it is missing or no object. kOverwrite: the payload becomes
// `payload`. kDelete: the paths `keys` go. kClear: the payload becomes {}.
struct PayloadOp {
  enum class Kind : std::uint8_t { kSet, kOverwrite, kDelete, kClear };
  Kind kind = Kind::kSet;
  PointSelector points;
  std::string payload = "{}";  // A JSON object's text.
  std::string key = {};
  std::vector<std::string> keys = {};
};
// Changes of the collection itself, in the same order and log. An index or vector that is there
// already with the same parameters is left; with others, an index is built anew.
struct CreateIndexOp {
  std::string key;
  PayloadIndexParams params;
};
struct DropIndexOp {
  std::string key;
};
struct CreateVectorOp {  // A new named vector; existing points lack it.
  std::string name;
  std::variant<DenseParams, SparseParams> params;
};
struct DropVectorOp {
  std::string name;
};
struct SetSettingsOp {  // Unset: unchanged. Each a JSON object's text.
  std::optional<std::string> settings = {};
  std::optional<std::string> metadata = {};
  std::vector<std::pair<std::string, std::string>> vector_settings = {};  // By vector name.
};

using Operation =
    std::variant<UpsertOp, DeletePointsOp, UpdateVectorsOp, DeleteVectorsOp, PayloadOp,
                 CreateIndexOp, DropIndexOp, CreateVectorOp, DropVectorOp, SetSettingsOp>;

struct WriteOptions {
  // true: on disk when the call returns. false: applied and visible, handed to the operating
  // system, and on disk within 50 ms; a crash of the machine (not of the process) may lose it,
  // then also everything written after it, nothing before it.
  bool wait = true;
};

struct WriteOutcome {
  std::uint64_t operation_id = 0;  // Rises with every write.
  std::uint64_t changed = 0;       // Points inserted, replaced, changed or deleted.
};

}  // namespace malmoi::vec
