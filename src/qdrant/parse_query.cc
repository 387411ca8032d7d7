#include "qdrant/parse.h"

namespace malmoi::qdrant {
namespace {

using json::Value;

constexpr std::string_view kNoQuery = "Expected some form of vector, id, or a type of query";
constexpr int kDepthMax = 64;

// One value, or a list of them.
template <class T>
bool ReadOneOrMany(const Value& value, std::vector<T>* out, Why* why) {
  if (value.is_array()) return Read(value, out, why);
  return Read(value, &out->emplace_back(), why);
}

bool Read(const Value& value, ContextPair* out, Why* why) {
  Fields fields(value, "struct ContextPair", why);
  fields.Required("positive", &out->positive);
  fields.Required("negative", &out->negative);
  return fields.ok();
}

bool Read(const Value& value, FeedbackQuery::Item* out, Why* why) {
  Fields fields(value, "struct FeedbackItem", why);
  fields.Required("example", &out->example);
  fields.Required("score", &out->score);
  return fields.ok();
}

bool ReadContext(const Value& value, std::vector<ContextPair>* out, Why* why) {
  if (!value.is_array()) return Read(value, &out->emplace_back(), why);
  for (const Value& item : value.items()) {
    if (!Read(item, &out->emplace_back(), why)) return false;
  }
  return true;
}

bool ReadNearest(const Value& value, Query* out, Why* why) {
  auto& query = out->emplace<NearestQuery>();
  if (!Read(*value.Find("nearest"), &query.nearest, why)) return false;
  const Value* mmr = value.Find("mmr");
  if (mmr == nullptr || mmr->is_null()) return true;
  auto& params = query.mmr.emplace();
  Fields fields(*mmr, "struct Mmr", why);
  fields.Optional("diversity", &params.diversity);
  fields.Optional("candidates_limit", &params.candidates_limit);
  return fields.ok();
}

bool ReadRecommend(const Value& value, Query* out, Why* why) {
  auto& query = out->emplace<RecommendQuery>();
  Fields fields(*value.Find("recommend"), "struct RecommendInput", why);
  fields.Optional("positive", &query.positive);
  fields.Optional("negative", &query.negative);
  const Value* strategy = fields.Member("strategy");
  if (strategy != nullptr && !strategy->is_null()) {
    std::size_t i = 0;
    if (!ReadName(*strategy, {"average_vector", "best_score", "sum_scores"}, &i, why)) return false;
    query.strategy = static_cast<RecommendStrategy>(i);
  }
  return fields.ok();
}

bool ReadDiscover(const Value& value, Query* out, Why* why) {
  auto& query = out->emplace<DiscoverQuery>();
  Fields fields(*value.Find("discover"), "struct DiscoverInput", why);
  fields.Required("target", &query.target);
  if (!fields.ok()) return false;
  const Value* context = fields.Member("context");
  if (context == nullptr || context->is_null()) return true;
  return ReadContext(*context, &query.context, why);
}

bool ReadContextQuery(const Value& value, Query* out, Why* why) {
  const Value& context = *value.Find("context");
  auto& query = out->emplace<ContextQuery>();
  return context.is_null() || ReadContext(context, &query.context, why);
}

bool ReadFusion(const Value& value, Query* out, Why* why) {
  std::size_t i = 0;
  if (!ReadName(*value.Find("fusion"), {"rrf", "dbsf"}, &i, why)) return false;
  if (i == 0) {
    *out = RrfQuery{};
  } else {
    *out = DbsfQuery{};
  }
  return true;
}

bool ReadRrf(const Value& value, Query* out, Why* why) {
  auto& query = out->emplace<RrfQuery>();
  Fields fields(*value.Find("rrf"), "struct Rrf", why);
  fields.Optional("k", &query.k);
  fields.Optional("weights", &query.weights);
  return fields.ok();
}

bool ReadFeedback(const Value& value, Query* out, Why* why) {
  auto& query = out->emplace<FeedbackQuery>();
  Fields fields(*value.Find("relevance_feedback"), "struct RelevanceFeedbackInput", why);
  fields.Required("target", &query.target);
  Value feedback, strategy;
  fields.Required("feedback", &feedback);
  fields.Required("strategy", &strategy);
  if (!fields.ok()) return false;
  if (!feedback.is_array()) return false;
  for (const Value& item : feedback.items()) {
    if (!Read(item, &query.feedback.emplace_back(), why)) return false;
  }
  const Value* naive = strategy.Find("naive");
  if (naive == nullptr) {
    *why = "data did not match any variant of untagged enum FeedbackStrategy";
    return false;
  }
  Fields params(*naive, "struct NaiveFeedbackStrategyParams", why);
  params.Required("a", &query.a);
  params.Required("b", &query.b);
  params.Required("c", &query.c);
  return params.ok();
}

// {"text": "..."} or {"text": {"query": "...", "scoring": {"bm25": {"k", "b"}}}}.
bool ReadText(const Value& value, Query* out, Why* why) {
  auto& query = out->emplace<TextQuery>();
  const Value& text = *value.Find("text");
  if (text.is_string()) return Read(text, &query.query, why);
  Fields fields(text, "struct TextQueryInput", why);
  fields.Required("query", &query.query);
  if (!fields.ok()) return false;
  const Value* scoring = text.Find("scoring");
  if (scoring == nullptr || scoring->is_null()) return true;
  const Value* bm25 = scoring->Find("bm25");
  if (bm25 == nullptr) {
    *why = "missing field `bm25`";
    return false;
  }
  Fields params(*bm25, "struct Bm25Params", why);
  params.Optional("k", &query.k);
  params.Optional("b", &query.b);
  return params.ok();
}

struct Operator {
  std::string_view name;
  Expression::Kind kind;
};
constexpr Operator kUnary[] = {
    {"neg", Expression::Kind::kNeg},     {"abs", Expression::Kind::kAbs},
    {"sqrt", Expression::Kind::kSqrt},   {"exp", Expression::Kind::kExp},
    {"log10", Expression::Kind::kLog10}, {"ln", Expression::Kind::kLn},
    {"acosh", Expression::Kind::kAcosh},
};
constexpr Operator kMany[] = {
    {"mult", Expression::Kind::kMult},
    {"sum", Expression::Kind::kSum},
    {"max", Expression::Kind::kMax},
    {"min", Expression::Kind::kMin},
};
constexpr Operator kDecay[] = {
    {"lin_decay", Expression::Kind::kLinDecay},
    {"exp_decay", Expression::Kind::kExpDecay},
    {"gauss_decay", Expression::Kind::kGaussDecay},
};

bool ReadExpression(const Value& value, int depth, ExpressionPtr* out, Why* why);

bool ReadArgument(const Value& object, std::string_view key, int depth, Expression* out, Why* why) {
  const Value* member = object.Find(key);
  if (member == nullptr) {
    *why = "missing field `" + std::string(key) + "`";
    return false;
  }
  return ReadExpression(*member, depth + 1, &out->arguments.emplace_back(), why);
}

bool ReadDecay(const Value& params, int depth, Expression* out, Why* why) {
  if (!ReadArgument(params, "x", depth, out, why)) return false;
  const Value* target = params.Find("target");
  if (target != nullptr && !target->is_null() && !ReadArgument(params, "target", depth, out, why)) {
    return false;
  }
  Fields fields(params, "struct DecayParamsExpression", why);
  fields.Optional("scale", &out->scale);
  fields.Optional("midpoint", &out->midpoint);
  return fields.ok();
}

bool ReadGeoDistance(const Value& params, Expression* out, Why* why) {
  const Value* origin = params.Find("origin");
  const Value* to = params.Find("to");
  if (origin == nullptr || to == nullptr || !ReadPath(*to, &out->name, why)) return false;
  Fields fields(*origin, "struct GeoPoint", why);
  fields.Required("lon", &out->origin.lon);
  fields.Required("lat", &out->origin.lat);
  return fields.ok() && out->origin.lon >= -180 && out->origin.lon <= 180 &&
         out->origin.lat >= -90 && out->origin.lat <= 90;
}

// The forms that are objects with one member; false where `value` is none of them.
bool ReadOperator(const Value& value, int depth, Expression* out, bool* matched, Why* why) {
  *matched = true;
  for (const Operator& op : kUnary) {
    if (value.Find(op.name) == nullptr) continue;
    out->kind = op.kind;
    return ReadArgument(value, op.name, depth, out, why);
  }
  for (const Operator& op : kMany) {
    const Value* list = value.Find(op.name);
    if (list == nullptr || !list->is_array()) continue;
    out->kind = op.kind;
    for (const Value& item : list->items()) {
      if (!ReadExpression(item, depth + 1, &out->arguments.emplace_back(), why)) return false;
    }
    return true;
  }
  for (const Operator& op : kDecay) {
    const Value* params = value.Find(op.name);
    if (params == nullptr) continue;
    out->kind = op.kind;
    return ReadDecay(*params, depth, out, why);
  }
  if (const Value* div = value.Find("div")) {
    out->kind = Expression::Kind::kDiv;
    Fields fields(*div, "struct DivParams", why);
    fields.Optional("by_zero_default", &out->by_zero_default);
    return fields.ok() && ReadArgument(*div, "left", depth, out, why) &&
           ReadArgument(*div, "right", depth, out, why);
  }
  if (const Value* pow = value.Find("pow")) {
    out->kind = Expression::Kind::kPow;
    return ReadArgument(*pow, "base", depth, out, why) &&
           ReadArgument(*pow, "exponent", depth, out, why);
  }
  if (const Value* geo = value.Find("geo_distance")) {
    out->kind = Expression::Kind::kGeoDistance;
    return ReadGeoDistance(*geo, out, why);
  }
  if (const Value* date = value.Find("datetime")) {
    out->kind = Expression::Kind::kDatetime;
    const auto time = date->is_string() ? vec::ParseDatetime(*date->AsString()) : std::nullopt;
    if (time) out->constant = static_cast<double>(*time) / 1e6;
    return time.has_value();
  }
  if (const Value* key = value.Find("datetime_key")) {
    out->kind = Expression::Kind::kDatetimeKey;
    return ReadPath(*key, &out->name, why);
  }
  *matched = false;
  return false;
}

bool ReadExpression(const Value& value, int depth, ExpressionPtr* out, Why* why) {
  auto expression = std::make_shared<Expression>();
  *why = "data did not match any variant of untagged enum Expression";
  if (depth > kDepthMax) return false;
  if (value.is_number()) {
    expression->constant = static_cast<float>(*value.AsDouble());
  } else if (const auto name = value.AsString()) {
    expression->kind = Expression::Kind::kVariable;
    expression->name = *name;
  } else {
    bool matched = false;
    if (!value.is_object()) return false;
    if (!ReadOperator(value, depth, expression.get(), &matched, why)) {
      expression->kind = Expression::Kind::kCondition;
      if (matched || !ReadOneCondition(value, &expression->condition, why)) {
        if (!why->starts_with("!")) {
          *why = "data did not match any variant of untagged enum Expression";
        }
        return false;
      }
    }
  }
  *out = std::move(expression);
  return true;
}

bool ReadFormula(const Value& value, Query* out, Why* why) {
  auto& query = out->emplace<FormulaQuery>();
  if (!ReadExpression(*value.Find("formula"), 0, &query.formula, why)) return false;
  const Value* defaults = value.Find("defaults");
  return defaults == nullptr || Read(*defaults, &query.defaults, why);
}

bool ReadOrderByQuery(const Value& value, Query* out, Why* why) {
  return Read(*value.Find("order_by"), &out->emplace<OrderByQuery>().order_by, why);
}

bool ReadSample(const Value& value, Query* out, Why* why) {
  std::size_t ignored = 0;
  *out = SampleQuery{};
  return ReadName(*value.Find("sample"), {"random"}, &ignored, why);
}

bool ReadCommon(Fields* fields, const Value& value, int depth, Prefetch* out, Why* why);

bool ReadPrefetchAt(const Value& value, int depth, Prefetch* out, Why* why) {
  Fields fields(value, "struct Prefetch", why);
  fields.Optional("limit", &out->limit);
  return fields.ok() && ReadCommon(&fields, value, depth, out, why);
}

bool ReadCommon(Fields* fields, const Value& value, int depth, Prefetch* out, Why* why) {
  if (depth > kDepthMax) {
    *why = "recursion limit exceeded";
    return false;
  }
  const Value* prefetch = fields->Member("prefetch");
  if (prefetch != nullptr && !prefetch->is_null()) {
    if (prefetch->is_array()) {
      for (const Value& item : prefetch->items()) {
        if (!ReadPrefetchAt(item, depth + 1, &out->prefetch.emplace_back(), why)) return false;
      }
    } else if (!ReadPrefetchAt(*prefetch, depth + 1, &out->prefetch.emplace_back(), why)) {
      return false;
    }
  }
  const Value* query = value.Find("query");
  if (query != nullptr && !query->is_null() && !Read(*query, &out->query.emplace(), why)) {
    return false;
  }
  fields->Optional("using", &out->using_vector);
  fields->Optional("filter", &out->filter);
  fields->Optional("params", &out->params);
  fields->Optional("score_threshold", &out->score_threshold);
  fields->Optional("lookup_from", &out->lookup_from);
  return fields->ok();
}

}  // namespace

bool Read(const Value& value, WithLookup* out, Why* why) {
  if (value.is_string()) return Read(value, &out->collection, why);
  Fields fields(value, "struct WithLookup", why);
  fields.Required("collection", &out->collection);
  fields.Optional("with_payload", &out->with_payload);
  fields.Optional("with_vector", &out->with_vectors);
  fields.Optional("with_vectors", &out->with_vectors);
  if (!fields.ok()) *why = "data did not match any variant of untagged enum WithLookupInterface";
  return fields.ok();
}

bool Read(const Value& value, VectorInput* out, Why* why) {
  if (value.is_string() || value.kind() == Value::Kind::kInt ||
      value.kind() == Value::Kind::kUint) {
    return ReadPointId(value, &out->emplace<PointId>(), why);
  }
  VectorData data;
  if (!Read(value, &data, why)) {
    *why = "data did not match any variant of untagged enum VectorInput";
    return false;
  }
  std::visit([&](auto&& alternative) { *out = std::move(alternative); }, std::move(data));
  return true;
}

bool Read(const Value& value, ExpressionPtr* out, Why* why) {
  return ReadExpression(value, 0, out, why);
}

bool Read(const Value& value, Query* out, Why* why) {
  struct Form {
    std::string_view key;
    bool (*read)(const Value&, Query*, Why*);
  };
  static constexpr Form kForms[] = {
      {"nearest", ReadNearest},
      {"recommend", ReadRecommend},
      {"discover", ReadDiscover},
      {"context", ReadContextQuery},
      {"order_by", ReadOrderByQuery},
      {"fusion", ReadFusion},
      {"rrf", ReadRrf},
      {"formula", ReadFormula},
      {"sample", ReadSample},
      {"relevance_feedback", ReadFeedback},
      {"text", ReadText},
  };
  Why reason;
  auto& nearest = out->emplace<NearestQuery>();
  if (Read(value, &nearest.nearest, &reason)) return true;
  for (const Form& form : kForms) {
    if (value.Find(form.key) == nullptr) continue;
    if (form.read(value, out, &reason)) return true;
    *why = reason.starts_with("!") ? std::string(reason) : std::string(kNoQuery);
    return false;
  }
  *why = kNoQuery;
  return false;
}

bool Read(const Value& value, SearchParams* out, Why* why) {
  Fields fields(value, "struct SearchParams", why);
  fields.Optional("hnsw_ef", &out->hnsw_ef);
  fields.Optional("exact", &out->exact);
  fields.Optional("indexed_only", &out->indexed_only);
  if (const Value* quantization = fields.Member("quantization");
      quantization != nullptr && !quantization->is_null()) {
    Fields inner(*quantization, "struct QuantizationSearchParams", why);
    inner.Optional("ignore", &out->quantization_ignore);
    inner.Optional("rescore", &out->quantization_rescore);
    inner.Optional("oversampling", &out->quantization_oversampling);
    if (!inner.ok()) return false;
  }
  if (const Value* acorn = fields.Member("acorn"); acorn != nullptr && !acorn->is_null()) {
    Fields inner(*acorn, "struct AcornSearchParams", why);
    inner.Optional("enable", &out->acorn_enable);
    inner.Optional("max_selectivity", &out->acorn_max_selectivity);
    if (!inner.ok()) return false;
  }
  if (const Value* idf = fields.Member("idf"); idf != nullptr && idf->is_object()) {
    Fields inner(*idf, "struct IdfCorpusParams", why);
    inner.Required("corpus", &out->idf_corpus);
    if (!inner.ok()) return false;
  } else if (idf != nullptr && !idf->is_null() && idf->AsString() != "global") {
    fields.Fail("data did not match any variant of untagged enum IdfParams");
  }
  return fields.ok();
}

bool Read(const Value& value, LookupLocation* out, Why* why) {
  Fields fields(value, "struct LookupLocation", why);
  fields.Required("collection", &out->collection);
  fields.Optional("vector", &out->vector);
  return fields.ok() && CheckShardKeys(value, why);
}

bool Read(const Value& value, Prefetch* out, Why* why) {
  return ReadPrefetchAt(value, 0, out, why);
}

bool Read(const Value& value, QueryPoints* out, Why* why) {
  Fields fields(value, "struct QueryRequest", why);
  fields.Optional("limit", &out->limit);
  fields.Optional("offset", &out->offset);
  fields.Optional("with_vectors", &out->with_vector);
  fields.Optional("with_vector", &out->with_vector);
  fields.Optional("with_payload", &out->with_payload);
  return fields.ok() && ReadShardKeys(value, &out->shard_key, why) &&
         ReadCommon(&fields, value, 0, out, why);
}

bool ReadGroupBy(const Value& value, GroupBy* out, Why* why) {
  Fields fields(value, "struct QueryGroupsRequest", why);
  fields.Required("group_by", &out->key);
  fields.Optional("group_size", &out->group_size);
  fields.Optional("limit", &out->limit);
  fields.Optional("with_lookup", &out->with_lookup);
  if (fields.ok() && !vec::ParsePath(out->key).ok()) {
    fields.Fail("Invalid json path: '" + out->key + "'");
  }
  return fields.ok();
}

bool Read(const Value& value, QueryGroups* out, Why* why) {
  if (!ReadGroupBy(value, &out->group, why)) return false;
  Fields fields(value, "struct QueryGroupsRequest", why);
  fields.Optional("with_vectors", &out->query.with_vector);
  fields.Optional("with_vector", &out->query.with_vector);
  fields.Optional("with_payload", &out->query.with_payload);
  return fields.ok() && ReadShardKeys(value, &out->query.shard_key, why) &&
         ReadCommon(&fields, value, 0, &out->query, why);
}

bool Read(const Value& value, SearchMatrix* out, Why* why) {
  Fields fields(value, "struct SearchMatrixRequest", why);
  fields.Optional("filter", &out->filter);
  fields.Optional("sample", &out->sample);
  fields.Optional("limit", &out->limit);
  fields.Optional("using", &out->using_vector);
  return fields.ok() && ReadShardKeys(value, &out->shard_key, why);
}

}  // namespace malmoi::qdrant
