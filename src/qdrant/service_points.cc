#include <algorithm>

#include "base/clock.h"
#include "qdrant/service.h"

namespace malmoi::qdrant {
namespace {

// What vec gives at most at once.
std::size_t AtMost(const std::optional<std::uint64_t>& limit) {
  return std::min<std::size_t>(limit.value_or(10), 1'000'000);
}

vec::PointSelector Selector(const std::optional<std::vector<PointId>>& ids,
                            const FilterPtr& filter) {
  vec::PointSelector selector;
  if (ids) {
    selector.ids = *ids;
  } else {
    selector.filter = filter;
  }
  return selector;
}

vec::PointSelector Selector(const PointsSelector& request) {
  return {.ids = request.ids, .filter = request.filter};
}

bool HasVector(const vec::CollectionConfig& config, const std::string& name) {
  return config.dense.contains(name) || config.sparse.contains(name);
}

Status CheckVectorNames(const vec::CollectionConfig& config, const vec::VectorSelector& selector) {
  if (!selector.names) return Ok();
  for (const std::string& name : *selector.names) {
    if (!HasVector(config, name)) return VectorNameMissing(name);
  }
  return Ok();
}

struct Preparer {
  const vec::CollectionConfig& config;
  const Inference& inference;

  Result<vec::Operation> operator()(UpsertPoints& request) const {
    vec::UpsertOp op{.points = {}, .mode = request.update_mode, .condition = request.update_filter};
    op.points.reserve(request.points.size());
    for (PointStruct& point : request.points) {
      vec::Point& stored = op.points.emplace_back();
      stored.id = point.id;
      MALMOI_TRY(stored.vectors, ConvertVectors(config, std::move(point.vectors), inference));
      if (point.payload) stored.payload = std::move(*point.payload);
    }
    return vec::Operation(std::move(op));
  }
  Result<vec::Operation> operator()(const DeletePoints& request) const {
    return vec::Operation(vec::DeletePointsOp{.points = Selector(request)});
  }
  Result<vec::Operation> operator()(const SetPayload& request) const {
    return vec::Operation(vec::PayloadOp{.kind = vec::PayloadOp::Kind::kSet,
                                         .points = Selector(request.points, request.filter),
                                         .payload = request.payload,
                                         .key = request.key.value_or("")});
  }
  Result<vec::Operation> operator()(const OverwritePayload& request) const {
    // With a key, Qdrant sets at the key here too.
    const auto kind = request.key ? vec::PayloadOp::Kind::kSet : vec::PayloadOp::Kind::kOverwrite;
    return vec::Operation(vec::PayloadOp{.kind = kind,
                                         .points = Selector(request.points, request.filter),
                                         .payload = request.payload,
                                         .key = request.key.value_or("")});
  }
  Result<vec::Operation> operator()(const DeletePayload& request) const {
    return vec::Operation(vec::PayloadOp{.kind = vec::PayloadOp::Kind::kDelete,
                                         .points = Selector(request.points, request.filter),
                                         .keys = request.keys});
  }
  Result<vec::Operation> operator()(const ClearPayload& request) const {
    return vec::Operation(
        vec::PayloadOp{.kind = vec::PayloadOp::Kind::kClear, .points = Selector(request)});
  }
  Result<vec::Operation> operator()(const UpdateVectors& request) const {
    vec::UpdateVectorsOp op{.updates = {}, .condition = request.update_filter};
    for (const PointVectors& point : request.points) {
      MALMOI_TRY(auto vectors, ConvertVectors(config, point.vectors, inference));
      op.updates.push_back({.id = point.id, .vectors = std::move(vectors)});
    }
    return vec::Operation(std::move(op));
  }
  Result<vec::Operation> operator()(const DeleteVectors& request) const {
    if (!request.points && request.filter == nullptr) {
      return BadRequest("No filter or points provided");
    }
    for (const std::string& name : request.vectors) {
      if (!HasVector(config, name)) return VectorNameMissing(name);
    }
    return vec::Operation(vec::DeleteVectorsOp{.points = Selector(request.points, request.filter),
                                               .names = request.vectors});
  }
};

// Whether it names no point at all, which Qdrant refuses whatever else it says.
bool IsEmptyRequest(const UpdateOperation& operation) {
  return std::visit(
      [](const auto& request) {
        using T = std::decay_t<decltype(request)>;
        if constexpr (std::is_same_v<T, UpsertPoints> || std::is_same_v<T, UpdateVectors>) {
          return request.points.empty();
        } else if constexpr (std::is_base_of_v<PointsSelector, T>) {
          return request.filter == nullptr && request.ids.empty();
        } else {
          return request.points && request.points->empty();
        }
      },
      operation);
}

// The ids whose absence Qdrant reports, after it has changed the points that are there.
std::vector<PointId> IdsThatMustExist(const UpdateOperation& operation) {
  if (const auto* update = std::get_if<UpdateVectors>(&operation)) {
    std::vector<PointId> ids;
    if (update->update_filter != nullptr) return ids;
    for (const PointVectors& point : update->points) ids.push_back(point.id);
    return ids;
  }
  if (const auto* set = std::get_if<SetPayload>(&operation)) {
    return set->points.value_or(std::vector<PointId>{});
  }
  if (const auto* set = std::get_if<OverwritePayload>(&operation)) {
    return set->points.value_or(std::vector<PointId>{});
  }
  if (const auto* drop = std::get_if<DeletePayload>(&operation)) {
    return drop->points.value_or(std::vector<PointId>{});
  }
  if (const auto* drop = std::get_if<DeleteVectors>(&operation)) {
    return drop->points.value_or(std::vector<PointId>{});
  }
  if (const auto* clear = std::get_if<ClearPayload>(&operation)) return clear->ids;
  return {};
}

Status CheckPointsExist(const OpenCollection& collection, const UpdateOperation& operation) {
  const std::vector<PointId> ids = IdsThatMustExist(operation);
  if (ids.empty()) return Ok();
  const vec::Selection nothing{.payload = {.enabled = false}, .vectors = {.enabled = false}};
  auto found = collection.store->Retrieve(ids, nothing);
  if (!found.ok()) return FromStore(std::move(found.error()));
  for (const PointId& id : ids) {
    const bool exists =
        std::ranges::any_of(found.value(), [&](const vec::Point& p) { return p.id == id; });
    if (!exists) return PointMissing(vec::ToString(id));
  }
  return Ok();
}

Record ToRecord(vec::Point point, const vec::PayloadSelector& payload,
                const vec::VectorSelector& vectors) {
  Record record;
  record.id = point.id;
  if (payload.enabled) record.payload = std::move(point.payload);
  if (vectors.enabled) record.vectors = std::move(point.vectors);
  return record;
}

}  // namespace

Result<vec::Operation> Service::Prepare(const OpenCollection& collection,
                                        UpdateOperation* operation, InferenceUsage* usage) {
  MALMOI_TRY(std::visit([](const auto& request) { return WithoutShard(request.shard_key, true); },
                        *operation));
  MALMOI_TRY(CheckStrictUpdate(collection, *operation));
  if (TakesRoom(*operation)) MALMOI_TRY(quotas_.Check(StrictMemoryPercent(collection)));
  const Inference inference(options_.vectorizer, false, usage);
  const vec::CollectionConfig config = collection.store->config();
  if (IsEmptyRequest(*operation)) return BadRequest("Empty update request");
  return std::visit(Preparer{config, inference}, *operation);
}

Result<vec::WriteOutcome> Service::WriteOne(const OpenCollection& collection,
                                            vec::Operation operation, const UpdateParams& params) {
  const vec::WriteOptions options{.wait = params.wait};
  auto outcome = collection.store->Write({&operation, 1}, options);
  if (!outcome.ok()) return FromStore(std::move(outcome.error()));
  return outcome;
}

Result<std::optional<UpdateResult>> Service::UpsertColumns(const std::string& name,
                                                           const vec::PointColumns& columns,
                                                           const UpdateParams& params) {
  MALMOI_TRY(const auto collection, Find(name));
  if (IsStrict(*collection)) return std::optional<UpdateResult>();
  MALMOI_TRY(quotas_.Check(StrictMemoryPercent(*collection)));
  auto outcome = collection->store->Upsert(columns, {.wait = params.wait});
  if (!outcome.ok() && outcome.error().code() == Code::kInvalidArgument) {
    return std::optional<UpdateResult>();  // Update names what is wrong as Qdrant does.
  }
  if (!outcome.ok()) return FromStore(std::move(outcome.error()));
  return std::optional<UpdateResult>(
      UpdateResult{.operation_id = outcome.value().operation_id, .completed = params.wait});
}

Result<UpdateResult> Service::Update(const std::string& name, UpdateOperation operation,
                                     const UpdateParams& params, InferenceUsage* usage) {
  MALMOI_TRY(const auto collection, Find(name));
  auto* both = std::get_if<DeleteVectors>(&operation);
  if (both != nullptr && both->points &&
      both->filter != nullptr) {  // Two operations, in this order.
    DeleteVectors first = *both;
    first.points.reset();
    both->filter = nullptr;
    MALMOI_TRY(Update(name, std::move(first), params, usage));
  }
  MALMOI_TRY(auto prepared, Prepare(*collection, &operation, usage));
  MALMOI_TRY(const auto outcome, WriteOne(*collection, std::move(prepared), params));
  if (params.wait) MALMOI_TRY(CheckPointsExist(*collection, operation));
  return UpdateResult{.operation_id = outcome.operation_id, .completed = params.wait};
}

Result<std::vector<UpdateResult>> Service::UpdateBatch(
    const std::string& name, const std::vector<UpdateOperation>& operations,
    const UpdateParams& params, InferenceUsage* usage) {
  MALMOI_TRY(Find(name));
  std::vector<UpdateResult> results;
  for (const UpdateOperation& operation : operations) {
    MALMOI_TRY(auto result, Update(name, operation, params, usage));
    results.push_back(result);
  }
  return results;
}

Result<std::vector<Record>> Service::Get(const std::string& name, const GetPoints& request,
                                         const ReadParams& params) {
  MALMOI_TRY(const auto collection, Find(name));
  MALMOI_TRY(CheckStrictTimeout(*collection, params.timeout_seconds));
  MALMOI_TRY(WithoutShard(request.shard_key, false));
  MALMOI_TRY(TakeReadTokens(*collection, request.ids.size()));
  MALMOI_TRY(CheckVectorNames(collection->store->config(), request.with_vector));
  // A point that is asked for twice is given once.
  std::vector<PointId> ids;
  for (const PointId& id : request.ids) {
    if (std::ranges::find(ids, id) == ids.end()) ids.push_back(id);
  }
  auto points = collection->store->Retrieve(
      ids, vec::Selection{.payload = request.with_payload, .vectors = request.with_vector});
  if (!points.ok()) return FromStore(std::move(points.error()));
  std::vector<Record> records;
  for (vec::Point& point : points.value()) {
    records.push_back(ToRecord(std::move(point), request.with_payload, request.with_vector));
  }
  return records;
}

namespace {

Error NoRangeIndex(const std::string& key) {
  return BadInput("No range index for `order_by` key: `" + key +
                  "`. Please create one to use `order_by`. Check "
                  "https://qdrant.tech/documentation/concepts/indexing/#payload-index to see which "
                  "payload schemas support Range conditions");
}

bool HasOrder(const vec::PayloadIndexParams& params) {
  using Kind = vec::IndexKind;
  if (params.kind == Kind::kInteger) {
    const auto settings = json::Parse(params.settings);
    return !settings.ok() || settings.value().GetBool("range", true);
  }
  return params.kind == Kind::kFloat || params.kind == Kind::kDatetime;
}

bool CanFacet(const vec::PayloadIndexParams& params) {
  using Kind = vec::IndexKind;
  return params.kind == Kind::kKeyword || params.kind == Kind::kInteger ||
         params.kind == Kind::kUuid || params.kind == Kind::kBool;
}

}  // namespace

Result<vec::OrderBy> ToStoredOrder(const vec::Reader& reader, const OrderBy& order) {
  const auto indexes = reader.PayloadIndexes();
  const auto index = indexes.find(order.key);
  if (index == indexes.end() || !HasOrder(index->second.params)) return NoRangeIndex(order.key);
  vec::OrderBy stored{.key = order.key, .descending = order.direction == Direction::kDesc};
  if (order.start_from) stored.start_from = order.start_from->value;
  return stored;
}

namespace {

Result<ScrollResult> ScrollOrdered(const vec::Reader& reader, const ScrollPoints& request) {
  if (request.offset) {
    return BadInput(
        "Cannot use an `offset` when using `order_by`. The alternative for paging is to use "
        "`order_by.start_from` and a filter to exclude the IDs that you've already seen for the "
        "`order_by.start_from` value");
  }
  MALMOI_TRY(const auto order, ToStoredOrder(reader, *request.order_by));
  auto points = reader.ScrollBy(
      order, AtMost(request.limit), request.filter.get(),
      vec::Selection{.payload = request.with_payload, .vectors = request.with_vector});
  if (!points.ok()) return FromStore(std::move(points.error()));
  ScrollResult result;
  for (vec::OrderedPoint& ordered : points.value()) {
    Record record = ToRecord(std::move(ordered.point), request.with_payload, request.with_vector);
    record.order_value = ordered.value;
    result.points.push_back(std::move(record));
  }
  return result;
}

}  // namespace

Result<ScrollResult> Service::Scroll(const std::string& name, const ScrollPoints& request,
                                     const ReadParams& params) {
  MALMOI_TRY(const auto collection, Find(name));
  MALMOI_TRY(CheckStrictTimeout(*collection, params.timeout_seconds));
  MALMOI_TRY(WithoutShard(request.shard_key, false));
  MALMOI_TRY(CheckStrictRead(*collection, request.filter.get(), request.limit.value_or(10)));
  MALMOI_TRY(TakeReadTokens(*collection, 1));
  MALMOI_TRY(CheckVectorNames(collection->store->config(), request.with_vector));
  const std::int64_t start = MonotonicNs();
  if (request.order_by) return ScrollOrdered(*collection->store, request);
  auto page = collection->store->Scroll(
      request.offset, AtMost(request.limit), request.filter.get(),
      vec::Selection{.payload = request.with_payload, .vectors = request.with_vector});
  NoteIfSlow(*collection, start, request.filter.get());
  if (!page.ok()) return FromStore(std::move(page.error()));
  ScrollResult result;
  for (vec::Point& point : page.value().points) {
    result.points.push_back(ToRecord(std::move(point), request.with_payload, request.with_vector));
  }
  result.next_page_offset = page.value().next;
  return result;
}

Result<std::uint64_t> Service::Count(const std::string& name, const CountPoints& request,
                                     const ReadParams& params) {
  MALMOI_TRY(const auto collection, Find(name));
  MALMOI_TRY(CheckStrictTimeout(*collection, params.timeout_seconds));
  MALMOI_TRY(WithoutShard(request.shard_key, false));
  MALMOI_TRY(CheckStrictRead(*collection, request.filter.get(), std::nullopt));
  MALMOI_TRY(TakeReadTokens(*collection, 1));
  const std::int64_t start = MonotonicNs();
  auto count = collection->store->Count(request.filter.get());
  NoteIfSlow(*collection, start, request.filter.get());
  if (!count.ok()) return FromStore(std::move(count.error()));
  return count;
}

Result<std::vector<vec::FacetCount>> Service::Facet(const std::string& name,
                                                    const FacetRequest& request,
                                                    const ReadParams& params) {
  MALMOI_TRY(const auto collection, Find(name));
  MALMOI_TRY(CheckStrictTimeout(*collection, params.timeout_seconds));
  MALMOI_TRY(WithoutShard(request.shard_key, false));
  MALMOI_TRY(CheckStrictRead(*collection, request.filter.get(), request.limit.value_or(10)));
  MALMOI_TRY(TakeReadTokens(*collection, 1));
  const auto indexes = collection->store->PayloadIndexes();
  const auto index = indexes.find(request.key);
  if (index == indexes.end() || !CanFacet(index->second.params)) {
    return BadInput("No appropriate index for faceting: `" + request.key +
                    "`. Please create one to facet on this field. Check "
                    "https://qdrant.tech/documentation/concepts/indexing/#payload-index to see "
                    "which payload schemas support Match conditions");
  }
  auto counts = collection->store->Facet(request.key, AtMost(request.limit), request.filter.get());
  if (!counts.ok()) return FromStore(std::move(counts.error()));
  return counts;
}

Result<UpdateResult> Service::CreateFieldIndex(const std::string& name,
                                               const qdrant::CreateFieldIndex& request,
                                               const UpdateParams& params) {
  MALMOI_TRY(const auto collection, Find(name));
  if (!request.field_schema) {
    return BadRequest("Can't auto-detect field type, please specify `field_schema` in the request");
  }
  MALMOI_TRY(CheckStrictIndexCount(*collection));
  vec::CreateIndexOp op{.key = request.field_name, .params = *request.field_schema};
  MALMOI_TRY(const auto outcome, WriteOne(*collection, std::move(op), params));
  issues_.Solve(collection->name, request.field_name);
  return UpdateResult{.operation_id = outcome.operation_id, .completed = params.wait};
}

Result<UpdateResult> Service::DeleteFieldIndex(const std::string& name, const std::string& field,
                                               const UpdateParams& params) {
  MALMOI_TRY(const auto collection, Find(name));
  MALMOI_TRY(const auto outcome, WriteOne(*collection, vec::DropIndexOp{.key = field}, params));
  return UpdateResult{.operation_id = outcome.operation_id, .completed = params.wait};
}

}  // namespace malmoi::qdrant
