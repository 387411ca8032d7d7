#include <algorithm>

#include "vec/limits.h"
#include "vec/search_internal.h"

namespace malmoi::vec {
namespace {

constexpr std::size_t kTogetherFrom = 2;
// Scored by every query while they are in the second-level cache: 196 KB of 384 floats.
constexpr std::uint32_t kSharedRows = 128;

}  // namespace

// Whether all queries scan the same rows: then memory is read once for all of them.
bool Searcher::ScanTogether(std::span<const VectorQuery> queries) const {
  if (queries.size() < kTogetherFrom) return false;
  const auto field = snapshot_.schema->Find(queries.front().using_vector);
  if (!field || snapshot_.schema->fields[*field].kind != FieldKind::kDense) return false;
  return std::all_of(queries.begin(), queries.end(), [&](const VectorQuery& q) {
    return q.params.exact && q.filter == nullptr && !q.combine &&
           q.using_vector == queries.front().using_vector && q.limit <= kLimits.query_limit_max;
  });
}

Result<std::vector<QueryOutcome>> Searcher::RunTogether(
    std::span<const VectorQuery> queries) const {
  const std::uint32_t field = *snapshot_.schema->Find(queries.front().using_vector);
  const Distance distance = snapshot_.schema->fields[field].distance;
  std::vector<std::unique_ptr<Scorer>> scorers;
  std::vector<Task> tasks;
  for (const VectorQuery& query : queries) {
    MALMOI_TRY(auto scorer, ScorerFor(field, query));
    Task& task = tasks.emplace_back();
    task.field = field;
    task.limit = query.limit;
    task.threshold = query.score_threshold;
    task.smaller_is_better = distance == Distance::kEuclid || distance == Distance::kManhattan;
    task.scorer = scorer.get();
    task.with_payload = query.with_payload;
    scorers.push_back(std::move(scorer));
  }
  struct Work {
    const PartRef* part;
    std::uint32_t begin, end;
  };
  std::vector<Work> ranges;
  for (const PartRef& part : parts_) {
    for (std::uint32_t b = 0; b < part.rows; b += kSharedRows) {
      ranges.push_back({&part, b, std::min(b + kSharedRows, part.rows)});
    }
  }
  std::vector<std::vector<Best>> found(tasks.size(), std::vector<Best>(pool_.threads()));
  pool_.ParallelFor(ranges.size(), [&](std::size_t worker, std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end && !Cancelled(); ++i) {
      const Work& w = ranges[i];
      for (std::size_t q = 0; q < tasks.size(); ++q) {
        ScanRows(tasks[q], *w.part, nullptr, w.begin, w.end, &found[q][worker]);
      }
    }
  });
  std::vector<QueryOutcome> out;
  for (std::size_t q = 0; q < tasks.size(); ++q) {
    MALMOI_TRY(auto outcome, Finish(tasks[q], found[q]));
    out.push_back(std::move(outcome));
  }
  return out;
}

}  // namespace malmoi::vec
