#ifdef MALMOI_GRPC
#include "qdrant/parse.h"
#include "rpc/qdrant/calls_internal.h"
#include "rpc/qdrant/convert_internal.h"

// Queries, and the search, recommend and discover calls that came before them.
namespace malmoi::rpc::store {
namespace {

using qdrant::QueryPoints;
using serve::Access;

template <class M>
qdrant::ReadParams ParamsOf(const M& request) {
  qdrant::ReadParams params;
  if (request.has_timeout()) params.timeout_seconds = request.timeout();
  return params;
}

// What the old requests have in common.
template <class M>
Status ToOldCommon(const M& request, QueryPoints* out) {
  if (request.has_filter()) {
    MALMOI_TRY(out->filter, ToFilter(request.filter()));
  }
  if (request.has_params()) {
    MALMOI_TRY(out->params, ToParams(request.params()));
  }
  out->limit = request.limit();
  if (request.has_with_payload()) out->with_payload = ToPayloadSelector(request.with_payload());
  if (request.has_with_vectors()) out->with_vector = ToVectorSelector(request.with_vectors());
  if constexpr (requires { request.score_threshold(); }) {
    if (request.has_score_threshold()) out->score_threshold = request.score_threshold();
  }
  out->shard_key = ToShardKeys(request.shard_key_selector());
  if constexpr (requires { request.offset(); }) out->offset = request.offset();
  if constexpr (requires { request.using_(); }) out->using_vector = request.using_();
  if constexpr (requires { request.lookup_from(); }) {
    if (request.has_lookup_from()) out->lookup_from = ToLookup(request.lookup_from());
  }
  return Ok();
}

template <class M>
Result<QueryPoints> OfSearch(const M& request) {
  QueryPoints out;
  MALMOI_TRY(ToOldCommon(request, &out));
  out.using_vector = request.vector_name();
  std::vector<float> values(request.vector().begin(), request.vector().end());
  qdrant::NearestQuery query;
  if (request.has_sparse_indices()) {
    const auto& indices = request.sparse_indices().data();
    query.nearest =
        vec::SparseVector{.indices = {indices.begin(), indices.end()}, .values = std::move(values)};
  } else {
    query.nearest = std::move(values);
  }
  out.query = std::move(query);
  return out;
}

Result<qdrant::VectorInput> InputOf(const pb::Vector& vector) {
  MALMOI_TRY(auto data, ToVector(vector));
  qdrant::VectorInput input;
  std::visit([&](auto&& alternative) { input = std::move(alternative); }, std::move(data));
  return input;
}

template <class M>
Result<QueryPoints> OfRecommend(const M& request) {
  QueryPoints out;
  MALMOI_TRY(ToOldCommon(request, &out));
  qdrant::RecommendQuery query;
  query.strategy = static_cast<qdrant::RecommendStrategy>(request.strategy());
  for (const auto& [ids, vectors, to] :
       {std::tuple(&request.positive(), &request.positive_vectors(), &query.positive),
        std::tuple(&request.negative(), &request.negative_vectors(), &query.negative)}) {
    for (const pb::PointId& id : *ids) {
      MALMOI_TRY(to->emplace_back(), ToId(id));
    }
    for (const pb::Vector& vector : *vectors) {
      MALMOI_TRY(to->emplace_back(), InputOf(vector));
    }
  }
  out.query = std::move(query);
  return out;
}

Result<qdrant::VectorInput> ExampleOf(const pb::VectorExample& example) {
  if (example.has_id()) {
    MALMOI_TRY(const auto id, ToId(example.id()));
    return qdrant::VectorInput(id);
  }
  if (!example.has_vector()) return Error(Code::kInvalidArgument, "Vector example is empty");
  return InputOf(example.vector());
}

Result<QueryPoints> OfDiscover(const pb::DiscoverPoints& request) {
  QueryPoints out;
  MALMOI_TRY(ToOldCommon(request, &out));
  std::vector<qdrant::ContextPair> pairs;
  for (const pb::ContextExamplePair& pair : request.context()) {
    auto& to = pairs.emplace_back();
    MALMOI_TRY(to.positive, ExampleOf(pair.positive()));
    MALMOI_TRY(to.negative, ExampleOf(pair.negative()));
  }
  if (!request.has_target()) {
    out.query = qdrant::ContextQuery{.context = std::move(pairs)};
    return out;
  }
  qdrant::DiscoverQuery query{.target = {}, .context = std::move(pairs)};
  MALMOI_TRY(query.target, ExampleOf(request.target().single()));
  out.query = std::move(query);
  return out;
}

template <class M>
qdrant::GroupBy GroupOf(const M& request) {
  qdrant::GroupBy group{
      .key = request.group_by(), .group_size = {}, .limit = {}, .with_lookup = {}};
  group.group_size = request.group_size();
  group.limit = request.limit();
  if (request.has_with_lookup()) group.with_lookup = ToWithLookup(request.with_lookup());
  return group;
}

using Lists = std::vector<std::vector<qdrant::ScoredPoint>>;
template <class M>
Result<Lists> Run(Call& call, const M& request, const std::vector<QueryPoints>& queries) {
  return call.service().QueryBatch(request.collection_name(), queries, ParamsOf(request),
                                   &call.usage);
}

Status Query(Call& call, const pb::QueryPoints& request, pb::QueryResponse* answer) {
  MALMOI_TRY(auto query, ToQueryPoints(request));
  qdrant::Checks checks;
  Validate(query, "", &checks);
  MALMOI_TRY(Checked(checks));
  MALMOI_TRY(const auto lists, Run(call, request, {std::move(query)}));
  FromScored(lists.front(), answer->mutable_result());
  return Ok();
}

Status QueryBatch(Call& call, const pb::QueryBatchPoints& request, pb::QueryBatchResponse* answer) {
  std::vector<QueryPoints> queries;
  qdrant::Checks checks;
  for (const pb::QueryPoints& one : request.query_points()) {
    MALMOI_TRY(queries.emplace_back(), ToQueryPoints(one));
    Validate(queries.back(), "query_points[" + std::to_string(queries.size() - 1) + "]", &checks);
  }
  MALMOI_TRY(Checked(checks));
  MALMOI_TRY(const auto lists, Run(call, request, queries));
  for (const auto& list : lists) FromScored(list, answer->add_result()->mutable_result());
  return Ok();
}

Status QueryGroups(Call& call, const pb::QueryPointGroups& request,
                   pb::QueryGroupsResponse* answer) {
  MALMOI_TRY(const auto groups, ToQueryGroups(request));
  qdrant::Checks checks;
  Validate(groups, "", &checks);
  MALMOI_TRY(Checked(checks));
  MALMOI_TRY(const auto found, call.service().QueryGroups(request.collection_name(), groups,
                                                          ParamsOf(request), &call.usage));
  FromGroups(found, answer->mutable_result());
  return Ok();
}

template <class In, class Out, Result<QueryPoints> (*convert)(const In&)>
Status Old(Call& call, const In& request, Out* answer) {
  MALMOI_TRY(auto query, convert(request));
  qdrant::Checks checks;
  qdrant::ValidateLegacy(query, "", &checks);
  MALMOI_TRY(Checked(checks));
  MALMOI_TRY(qdrant::CheckLegacy(query));
  MALMOI_TRY(const auto lists, Run(call, request, {std::move(query)}));
  FromScored(lists.front(), answer->mutable_result());
  return Ok();
}

template <class One, class In, class Out, Result<QueryPoints> (*convert)(const One&),
          const Many<One>& (In::*requests)() const>
Status OldBatch(Call& call, const In& request, Out* answer) {
  std::vector<QueryPoints> queries;
  qdrant::Checks checks;
  for (const One& one : (request.*requests)()) {
    MALMOI_TRY(queries.emplace_back(), convert(one));
    qdrant::ValidateLegacy(queries.back(), "", &checks);
  }
  MALMOI_TRY(Checked(checks));
  for (const QueryPoints& query : queries) MALMOI_TRY(qdrant::CheckLegacy(query));
  MALMOI_TRY(const auto lists, Run(call, request, queries));
  for (const auto& list : lists) FromScored(list, answer->add_result()->mutable_result());
  return Ok();
}

template <class In, class Out, Result<QueryPoints> (*convert)(const In&)>
Status OldGroups(Call& call, const In& request, Out* answer) {
  qdrant::QueryGroups groups;
  MALMOI_TRY(groups.query, convert(request));
  groups.group = GroupOf(request);
  qdrant::Checks checks;
  qdrant::ValidateLegacy(groups.query, "", &checks);
  checks.AtLeast("group_size", static_cast<double>(request.group_size()), 1);
  MALMOI_TRY(Checked(checks));
  MALMOI_TRY(qdrant::CheckLegacy(groups.query));
  groups.query.limit.reset();
  MALMOI_TRY(const auto found, call.service().QueryGroups(request.collection_name(), groups,
                                                          ParamsOf(request), &call.usage));
  FromGroups(found, answer->mutable_result());
  return Ok();
}

}  // namespace

std::vector<Method> QueryMethods() {
  const std::string at = "/qdrant.Points/";
  constexpr auto kRead = Access::kRead;
  using Search = pb::SearchPoints;
  using Recommend = pb::RecommendPoints;
  using Discover = pb::DiscoverPoints;
  return {
      Of<&Query>(at + "Query", kRead),
      Of<&QueryBatch>(at + "QueryBatch", kRead),
      Of<&QueryGroups>(at + "QueryGroups", kRead),
      Of<&Old<Search, pb::SearchResponse, OfSearch<Search>>>(at + "Search", kRead),
      Of<&OldBatch<Search, pb::SearchBatchPoints, pb::SearchBatchResponse, OfSearch<Search>,
                   &pb::SearchBatchPoints::search_points>>(at + "SearchBatch", kRead),
      Of<&OldGroups<pb::SearchPointGroups, pb::SearchGroupsResponse,
                    OfSearch<pb::SearchPointGroups>>>(at + "SearchGroups", kRead),
      Of<&Old<Recommend, pb::RecommendResponse, OfRecommend<Recommend>>>(at + "Recommend", kRead),
      Of<&OldBatch<Recommend, pb::RecommendBatchPoints, pb::RecommendBatchResponse,
                   OfRecommend<Recommend>, &pb::RecommendBatchPoints::recommend_points>>(
          at + "RecommendBatch", kRead),
      Of<&OldGroups<pb::RecommendPointGroups, pb::RecommendGroupsResponse,
                    OfRecommend<pb::RecommendPointGroups>>>(at + "RecommendGroups", kRead),
      Of<&Old<Discover, pb::DiscoverResponse, OfDiscover>>(at + "Discover", kRead),
      Of<&OldBatch<Discover, pb::DiscoverBatchPoints, pb::DiscoverBatchResponse, OfDiscover,
                   &pb::DiscoverBatchPoints::discover_points>>(at + "DiscoverBatch", kRead),
  };
}

}  // namespace malmoi::rpc::store
#endif
