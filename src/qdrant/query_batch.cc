// Batches of queries: plain searches are given to the store together.
#include <algorithm>

#include "qdrant/query_run_internal.h"

namespace malmoi::qdrant {
namespace {

constexpr std::size_t kHitsMax = 1'000'000;  // vec::kLimits.query_limit_max

std::size_t Wanted(const QueryPoints& request) {
  return std::min(std::min<std::size_t>(request.offset, kHitsMax) +
                      std::min<std::size_t>(request.limit.value_or(10), kHitsMax),
                  kHitsMax);
}

// One search for what is nearest, and nothing else.
bool IsPlain(const QueryPoints& request) {
  const auto* nearest = request.query ? std::get_if<NearestQuery>(&*request.query) : nullptr;
  return nearest != nullptr && !nearest->mmr && request.prefetch.empty() &&
         request.params.idf_corpus == nullptr && Wanted(request) > 0;
}

}  // namespace

Result<std::vector<std::vector<ScoredPoint>>> QueryRun::RunAll(
    const std::vector<QueryPoints>& requests) {
  if (requests.size() > 1 && std::ranges::all_of(requests, IsPlain)) return RunTogether(requests);
  std::vector<std::vector<ScoredPoint>> results;
  for (const QueryPoints& request : requests) {
    MALMOI_TRY(auto points, Run(request));
    results.push_back(std::move(points));
  }
  return results;
}

Result<std::vector<std::vector<ScoredPoint>>> QueryRun::RunTogether(
    const std::vector<QueryPoints>& requests) {
  std::vector<FilterPtr> filters;  // Queries point to them.
  std::vector<vec::VectorQuery> queries;
  for (const QueryPoints& request : requests) {
    MALMOI_TRY(CheckNames(request));
    MALMOI_TRY(CheckNode(request));
    if (!HasVector(request.using_vector)) return VectorNameMissing(request.using_vector);
    MALMOI_TRY(const auto plan, Plan(request));
    filters.push_back(RootFilter(request, nullptr));
    queries.push_back(ToStored(request, plan, filters.back(), Wanted(request)));
  }
  MALMOI_TRY(CheckTime());
  auto outcomes = reader_->QueryBatch(queries);
  if (!outcomes.ok()) return FromStore(std::move(outcomes.error()));
  std::vector<std::vector<ScoredPoint>> results;
  for (std::size_t i = 0; i < requests.size(); ++i) {
    Ranked ranked = ToRanked(outcomes.value()[i]);
    const std::size_t skipped = std::min<std::size_t>(requests[i].offset, ranked.size());
    ranked.erase(ranked.begin(), ranked.begin() + static_cast<std::ptrdiff_t>(skipped));
    MALMOI_TRY(auto points, Fill(ranked, requests[i].with_payload, requests[i].with_vector));
    results.push_back(std::move(points));
  }
  return results;
}

}  // namespace malmoi::qdrant
