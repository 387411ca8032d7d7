#include "serve/qdrant/store_front_internal.h"

namespace malmoi::serve {
namespace {

using json::Value;
using json::Writer;
using qdrant::Legacy;

Result<Reply> Run(Front& front, Call& call, const std::vector<qdrant::QueryPoints>& requests,
                  void (*print)(const std::vector<std::vector<qdrant::ScoredPoint>>&, Writer*)) {
  MALMOI_TRY(const auto params, ReadReadParams(call.request));
  MALMOI_TRY(const auto results,
             front.service.QueryBatch(call.collection(), requests, params, &call.usage));
  Writer writer;
  print(results, &writer);
  return ReplyOf(std::move(writer));
}

using Lists = std::vector<std::vector<qdrant::ScoredPoint>>;
void PrintPoints(const Lists& lists, Writer* writer) {
  writer->BeginObject().Key("points");
  qdrant::PrintScored(lists.front(), writer);
  writer->EndObject();
}
void PrintPointsBatch(const Lists& lists, Writer* writer) {
  writer->BeginArray();
  for (const auto& list : lists) PrintPoints({list}, writer);
  writer->EndArray();
}
void PrintList(const Lists& lists, Writer* writer) {
  qdrant::PrintScored(lists.front(), writer);
}
void PrintLists(const Lists& lists, Writer* writer) {
  writer->BeginArray();
  for (const auto& list : lists) qdrant::PrintScored(list, writer);
  writer->EndArray();
}

Result<Reply> Query(Front& front, Call& call) {
  MALMOI_TRY(auto request, ParsedBody<qdrant::QueryPoints>(call.request, "internal"));
  return Run(front, call, {std::move(request)}, PrintPoints);
}

Result<std::vector<Value>> Searches(const net::Request& request) {
  MALMOI_TRY(const Value body, StoreBody(request));
  std::vector<Value> searches;
  qdrant::Why why;
  qdrant::Fields fields(body, "struct SearchRequestBatch", &why);
  fields.Required("searches", &searches);
  if (!fields.ok()) return qdrant::FormatError(why);
  return searches;
}

Result<Reply> QueryBatch(Front& front, Call& call) {
  MALMOI_TRY(const auto searches, Searches(call.request));
  std::vector<qdrant::QueryPoints> requests;
  qdrant::Checks checks;
  for (std::size_t i = 0; i < searches.size(); ++i) {
    MALMOI_TRY(auto request, qdrant::ReadAs<qdrant::QueryPoints>(searches[i]));
    Validate(request, "searches[" + std::to_string(i) + "].internal", &checks);
    requests.push_back(std::move(request));
  }
  MALMOI_TRY(checks.Finish("JSON body"));
  return Run(front, call, requests, PrintPointsBatch);
}

Result<Reply> Groups(Front& front, Call& call, const qdrant::QueryGroups& request) {
  MALMOI_TRY(const auto params, ReadReadParams(call.request));
  MALMOI_TRY(const auto groups,
             front.service.QueryGroups(call.collection(), request, params, &call.usage));
  Writer writer;
  qdrant::PrintGroups(groups, &writer);
  return ReplyOf(std::move(writer));
}

Result<Reply> QueryGroups(Front& front, Call& call) {
  MALMOI_TRY(const auto request,
             ParsedBody<qdrant::QueryGroups>(call.request, "search_group_request"));
  return Groups(front, call, request);
}

template <Legacy kind>
Result<qdrant::QueryPoints> ReadOne(const Value& body, const std::string& path,
                                    qdrant::Checks* checks) {
  qdrant::QueryPoints request;
  qdrant::Why why;
  if (!qdrant::ReadLegacy(kind, body, &request, &why)) return qdrant::FormatError(why);
  qdrant::ValidateLegacy(request, path, checks);
  return request;
}

constexpr std::string_view NameOf(Legacy kind) {
  return kind == Legacy::kSearch      ? "search_request"
         : kind == Legacy::kRecommend ? "recommend_request"
                                      : "discover_request";
}

template <Legacy kind>
Result<Reply> Old(Front& front, Call& call) {
  MALMOI_TRY(const Value body, StoreBody(call.request));
  qdrant::Checks checks;
  MALMOI_TRY(auto request, ReadOne<kind>(body, std::string(NameOf(kind)), &checks));
  MALMOI_TRY(checks.Finish("JSON body"));
  MALMOI_TRY(qdrant::CheckLegacy(request));
  return Run(front, call, {std::move(request)}, PrintList);
}

template <Legacy kind>
Result<Reply> OldBatch(Front& front, Call& call) {
  MALMOI_TRY(const auto searches, Searches(call.request));
  std::vector<qdrant::QueryPoints> requests;
  qdrant::Checks checks;
  for (std::size_t i = 0; i < searches.size(); ++i) {
    const std::string path = "searches[" + std::to_string(i) + "]." + std::string(NameOf(kind));
    MALMOI_TRY(auto request, ReadOne<kind>(searches[i], path, &checks));
    requests.push_back(std::move(request));
  }
  MALMOI_TRY(checks.Finish("JSON body"));
  for (const auto& request : requests) MALMOI_TRY(qdrant::CheckLegacy(request));
  return Run(front, call, requests, PrintLists);
}

template <Legacy kind>
Result<Reply> OldGroups(Front& front, Call& call) {
  MALMOI_TRY(const Value body, StoreBody(call.request));
  qdrant::QueryGroups request;
  qdrant::Why why;
  if (!qdrant::ReadLegacyGroups(kind, body, &request, &why)) return qdrant::FormatError(why);
  qdrant::Checks checks;
  qdrant::QueryGroups checked = request;
  if (std::holds_alternative<qdrant::RecommendQuery>(*checked.query.query)) {
    checked.query.query = qdrant::SampleQuery{};
  }
  Validate(checked, "search_group_request", &checks);
  MALMOI_TRY(checks.Finish("JSON body"));
  MALMOI_TRY(qdrant::CheckLegacy(request.query));
  return Groups(front, call, request);
}

template <void (*print)(const qdrant::MatrixResult&, Writer*)>
Result<Reply> Matrix(Front& front, Call& call) {
  MALMOI_TRY(const auto params, ReadReadParams(call.request));
  MALMOI_TRY(const auto request, ParsedBody<qdrant::SearchMatrix>(call.request, "search_request"));
  MALMOI_TRY(const auto result, front.service.Matrix(call.collection(), request, params));
  Writer writer;
  print(result, &writer);
  return ReplyOf(std::move(writer));
}

}  // namespace

std::vector<RouteEntry> QueryRoutes() {
  constexpr auto kRead = Access::kRead;
  return {
      {"POST", "/collections/{}/points/query", kRead, Query, "query_points"},
      {"POST", "/collections/{}/points/query/batch", kRead, QueryBatch, "query_batch_points"},
      {"POST", "/collections/{}/points/query/groups", kRead, QueryGroups, "query_points_groups"},
      {"POST", "/collections/{}/points/search/matrix/pairs", kRead,
       Matrix<qdrant::PrintMatrixPairs>, "search_matrix_pairs"},
      {"POST", "/collections/{}/points/search/matrix/offsets", kRead,
       Matrix<qdrant::PrintMatrixOffsets>, "search_matrix_offsets"},
      {"POST", "/collections/{}/points/search", kRead, Old<Legacy::kSearch>, "search_points"},
      {"POST", "/collections/{}/points/search/batch", kRead, OldBatch<Legacy::kSearch>,
       "search_batch_points"},
      {"POST", "/collections/{}/points/search/groups", kRead, OldGroups<Legacy::kSearch>,
       "search_point_groups"},
      {"POST", "/collections/{}/points/recommend", kRead, Old<Legacy::kRecommend>,
       "recommend_points"},
      {"POST", "/collections/{}/points/recommend/batch", kRead, OldBatch<Legacy::kRecommend>,
       "recommend_batch_points"},
      {"POST", "/collections/{}/points/recommend/groups", kRead, OldGroups<Legacy::kRecommend>,
       "recommend_point_groups"},
      {"POST", "/collections/{}/points/discover", kRead, Old<Legacy::kDiscover>, "discover_points"},
      {"POST", "/collections/{}/points/discover/batch", kRead, OldBatch<Legacy::kDiscover>,
       "discover_batch_points"},
  };
}

}  // namespace malmoi::serve
