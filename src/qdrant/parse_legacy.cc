#include "qdrant/parse.h"

// /points/search, /points/recommend and /points/discover: the requests that came before
// /points/query, as queries.
namespace malmoi::qdrant {
namespace {

using json::Value;

// A vector, or {"name": ..., "vector": ...}.
bool ReadNamedVector(const Value& value, QueryPoints* out, Why* why) {
  NearestQuery query;
  const Value* vector = &value;
  if (value.is_object()) {
    vector = value.Find("vector");
    const Value* name = value.Find("name");
    if (vector == nullptr || name == nullptr || !Read(*name, &out->using_vector, why)) {
      *why = "data did not match any variant of untagged enum NamedVectorStruct";
      return false;
    }
  }
  VectorData data;
  if (vector->is_null() || !Read(*vector, &data, why) ||
      !(std::holds_alternative<DenseVector>(data) ||
        std::holds_alternative<vec::SparseVector>(data))) {
    *why = "data did not match any variant of untagged enum NamedVectorStruct";
    return false;
  }
  std::visit([&](auto&& alternative) { query.nearest = std::move(alternative); }, std::move(data));
  out->query = std::move(query);
  return true;
}

bool ReadExamples(const Value& value, QueryPoints* out, Why* why) {
  RecommendQuery query;
  Fields fields(value, "struct RecommendRequest", why);
  fields.Optional("positive", &query.positive);
  fields.Optional("negative", &query.negative);
  const Value* strategy = fields.Member("strategy");
  if (strategy != nullptr && !strategy->is_null()) {
    std::size_t i = 0;
    if (!ReadName(*strategy, {"average_vector", "best_score", "sum_scores"}, &i, why)) return false;
    query.strategy = static_cast<RecommendStrategy>(i);
  }
  out->query = std::move(query);
  return fields.ok();
}

bool ReadPair(const Value& value, ContextPair* out, Why* why) {
  Fields fields(value, "struct ContextExamplePair", why);
  fields.Required("positive", &out->positive);
  fields.Required("negative", &out->negative);
  return fields.ok();
}

bool ReadDiscovery(const Value& value, QueryPoints* out, Why* why) {
  std::vector<ContextPair> context;
  if (const Value* pairs = value.Find("context"); pairs != nullptr && !pairs->is_null()) {
    if (!pairs->is_array()) {
      *why = WrongType(*pairs, "a sequence");
      return false;
    }
    for (const Value& pair : pairs->items()) {
      if (!ReadPair(pair, &context.emplace_back(), why)) return false;
    }
  }
  const Value* target = value.Find("target");
  if (target == nullptr || target->is_null()) {
    out->query = ContextQuery{.context = std::move(context)};
    return true;
  }
  DiscoverQuery query{.target = {}, .context = std::move(context)};
  if (!Read(*target, &query.target, why)) return false;
  out->query = std::move(query);
  return true;
}

bool ReadLegacyCommon(Legacy kind, const Value& value, QueryPoints* out, Why* why) {
  Fields fields(value, "struct SearchRequest", why);
  if (kind == Legacy::kSearch) {
    const Value* vector = fields.Member("vector");
    if (fields.ok() && vector == nullptr) fields.Missing("vector");
    if (!fields.ok() || !ReadNamedVector(*vector, out, why)) return false;
  } else {
    if (!fields.ok()) return false;
    if (!(kind == Legacy::kRecommend ? ReadExamples(value, out, why)
                                     : ReadDiscovery(value, out, why))) {
      return false;
    }
    fields.Optional("using", &out->using_vector);
    fields.Optional("lookup_from", &out->lookup_from);
  }
  fields.Optional("filter", &out->filter);
  fields.Optional("params", &out->params);
  fields.Optional("with_payload", &out->with_payload);
  fields.Optional("with_vectors", &out->with_vector);
  fields.Optional("with_vector", &out->with_vector);
  fields.Optional("score_threshold", &out->score_threshold);
  fields.Optional("offset", &out->offset);
  return fields.ok();
}

}  // namespace

bool ReadLegacy(Legacy kind, const Value& value, QueryPoints* out, Why* why) {
  if (!ReadLegacyCommon(kind, value, out, why)) return false;
  Fields fields(value, "struct SearchRequest", why);
  std::uint64_t limit = 0;
  fields.Required(value.Find("limit") == nullptr && value.Find("top") != nullptr ? "top" : "limit",
                  &limit);
  out->limit = limit;
  return fields.ok();
}

bool ReadLegacyGroups(Legacy kind, const Value& value, QueryGroups* out, Why* why) {
  if (!ReadGroupBy(value, &out->group, why)) return false;
  Fields fields(value, "struct SearchGroupsRequest", why);
  if (!out->group.group_size) fields.Missing("group_size");
  if (!out->group.limit) fields.Missing("limit");
  return fields.ok() && ReadLegacyCommon(kind, value, &out->query, why);
}

Status CheckLegacy(const QueryPoints& request) {
  const auto* recommend = std::get_if<RecommendQuery>(&*request.query);
  if (recommend != nullptr) {
    const bool average = recommend->strategy == RecommendStrategy::kAverageVector;
    if (average && recommend->positive.empty()) {
      return BadRequest("At least one positive vector ID required with this strategy");
    }
    if (recommend->positive.empty() && recommend->negative.empty()) {
      return BadRequest("At least one positive or negative vector ID required with this strategy");
    }
  }
  const auto* context = std::get_if<ContextQuery>(&*request.query);
  if (context != nullptr && context->context.empty()) {
    return BadRequest("target and/or context_pairs must be specified");
  }
  return Ok();
}

void ValidateLegacy(const QueryPoints& request, const std::string& path, Checks* checks) {
  QueryPoints checked = request;
  if (std::holds_alternative<RecommendQuery>(*checked.query)) {
    checked.query = SampleQuery{};  // Its examples have a rule of their own.
  }
  Validate(checked, path, checks);
}

}  // namespace malmoi::qdrant
