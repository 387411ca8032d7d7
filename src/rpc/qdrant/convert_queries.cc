#ifdef MALMOI_GRPC
#include "qdrant/parse.h"
#include "rpc/qdrant/calls_internal.h"
#include "rpc/qdrant/convert_internal.h"

namespace malmoi::rpc::store {
namespace {

Error Invalid(std::string text) {
  return Error(Code::kInvalidArgument, std::move(text));
}

Status ToInputs(const Many<pb::VectorInput>& inputs, std::vector<qdrant::VectorInput>* out) {
  for (const pb::VectorInput& input : inputs) {
    MALMOI_TRY(out->emplace_back(), ToInput(input));
  }
  return Ok();
}

Status ToPairs(const pb::ContextInput& context, std::vector<qdrant::ContextPair>* out) {
  for (const pb::ContextInputPair& pair : context.pairs()) {
    auto& to = out->emplace_back();
    MALMOI_TRY(to.positive, ToInput(pair.positive()));
    MALMOI_TRY(to.negative, ToInput(pair.negative()));
  }
  return Ok();
}

Result<qdrant::Query> ToRecommend(const pb::RecommendInput& recommend) {
  qdrant::RecommendQuery query;
  MALMOI_TRY(ToInputs(recommend.positive(), &query.positive));
  MALMOI_TRY(ToInputs(recommend.negative(), &query.negative));
  query.strategy = static_cast<qdrant::RecommendStrategy>(recommend.strategy());
  return qdrant::Query(std::move(query));
}

Result<qdrant::Query> ToDiscover(const pb::DiscoverInput& discover) {
  qdrant::DiscoverQuery query;
  MALMOI_TRY(query.target, ToInput(discover.target()));
  MALMOI_TRY(ToPairs(discover.context(), &query.context));
  return qdrant::Query(std::move(query));
}

Result<qdrant::Query> ToNearestWithMmr(const pb::NearestInputWithMmr& nearest) {
  qdrant::NearestQuery query;
  MALMOI_TRY(query.nearest, ToInput(nearest.nearest()));
  auto& mmr = query.mmr.emplace();
  if (nearest.mmr().has_diversity()) mmr.diversity = nearest.mmr().diversity();
  if (nearest.mmr().has_candidates_limit()) mmr.candidates_limit = nearest.mmr().candidates_limit();
  return qdrant::Query(std::move(query));
}

Result<qdrant::Query> ToFormula(const pb::Formula& formula) {
  qdrant::FormulaQuery query;
  const json::Value expression = ToJson(static_cast<const Message&>(formula.expression()));
  MALMOI_TRY(query.formula, ReadForm<qdrant::ExpressionPtr>(expression));
  const json::Value defaults = ToJson(formula.defaults());
  for (const auto& [name, value] : defaults.members()) query.defaults[name] = value;
  return qdrant::Query(std::move(query));
}

Result<qdrant::Query> ToFeedback(const pb::RelevanceFeedbackInput& input) {
  qdrant::FeedbackQuery query;
  MALMOI_TRY(query.target, ToInput(input.target()));
  for (const pb::FeedbackItem& item : input.feedback()) {
    auto& to = query.feedback.emplace_back();
    MALMOI_TRY(to.example, ToInput(item.example()));
    to.score = item.score();
  }
  if (!input.strategy().has_naive()) return Invalid("Feedback strategy is required");
  query.a = input.strategy().naive().a();
  query.b = input.strategy().naive().b();
  query.c = input.strategy().naive().c();
  return qdrant::Query(std::move(query));
}

qdrant::Query ToText(const pb::TextQuery& text) {
  qdrant::TextQuery query{.query = text.query()};
  if (text.bm25().has_k()) query.k = static_cast<double>(text.bm25().k());
  if (text.bm25().has_b()) query.b = static_cast<double>(text.bm25().b());
  return query;
}

// The members that requests and prefetches have in common.
template <class M>
Status ToCommon(const M& request, qdrant::Prefetch* out);

Result<qdrant::Prefetch> ToPrefetch(const pb::PrefetchQuery& request) {
  qdrant::Prefetch out;
  MALMOI_TRY(ToCommon(request, &out));
  if (request.has_limit()) out.limit = request.limit();
  return out;
}

template <class M>
Status ToCommon(const M& request, qdrant::Prefetch* out) {
  for (const pb::PrefetchQuery& prefetch : request.prefetch()) {
    MALMOI_TRY(out->prefetch.emplace_back(), ToPrefetch(prefetch));
  }
  if (request.has_query()) {
    MALMOI_TRY(out->query, ToQuery(request.query()));
  }
  out->using_vector = request.using_();
  if (request.has_filter()) {
    MALMOI_TRY(out->filter, ToFilter(request.filter()));
  }
  if (request.has_params()) {
    MALMOI_TRY(out->params, ToParams(request.params()));
  }
  if (request.has_score_threshold()) out->score_threshold = request.score_threshold();
  if (request.has_lookup_from()) out->lookup_from = ToLookup(request.lookup_from());
  return Ok();
}

}  // namespace

Result<qdrant::OrderBy> ToOrderBy(const pb::OrderBy& order) {
  return ReadForm<qdrant::OrderBy>(ToJson(static_cast<const Message&>(order)));
}

Result<qdrant::SearchParams> ToParams(const pb::SearchParams& params) {
  return ReadForm<qdrant::SearchParams>(ToJson(static_cast<const Message&>(params)));
}

qdrant::LookupLocation ToLookup(const pb::LookupLocation& lookup) {
  qdrant::LookupLocation out{.collection = lookup.collection_name(), .vector = {}};
  if (lookup.has_vector_name()) out.vector = lookup.vector_name();
  return out;
}

qdrant::WithLookup ToWithLookup(const pb::WithLookup& lookup) {
  qdrant::WithLookup out{.collection = lookup.collection()};
  if (lookup.has_with_payload()) out.with_payload = ToPayloadSelector(lookup.with_payload());
  if (lookup.has_with_vectors()) out.with_vectors = ToVectorSelector(lookup.with_vectors());
  return out;
}

Result<qdrant::Query> ToQuery(const pb::Query& query) {
  switch (query.variant_case()) {
    case pb::Query::kNearest: {
      qdrant::NearestQuery nearest;
      MALMOI_TRY(nearest.nearest, ToInput(query.nearest()));
      return qdrant::Query(std::move(nearest));
    }
    case pb::Query::kRecommend:
      return ToRecommend(query.recommend());
    case pb::Query::kDiscover:
      return ToDiscover(query.discover());
    case pb::Query::kContext: {
      qdrant::ContextQuery context;
      MALMOI_TRY(ToPairs(query.context(), &context.context));
      return qdrant::Query(std::move(context));
    }
    case pb::Query::kOrderBy: {
      qdrant::OrderByQuery order;
      MALMOI_TRY(order.order_by, ToOrderBy(query.order_by()));
      return qdrant::Query(std::move(order));
    }
    case pb::Query::kFusion:
      if (query.fusion() == pb::DBSF) return qdrant::Query(qdrant::DbsfQuery{});
      return qdrant::Query(qdrant::RrfQuery{});
    case pb::Query::kSample:
      return qdrant::Query(qdrant::SampleQuery{});
    case pb::Query::kFormula:
      return ToFormula(query.formula());
    case pb::Query::kNearestWithMmr:
      return ToNearestWithMmr(query.nearest_with_mmr());
    case pb::Query::kRrf: {
      qdrant::RrfQuery rrf;
      if (query.rrf().has_k()) rrf.k = query.rrf().k();
      const auto& weights = query.rrf().weights();
      if (!weights.empty()) rrf.weights.emplace(weights.begin(), weights.end());
      return qdrant::Query(std::move(rrf));
    }
    case pb::Query::kRelevanceFeedback:
      return ToFeedback(query.relevance_feedback());
    case pb::Query::kText:
      return ToText(query.text());
    default:
      return Invalid("Query variant is empty");
  }
}

Result<qdrant::QueryPoints> ToQueryPoints(const pb::QueryPoints& request) {
  qdrant::QueryPoints out;
  MALMOI_TRY(ToCommon(request, &out));
  out.shard_key = ToShardKeys(request.shard_key_selector());
  if (request.has_limit()) out.limit = request.limit();
  out.offset = request.offset();
  if (request.has_with_payload()) out.with_payload = ToPayloadSelector(request.with_payload());
  if (request.has_with_vectors()) out.with_vector = ToVectorSelector(request.with_vectors());
  return out;
}

Result<qdrant::QueryGroups> ToQueryGroups(const pb::QueryPointGroups& request) {
  qdrant::QueryGroups out;
  MALMOI_TRY(ToCommon(request, &out.query));
  out.query.shard_key = ToShardKeys(request.shard_key_selector());
  if (request.has_with_payload()) {
    out.query.with_payload = ToPayloadSelector(request.with_payload());
  }
  if (request.has_with_vectors()) out.query.with_vector = ToVectorSelector(request.with_vectors());
  out.group.key = request.group_by();
  if (!vec::ParsePath(out.group.key).ok()) {
    return Invalid("Invalid json path: '" + out.group.key + "'");
  }
  if (request.has_limit()) out.group.limit = request.limit();
  if (request.has_group_size()) out.group.group_size = request.group_size();
  if (request.has_with_lookup()) out.group.with_lookup = ToWithLookup(request.with_lookup());
  return out;
}

}  // namespace malmoi::rpc::store
#endif
