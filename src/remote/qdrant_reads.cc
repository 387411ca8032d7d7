#include <algorithm>
#include <cmath>
#include <map>

#include "base/clock.h"
#include "remote/qdrant_collection_internal.h"

namespace malmoi::remote {
namespace {

using json::Value;
using json::Writer;

// Info is remembered that long: a search asks it twice.
constexpr double kInfoSeconds = 2;
constexpr std::size_t kTermsAtOnce = 64;

void PutFilter(const vec::Filter* filter, Writer* w) {
  if (filter == nullptr || filter->empty()) return;
  w->Key("filter");
  vec::PrintFilter(*filter, w);
}

void PutSelection(const vec::Selection& selection, Writer* w) {
  const vec::PayloadSelector& payload = selection.payload;
  w->Key("with_payload");
  const auto paths = [&](std::string_view name, const std::vector<std::string>& list) {
    w->BeginObject().Key(name).BeginArray();
    for (const std::string& path : list) w->Put(path);
    w->EndArray().EndObject();
  };
  if (!payload.include.empty()) {
    paths("include", payload.include);
  } else if (!payload.exclude.empty()) {
    paths("exclude", payload.exclude);
  } else {
    w->Put(payload.enabled);
  }
  w->Key("with_vector");
  if (!selection.vectors.names) {
    w->Put(selection.vectors.enabled);
    return;
  }
  w->BeginArray();
  for (const std::string& name : *selection.vectors.names) w->Put(name);
  w->EndArray();
}

void PutQueryVector(const vec::QueryVector& vector, Writer* w) {
  vec::NamedVectors named;  // Under a name, so that it stands in an object whatever its form.
  if (const auto* dense = std::get_if<std::vector<float>>(&vector)) {
    w->BeginArray();
    for (const float number : *dense) w->Put(number);
    w->EndArray();
  } else if (const auto* sparse = std::get_if<vec::SparseVector>(&vector)) {
    w->BeginObject().Key("indices").BeginArray();
    for (const std::uint32_t index : sparse->indices) w->Put(index);
    w->EndArray().Key("values").BeginArray();
    for (const float value : sparse->values) w->Put(value);
    w->EndArray().EndObject();
  } else {
    named.multi[""] = std::get<vec::MultiVector>(vector);
    PrintVectors(named, w);
  }
}

void PutParams(const vec::SearchParams& params, Writer* w) {
  w->Key("params").BeginObject().Field("exact", params.exact);
  if (params.ef) w->Field("hnsw_ef", *params.ef);
  if (params.indexed_only) w->Field("indexed_only", true);
  const auto& quantization = params.quantization;
  if (quantization.ignore || quantization.rescore || quantization.oversampling) {
    w->Key("quantization").BeginObject().Field("ignore", quantization.ignore);
    if (quantization.rescore) w->Field("rescore", *quantization.rescore);
    if (quantization.oversampling) w->Field("oversampling", *quantization.oversampling);
    w->EndObject();
  }
  w->EndObject();
}

void PutQuery(const vec::VectorQuery& query, Writer* w) {
  w->BeginObject().Key("query");
  PutQueryVector(query.vector, w);
  if (!query.using_vector.empty()) w->Field("using", query.using_vector);
  PutFilter(query.filter, w);
  w->Field("limit", query.limit);
  if (query.score_threshold) w->Field("score_threshold", *query.score_threshold);
  w->Field("with_payload", query.with_payload).Field("with_vector", false);
  PutParams(query.params, w);
  w->EndObject();
}

Result<vec::QueryOutcome> ReadHits(const Value& answer, const vec::VectorQuery& query) {
  vec::QueryOutcome outcome;
  outcome.exact = query.params.exact || std::holds_alternative<vec::SparseVector>(query.vector);
  const Value* points = answer.Find("points");
  for (const Value& point : points == nullptr ? answer.items() : points->items()) {
    vec::Hit hit;
    MALMOI_TRY(hit.id, ReadId(point.Find("id")));
    hit.score = static_cast<float>(point.GetDouble("score"));
    hit.version = static_cast<std::uint64_t>(point.GetInt("version"));
    const Value* payload = point.Find("payload");
    if (query.with_payload)
      hit.payload = payload != nullptr && payload->is_object() ? payload->Dump() : "{}";
    outcome.hits.push_back(std::move(hit));
  }
  outcome.scored = outcome.hits.size();
  return outcome;
}

}  // namespace

vec::CollectionConfig QdrantCollection::config() const {
  const std::lock_guard lock(mutex_);
  return config_;
}

std::shared_ptr<const vec::Reader> QdrantCollection::View() const {
  return std::make_shared<QdrantCollection>(client_, name_, config());
}

Result<vec::QueryOutcome> QdrantCollection::Query(const vec::VectorQuery& query,
                                                  const Cancel* cancel) const {
  MALMOI_TRY(auto outcomes, QueryBatch({&query, 1}, cancel));
  return std::move(outcomes.front());
}

Result<std::vector<vec::QueryOutcome>> QdrantCollection::QueryBatch(
    std::span<const vec::VectorQuery> queries, const Cancel* cancel) const {
  Writer w;
  w.BeginObject().Key("searches").BeginArray();
  for (const vec::VectorQuery& query : queries) {
    if (query.combine) {
      return Error(Code::kUnsupported, "a store on the network combines no examples");
    }
    PutQuery(query, &w);
  }
  w.EndArray().EndObject();
  MALMOI_TRY(const Value answer,
             client_.Call("POST", path_ + "/points/query/batch", w.text(), cancel));
  if (answer.items().size() != queries.size()) {
    return Error(Code::kInternal, "the store answered " + std::to_string(answer.items().size()) +
                                      " of " + std::to_string(queries.size()) + " queries");
  }
  std::vector<vec::QueryOutcome> outcomes;
  for (std::size_t i = 0; i < queries.size(); ++i) {
    MALMOI_TRY(auto outcome, ReadHits(answer.items()[i], queries[i]));
    outcomes.push_back(std::move(outcome));
  }
  return outcomes;
}

Result<std::vector<vec::Point>> QdrantCollection::Retrieve(std::span<const vec::PointId> ids,
                                                           const vec::Selection& selection) const {
  if (ids.empty()) return std::vector<vec::Point>();
  Writer w;
  w.BeginObject().Key("ids");
  PrintIds(ids, &w);
  PutSelection(selection, &w);
  w.EndObject();
  MALMOI_TRY(const Value answer, client_.Call("POST", path_ + "/points", w.text()));
  const vec::CollectionConfig form = config();
  std::map<vec::PointId, vec::Point> found;
  for (const Value& item : answer.items()) {
    MALMOI_TRY(auto point, ReadPoint(item, form));
    const vec::PointId id = point.id;
    found.emplace(id, std::move(point));
  }
  std::vector<vec::Point> points;
  for (const vec::PointId& id : ids) {
    if (const auto at = found.find(id); at != found.end()) points.push_back(at->second);
  }
  return points;
}

Result<vec::Page> QdrantCollection::Scroll(const std::optional<vec::PointId>& from,
                                           std::size_t limit, const vec::Filter* filter,
                                           const vec::Selection& selection) const {
  Writer w;
  w.BeginObject().Field("limit", limit);
  if (from) {
    w.Key("offset");
    PrintId(*from, &w);
  }
  PutFilter(filter, &w);
  PutSelection(selection, &w);
  w.EndObject();
  MALMOI_TRY(const Value answer, client_.Call("POST", path_ + "/points/scroll", w.text()));
  vec::Page page;
  const vec::CollectionConfig form = config();
  if (const Value* points = answer.Find("points")) {
    for (const Value& item : points->items()) {
      MALMOI_TRY(auto point, ReadPoint(item, form));
      page.points.push_back(std::move(point));
    }
  }
  const Value* next = answer.Find("next_page_offset");
  if (next != nullptr && !next->is_null()) {
    MALMOI_TRY(page.next, ReadId(next));
  }
  return page;
}

Result<std::vector<vec::OrderedPoint>> QdrantCollection::ScrollBy(
    const vec::OrderBy& order, std::size_t limit, const vec::Filter* filter,
    const vec::Selection& selection) const {
  Writer w;
  w.BeginObject().Field("limit", limit).Key("order_by").BeginObject().Field("key", order.key);
  w.Field("direction", order.descending ? "desc" : "asc");
  if (order.start_from) {
    w.Key("start_from");
    std::visit([&](auto number) { w.Put(number); }, *order.start_from);
  }
  w.EndObject();
  PutFilter(filter, &w);
  PutSelection(selection, &w);
  w.EndObject();
  MALMOI_TRY(const Value answer, client_.Call("POST", path_ + "/points/scroll", w.text()));
  std::vector<vec::OrderedPoint> ordered;
  const vec::CollectionConfig form = config();
  const Value* points = answer.Find("points");
  for (const Value& item : points == nullptr ? answer.items() : points->items()) {
    MALMOI_TRY(auto point, ReadPoint(item, form));
    const Value* value = item.Find("order_value");
    const bool whole = value != nullptr && value->kind() == Value::Kind::kInt;
    std::variant<std::int64_t, double> number = item.GetDouble("order_value");
    if (whole) number = item.GetInt("order_value");
    ordered.push_back({std::move(point), number});
  }
  return ordered;
}

Result<std::uint64_t> QdrantCollection::Count(const vec::Filter* filter) const {
  Writer w;
  w.BeginObject().Field("exact", true);
  PutFilter(filter, &w);
  w.EndObject();
  MALMOI_TRY(const Value answer, client_.Call("POST", path_ + "/points/count", w.text()));
  return static_cast<std::uint64_t>(answer.GetInt("count"));
}

Result<std::vector<vec::FacetCount>> QdrantCollection::Facet(const std::string& key,
                                                             std::size_t limit,
                                                             const vec::Filter* filter) const {
  Writer w;
  w.BeginObject().Field("key", key).Field("limit", limit).Field("exact", true);
  PutFilter(filter, &w);
  w.EndObject();
  MALMOI_TRY(const Value answer, client_.Call("POST", path_ + "/facet", w.text()));
  std::vector<vec::FacetCount> counts;
  const Value* hits = answer.Find("hits");
  for (const Value& hit : hits == nullptr ? answer.items() : hits->items()) {
    const Value* value = hit.Find("value");
    if (value == nullptr) continue;
    vec::FacetValue shown;
    if (value->is_bool()) {
      shown = *value->AsBool();
    } else if (const auto number = value->AsInt(); value->is_number() && number) {
      shown = *number;
    } else {
      shown = std::string(value->AsString().value_or(""));
    }
    counts.push_back({std::move(shown), static_cast<std::uint64_t>(hit.GetInt("count"))});
  }
  return counts;
}

Result<std::vector<vec::PointId>> QdrantCollection::Sample(std::size_t limit,
                                                           const vec::Filter* filter,
                                                           std::uint64_t) const {
  Writer w;
  w.BeginObject().Key("query").BeginObject().Field("sample", "random").EndObject();
  w.Field("limit", limit).Field("with_payload", false);
  PutFilter(filter, &w);
  w.EndObject();
  MALMOI_TRY(const Value answer, client_.Call("POST", path_ + "/points/query", w.text()));
  std::vector<vec::PointId> ids;
  if (const Value* points = answer.Find("points")) {
    for (const Value& point : points->items()) {
      MALMOI_TRY(const auto id, ReadId(point.Find("id")));
      ids.push_back(id);
    }
  }
  return ids;
}

Result<std::vector<bool>> QdrantCollection::Test(std::span<const vec::PointId> ids,
                                                 const vec::Filter& filter) const {
  std::vector<bool> holds(ids.size(), false);
  if (ids.empty()) return holds;
  vec::Filter both;
  both.must.push_back({vec::HasId{{ids.begin(), ids.end()}}});
  both.must.push_back({std::make_shared<const vec::Filter>(filter)});
  const vec::Selection nothing{.payload = {.enabled = false}, .vectors = {}};
  MALMOI_TRY(const vec::Page page, Scroll({}, ids.size(), &both, nothing));
  std::vector<vec::PointId> kept;
  for (const vec::Point& point : page.points) kept.push_back(point.id);
  std::ranges::sort(kept);
  for (std::size_t i = 0; i < ids.size(); ++i) holds[i] = std::ranges::binary_search(kept, ids[i]);
  return holds;
}

// The interface does not tell how many points have a term. But the best hit of a query with this
// term alone scores idf x the point's stored value, and idf = ln(1 + (N - df + 0.5) / (df + 0.5)),
// so df = (N + 1) / e^idf - 0.5. On several shards the IDF, and so df, is that of the server.
Result<std::vector<std::uint64_t>> QdrantCollection::CountTerms(
    const std::string& sparse_vector, std::span<const std::uint32_t> terms) const {
  const vec::CollectionConfig form = config();
  const auto params = form.sparse.find(sparse_vector);
  if (params == form.sparse.end() || !params->second.idf) {
    return Error(Code::kInvalidArgument, "'" + sparse_vector + "' is no sparse vector with IDF");
  }
  vec::CollectionInfo info = Info();
  if (info.error) return Error(Code::kUnavailable, *info.error);
  const auto documents = static_cast<double>(info.with_vector[sparse_vector]);
  std::vector<std::uint64_t> counts;
  for (std::size_t begin = 0; begin < terms.size(); begin += kTermsAtOnce) {
    const auto some = terms.subspan(begin, std::min(kTermsAtOnce, terms.size() - begin));
    Writer w;
    w.BeginObject().Key("searches").BeginArray();
    for (const std::uint32_t term : some) {
      w.BeginObject().Key("query");
      PutQueryVector(vec::SparseVector{{term}, {1.0f}}, &w);
      w.Field("using", sparse_vector).Field("limit", 1).Field("with_payload", false);
      w.Key("with_vector").BeginArray().Put(sparse_vector).EndArray().EndObject();
    }
    w.EndArray().EndObject();
    MALMOI_TRY(const Value answer, client_.Call("POST", path_ + "/points/query/batch", w.text()));
    for (std::size_t i = 0; i < some.size(); ++i) {
      counts.push_back(0);
      if (i >= answer.items().size()) continue;
      const Value* points = answer.items()[i].Find("points");
      if (points == nullptr || points->items().empty()) continue;
      const Value& hit = points->items().front();
      MALMOI_TRY(const vec::Point point, ReadPoint(hit, form));
      const auto stored = point.vectors.sparse.find(sparse_vector);
      if (stored == point.vectors.sparse.end()) continue;
      const auto& [indices, values] = stored->second;
      const auto at = std::ranges::lower_bound(indices, some[i]);
      if (at == indices.end() || *at != some[i]) continue;
      const double idf =
          hit.GetDouble("score") /
          static_cast<double>(values[static_cast<std::size_t>(at - indices.begin())]);
      const double df = std::round((documents + 1) / std::exp(idf) - 0.5);
      counts.back() = static_cast<std::uint64_t>(std::clamp(df, 1.0, std::max(documents, 1.0)));
    }
  }
  return counts;
}

Result<vec::CollectionInfo> QdrantCollection::AskInfo() const {
  vec::CollectionInfo info;
  MALMOI_TRY(const Value described, client_.Call("GET", path_));
  info.segments = static_cast<std::uint64_t>(described.GetInt("segments_count"));
  info.indexed_vectors = static_cast<std::uint64_t>(described.GetInt("indexed_vectors_count"));
  MALMOI_TRY(info.points, client_.Count(name_));
  const vec::CollectionConfig form = config();
  std::vector<std::string> names;
  for (const auto& [name, params] : form.dense) names.push_back(name);
  for (const auto& [name, params] : form.sparse) names.push_back(name);
  for (const std::string& name : names) {
    vec::Filter filter;
    filter.must.push_back({vec::HasVector{name}});
    MALMOI_TRY(info.with_vector[name], Count(&filter));
  }
  return info;
}

vec::CollectionInfo QdrantCollection::Info() const {
  {
    const std::lock_guard lock(mutex_);
    if (info_ns_ != 0 && SecondsSince(info_ns_) < kInfoSeconds) return info_;
  }
  auto asked = AskInfo();
  const std::lock_guard lock(mutex_);
  if (!asked.ok()) {
    vec::CollectionInfo last = info_;
    last.error = asked.error().message();
    return last;
  }
  info_ = std::move(asked).value();
  info_ns_ = MonotonicNs();
  return info_;
}

std::map<std::string, vec::PayloadIndexInfo> QdrantCollection::PayloadIndexes() const {
  std::map<std::string, vec::PayloadIndexInfo> indexes;
  const auto described = client_.Call("GET", path_);
  if (!described.ok()) return indexes;
  const Value* schema = described.value().Find("payload_schema");
  if (schema == nullptr) return indexes;
  constexpr std::pair<std::string_view, vec::IndexKind> kKinds[] = {
      {"keyword", vec::IndexKind::kKeyword}, {"integer", vec::IndexKind::kInteger},
      {"float", vec::IndexKind::kFloat},     {"bool", vec::IndexKind::kBool},
      {"geo", vec::IndexKind::kGeo},         {"datetime", vec::IndexKind::kDatetime},
      {"uuid", vec::IndexKind::kUuid},       {"text", vec::IndexKind::kText}};
  for (const auto& [field, shown] : schema->members()) {
    vec::PayloadIndexInfo index;
    for (const auto& [name, kind] : kKinds) {
      if (shown.GetString("data_type") == name) index.params.kind = kind;
    }
    if (const Value* params = shown.Find("params")) index.params.settings = params->Dump();
    index.points = static_cast<std::uint64_t>(shown.GetInt("points"));
    indexes[field] = std::move(index);
  }
  return indexes;
}

}  // namespace malmoi::remote
