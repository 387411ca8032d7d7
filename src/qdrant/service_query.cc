#include <algorithm>
#include <map>
#include <set>

#include "base/clock.h"
#include "qdrant/query_run_internal.h"
#include "qdrant/service.h"

namespace malmoi::qdrant {
namespace {

using json::Value;

constexpr std::size_t kGroupsMax = 100'000;  // Groups, and hits of one, that are worth asking for.

double Seconds(const ReadParams& params) {
  return params.timeout_seconds ? static_cast<double>(*params.timeout_seconds) : 60.0;
}

// Groups that a payload puts its point into: strings and integers under the path. One value of
// another type keeps the point out of all of them, as in Qdrant.
void GroupsOf(const Value& payload, std::span<const vec::PathStep> path,
              std::vector<GroupId>* out) {
  std::vector<const Value*> values;
  ValuesAt(payload, path, &values);
  for (const Value* value : values) {
    if (const auto text = value->AsString()) {
      out->emplace_back(std::string(*text));
    } else if (value->kind() == Value::Kind::kInt) {
      out->emplace_back(*value->AsInt());
    } else if (value->kind() == Value::Kind::kUint) {
      out->emplace_back(*value->AsUint());
    } else {
      out->clear();
      return;
    }
  }
}

struct Grouping {
  std::vector<std::pair<GroupId, Ranked>> groups;  // In order of their best hits.
  bool full = false;                               // All groups that are wanted have their size.
};

Result<Grouping> GroupHits(const vec::Reader& reader, const Ranked& ranked, const GroupBy& by) {
  MALMOI_TRY(const auto path, vec::ParsePath(by.key));
  const std::size_t size = std::min<std::size_t>(by.group_size.value_or(3), kGroupsMax);
  const std::size_t limit = std::min<std::size_t>(by.limit.value_or(10), kGroupsMax);
  std::vector<PointId> ids;
  for (const ScoredId& hit : ranked) ids.push_back(hit.id);
  MALMOI_TRY(const auto points,
             reader.Retrieve(ids, vec::Selection{.payload = {.include = {by.key}}, .vectors = {}}));
  std::map<PointId, std::vector<GroupId>> groups_of;
  for (const vec::Point& point : points) {
    MALMOI_TRY(const Value payload, json::Parse(point.payload));
    GroupsOf(payload, path, &groups_of[point.id]);
  }
  Grouping grouping;
  std::map<GroupId, std::size_t> place;
  std::size_t full = 0;
  for (const ScoredId& hit : ranked) {
    std::set<GroupId> seen;
    for (const GroupId& id : groups_of[hit.id]) {
      if (!seen.insert(id).second) continue;
      auto at = place.find(id);
      if (at == place.end()) {
        if (grouping.groups.size() == limit) continue;
        at = place.emplace(id, grouping.groups.size()).first;
        grouping.groups.emplace_back(id, Ranked{});
      }
      Ranked& hits = grouping.groups[at->second].second;
      if (hits.size() < size) hits.push_back(hit);
      full += hits.size() == size && hits.back().id == hit.id ? 1 : 0;
    }
  }
  grouping.full = grouping.groups.size() == limit && full >= limit;
  return grouping;
}

void WidenPrefetches(Prefetch* node, std::size_t factor) {
  for (Prefetch& child : node->prefetch) {
    child.limit = std::min<std::uint64_t>(child.limit.value_or(10), kGroupsMax) * factor;
    WidenPrefetches(&child, factor);
  }
}

FilterPtr HasKey(const std::string& key) {
  auto filter = std::make_shared<vec::Filter>();
  filter->must_not.push_back({.test = vec::FieldCondition{.key = key, .test = vec::IsEmpty{}}});
  return filter;
}

std::optional<PointId> IdOfGroup(const GroupId& id) {
  if (const auto* text = std::get_if<std::string>(&id)) {
    Uuid uuid;
    if (ParseUuid(*text, &uuid)) return PointId(uuid);
    return std::nullopt;
  }
  if (const auto* number = std::get_if<std::int64_t>(&id)) {
    if (*number < 0) return std::nullopt;
    return PointId(static_cast<std::uint64_t>(*number));
  }
  return PointId(std::get<std::uint64_t>(id));
}

}  // namespace

Result<std::vector<std::vector<ScoredPoint>>> Service::QueryBatch(
    const std::string& name, const std::vector<QueryPoints>& requests, const ReadParams& params,
    InferenceUsage* usage) {
  MALMOI_TRY(const auto collection, Find(name));
  MALMOI_TRY(CheckStrictTimeout(*collection, params.timeout_seconds));
  if (requests.size() > 1) MALMOI_TRY(CheckStrictBatch(*collection, requests.size()));
  for (const QueryPoints& request : requests) {
    MALMOI_TRY(WithoutShard(request.shard_key, false));
    MALMOI_TRY(CheckStrictQuery(*collection, request, request.limit.value_or(10)));
  }
  MALMOI_TRY(TakeReadTokens(*collection, requests.size()));
  const Inference inference(options_.vectorizer, true, usage);
  const std::int64_t start = MonotonicNs();
  auto results = QueryRun(*this, collection, inference, Seconds(params)).RunAll(requests);
  for (const QueryPoints& request : requests) NoteIfSlow(*collection, start, request);
  return results;
}

// Ranks ever more points until every group that is wanted is full or no points are left.
Result<std::vector<PointGroup>> Service::QueryGroups(const std::string& name,
                                                     const qdrant::QueryGroups& request,
                                                     const ReadParams& params,
                                                     InferenceUsage* usage) {
  MALMOI_TRY(const auto collection, Find(name));
  MALMOI_TRY(CheckStrictTimeout(*collection, params.timeout_seconds));
  MALMOI_TRY(WithoutShard(request.query.shard_key, false));
  MALMOI_TRY(
      CheckStrictQuery(*collection, request.query,
                       request.group.limit.value_or(10) * request.group.group_size.value_or(3)));
  MALMOI_TRY(CheckStrictGroup(*collection, request.group.key));
  MALMOI_TRY(TakeReadTokens(*collection, 1));
  const Inference inference(options_.vectorizer, true, usage);
  QueryRun run(*this, collection, inference, Seconds(params));
  const std::size_t size = std::min<std::size_t>(request.group.group_size.value_or(3), kGroupsMax);
  qdrant::QueryPoints query = request.query;
  WidenPrefetches(&query, size);
  const std::size_t wanted = std::min<std::size_t>(request.group.limit.value_or(10), kGroupsMax);
  std::size_t limit = std::max<std::size_t>(size * wanted * 4, 100);
  Grouping grouping;
  while (true) {
    MALMOI_TRY(const auto ranked, run.RankRoot(query, limit, HasKey(request.group.key)));
    MALMOI_TRY(grouping, GroupHits(run.reader(), ranked, request.group));
    if (grouping.full || ranked.size() < limit || limit > 1'000'000) break;
    limit *= 8;
  }
  std::vector<PointGroup> groups;
  for (const auto& [id, hits] : grouping.groups) {
    PointGroup& group = groups.emplace_back();
    group.id = id;
    MALMOI_TRY(group.hits, run.Fill(hits, request.query.with_payload, request.query.with_vector));
  }
  if (!request.group.with_lookup) return groups;
  const WithLookup& lookup = *request.group.with_lookup;
  auto other = Find(lookup.collection);
  if (!other.ok()) return NotFound("Collection " + lookup.collection + " not found");
  for (PointGroup& group : groups) {
    const auto id = IdOfGroup(group.id);
    if (!id) continue;
    MALMOI_TRY(auto records, Get(lookup.collection,
                                 {.ids = {*id},
                                  .with_payload = lookup.with_payload,
                                  .with_vector = lookup.with_vectors,
                                  .shard_key = {}},
                                 {}));
    if (!records.empty()) group.lookup = std::move(records.front());
  }
  return groups;
}

namespace {

// What Qdrant says of a matrix; other requests get VectorNameMissing.
Error VectorNotConfigured(const vec::CollectionConfig& config, const std::string& name) {
  std::string names;
  const auto add = [&](const std::string& known) { names += (names.empty() ? "" : ", ") + known; };
  for (const auto& entry : config.dense) add(entry.first);
  for (const auto& entry : config.sparse) add(entry.first);
  const bool one = config.dense.size() + config.sparse.size() == 1 && config.dense.contains("");
  if (config.dense.empty() && config.sparse.empty()) {
    return BadInput("Vectors are not configured in this collection");
  }
  if (one) return BadInput("Vector with name " + name + " is not configured in this collection");
  if (name.empty()) {
    return BadInput("Collection requires specified vector name in the request, available names: " +
                    names);
  }
  return BadInput("Vector with name `" + name +
                  "` is not configured in this collection, available names: " + names);
}

}  // namespace

Result<MatrixResult> Service::Matrix(const std::string& name, const SearchMatrix& request,
                                     const ReadParams& params) {
  MALMOI_TRY(const auto collection, Find(name));
  MALMOI_TRY(CheckStrictTimeout(*collection, params.timeout_seconds));
  MALMOI_TRY(WithoutShard(request.shard_key, false));
  MALMOI_TRY(CheckStrictRead(*collection, request.filter.get(),
                             request.sample.value_or(10) * request.limit.value_or(3)));
  MALMOI_TRY(TakeReadTokens(*collection, 1));
  const Inference inference(options_.vectorizer, true, nullptr);
  QueryRun run(*this, collection, inference, Seconds(params));
  const auto& config = run.config();
  if (!config.dense.contains(request.using_vector) &&
      !config.sparse.contains(request.using_vector)) {
    return VectorNotConfigured(config, request.using_vector);
  }
  auto has_vector = std::make_shared<vec::Filter>();
  has_vector->must.push_back({.test = vec::HasVector{request.using_vector}});
  QueryPoints sample;
  sample.query = SampleQuery{};
  sample.filter = request.filter;
  MALMOI_TRY(const auto drawn, run.RankRoot(sample, request.sample.value_or(10), has_vector));
  MatrixResult result;
  if (drawn.size() < 2) return result;
  for (const ScoredId& hit : drawn) result.ids.push_back(hit.id);
  std::ranges::sort(result.ids);
  const FilterPtr among = IdFilter(result.ids);
  MALMOI_TRY(const auto points,
             run.reader().Retrieve(result.ids, vec::Selection{.payload = {.enabled = false},
                                                              .vectors = {.enabled = true}}));
  const std::size_t limit = request.limit.value_or(3);
  for (const vec::Point& point : points) {
    QueryPoints nearest;
    NearestQuery query;
    const auto& vectors = point.vectors;
    if (const auto d = vectors.dense.find(request.using_vector); d != vectors.dense.end()) {
      query.nearest = d->second;
    } else if (const auto s = vectors.sparse.find(request.using_vector);
               s != vectors.sparse.end()) {
      query.nearest = s->second;
    } else if (const auto m = vectors.multi.find(request.using_vector); m != vectors.multi.end()) {
      RawMultiVector rows;
      for (std::size_t i = 0; i < m->second.rows(); ++i) {
        const float* row = m->second.data.data() + i * m->second.dim;
        rows.emplace_back(row, row + m->second.dim);
      }
      query.nearest = std::move(rows);
    }
    nearest.query = std::move(query);
    nearest.using_vector = request.using_vector;
    MALMOI_TRY(auto ranked, run.RankRoot(nearest, limit + 1, among));
    const auto self = std::ranges::find(ranked, point.id, &ScoredId::id);
    if (self != ranked.end()) {
      ranked.erase(self);
    } else if (ranked.size() > limit) {
      ranked.pop_back();
    }
    MALMOI_TRY(auto hits, run.Fill(ranked, {.enabled = false}, {}));
    result.nearest.push_back(std::move(hits));
  }
  return result;
}

}  // namespace malmoi::qdrant
