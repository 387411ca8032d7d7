#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "json/value.h"
#include "qdrant/errors.h"
#include "vec/filter.h"
#include "vec/point.h"
#include "vec/read.h"
#include "vec/write.h"

// Requests and answers about points, as plain structs: the seam between the wires (JSON, protobuf)
// and Service. Validate* hold the rules that Qdrant checks before running a request; each wire
// calls them and labels what they find.
namespace malmoi::qdrant {

using vec::PointId;
using FilterPtr = std::shared_ptr<const vec::Filter>;

// Text, or something else, that a model turns into a vector.
struct Document {
  std::string text;
  std::string model;
  json::Value options;  // An object, or null.
};
struct InferenceObject {  // `image` or `object` of a model that malmoi does not serve.
  json::Value object;
  std::string model;
  json::Value options;
};

// A vector as it stands in a request. Rows of a multivector are kept as sent, since a ragged one
// is an error of validation.
using DenseVector = std::vector<float>;
using RawMultiVector = std::vector<DenseVector>;
using VectorData =
    std::variant<DenseVector, vec::SparseVector, RawMultiVector, Document, InferenceObject>;
using VectorMap = std::map<std::string, VectorData>;  // "" is the unnamed vector.

using ShardKey = std::variant<std::string, std::uint64_t>;

struct PointStruct {
  PointId id;
  VectorMap vectors;
  std::optional<std::string> payload;  // JSON object text.
};

struct UpsertPoints {
  std::vector<PointStruct> points;
  FilterPtr update_filter;
  vec::UpdateMode update_mode = vec::UpdateMode::kUpsert;
  std::vector<ShardKey> shard_key;
};

// Points by id or by filter.
struct PointsSelector {
  std::vector<PointId> ids;
  FilterPtr filter;
  std::vector<ShardKey> shard_key;
};

struct PointVectors {
  PointId id;
  VectorMap vectors;
};
struct UpdateVectors {
  std::vector<PointVectors> points;
  FilterPtr update_filter;
  std::vector<ShardKey> shard_key;
};
struct DeleteVectors {
  std::optional<std::vector<PointId>> points;
  FilterPtr filter;
  std::vector<std::string> vectors;
  std::vector<ShardKey> shard_key;
};
struct SetPayload {
  std::string payload = "{}";
  std::optional<std::vector<PointId>> points;
  FilterPtr filter;
  std::optional<std::string> key;
  std::vector<ShardKey> shard_key;
};
struct OverwritePayload : SetPayload {};
struct DeletePayload {
  std::vector<std::string> keys;
  std::optional<std::vector<PointId>> points;
  FilterPtr filter;
  std::vector<ShardKey> shard_key;
};
struct ClearPayload : PointsSelector {};
struct DeletePoints : PointsSelector {};

using UpdateOperation = std::variant<UpsertPoints, DeletePoints, SetPayload, OverwritePayload,
                                     DeletePayload, ClearPayload, UpdateVectors, DeleteVectors>;

struct UpdateParams {
  bool wait = false;
  std::optional<std::uint64_t> timeout_seconds;
};

struct UpdateResult {
  std::uint64_t operation_id = 0;
  bool completed = true;  // Else acknowledged.
};

struct ReadParams {
  std::optional<std::uint64_t> timeout_seconds;
};

struct GetPoints {
  std::vector<PointId> ids;
  vec::PayloadSelector with_payload = {.enabled = true};
  vec::VectorSelector with_vector = {};
  std::vector<ShardKey> shard_key = {};
};

enum class Direction : std::uint8_t { kAsc, kDesc };
// A number, or a date as microseconds since 1970.
struct StartFrom {
  std::variant<std::int64_t, double> value;
  bool is_datetime = false;
};
struct OrderBy {
  std::string key;
  Direction direction = Direction::kAsc;
  std::optional<StartFrom> start_from;
};

struct ScrollPoints {
  std::optional<PointId> offset;
  std::optional<std::uint64_t> limit;  // 10
  FilterPtr filter;
  vec::PayloadSelector with_payload = {.enabled = true};
  vec::VectorSelector with_vector = {};
  std::optional<OrderBy> order_by;
  std::vector<ShardKey> shard_key = {};
};

struct CountPoints {
  FilterPtr filter;
  bool exact = true;
  std::vector<ShardKey> shard_key = {};
};

struct FacetRequest {
  std::string key;
  std::optional<std::uint64_t> limit;  // 10
  FilterPtr filter;
  bool exact = false;
  std::vector<ShardKey> shard_key = {};
};

// A point in an answer. Which of the parts are printed is the selection's matter.
struct Record {
  PointId id;
  std::optional<std::string> payload;
  std::optional<vec::NamedVectors> vectors;
  std::optional<std::variant<std::int64_t, double>> order_value;
};
struct ScrollResult {
  std::vector<Record> points;
  std::optional<PointId> next_page_offset;
};

// Tokens counted for each model that a request used.
using InferenceUsage = std::map<std::string, std::uint64_t>;

void Validate(const vec::Filter& filter, const std::string& path, Checks* checks);
void Validate(const UpsertPoints& request, const std::string& path, Checks* checks);
void Validate(const UpdateVectors& request, const std::string& path, Checks* checks);
void Validate(const DeleteVectors& request, const std::string& path, Checks* checks);
void Validate(const SetPayload& request, const std::string& path, Checks* checks);
void Validate(const DeletePayload& request, const std::string& path, Checks* checks);
void Validate(const PointsSelector& request, const std::string& path, Checks* checks);
void Validate(const UpdateOperation& request, const std::string& path, Checks* checks);
void Validate(const ScrollPoints& request, const std::string& path, Checks* checks);
void Validate(const CountPoints& request, const std::string& path, Checks* checks);
void Validate(const FacetRequest& request, const std::string& path, Checks* checks);
void Validate(const VectorData& vector, const std::string& path, Checks* checks);

}  // namespace malmoi::qdrant
