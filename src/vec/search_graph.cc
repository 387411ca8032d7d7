// Search by graphs: which parts are searched so, and what is done with what a graph finds.
#include <algorithm>
#include <cmath>

#include "vec/search_internal.h"

namespace malmoi::vec {
namespace {

constexpr std::size_t kWindowMax = 65'536;    // The index's limit.
constexpr std::uint64_t kScoredAtOnce = 256;  // So few rows are scored themselves, all of them.
constexpr double kDeletedMax = 0.3;           // Up to it deleted rows are left out afterwards.

}  // namespace

// Whether the part is no part of a search that is for indexed points alone: one that is large
// enough for a graph and has none.
bool Searcher::LeftOut(const Task& task, std::size_t part) const {
  if (!task.params->indexed_only) return false;
  const GraphPlan& plan = snapshot_.plan->graphs[task.field];
  if (part < snapshot_.segments.size()) {
    return LacksGraph(*snapshot_.segments[part], task.field, plan);
  }
  std::uint64_t rows = 0;
  for (const MemView& mem : snapshot_.mems) rows += mem.rows;
  return rows * snapshot_.schema->fields[task.field].row_bytes() > plan.from_bytes;
}

// Searches a part by its graph, or by what costs less where the filter keeps few rows; false: it is
// to be scanned.
bool Searcher::Approximate(const Task& task, std::size_t part, const Bitmap* kept,
                           Best* best) const {
  if (task.params == nullptr) return false;
  if (LeftOut(task, part)) return true;
  if (part >= snapshot_.segments.size()) return false;
  const Segment& segment = *snapshot_.segments[part];
  const auto graph = segment.graphs().Get(task.field);
  const GraphPlan& plan = snapshot_.plan->graphs[task.field];
  if (graph == nullptr || segment.vector_bytes(task.field) < plan.scan_bytes) return false;
  std::vector<std::uint32_t> rows;
  const std::uint64_t count = kept == nullptr ? 0 : kept->Count();
  if (kept != nullptr && count <= kScoredAtOnce) {
    kept->ForEach([&](std::uint32_t r) {
      if (segment.Has(task.field, r)) rows.push_back(r);
    });
  } else if (!FromGraph(task, segment, *graph, kept, count, &rows, best)) {
    return false;
  }
  Rescore(task, segment, &rows, best);
  return true;
}

// Rows that are to be scored again, rising; false where the graph is of no use.
bool Searcher::FromGraph(const Task& task, const Segment& segment, const ann::Index& graph,
                         const Bitmap* kept, std::uint64_t count, std::vector<std::uint32_t>* rows,
                         Best* best) const {
  const GraphPlan& plan = snapshot_.plan->graphs[task.field];
  const double over = std::max(1.5, task.params->quantization.oversampling.value_or(1));
  const auto wanted =
      static_cast<std::size_t>(std::ceil(static_cast<double>(task.limit) * over)) + 4;
  const std::size_t window = std::max<std::size_t>(task.params->ef.value_or(plan.window), wanted);
  // Where a good part of the segment is asked for, a scan costs less than the walk.
  if (task.limit == 0 || wanted * 8 > segment.rows()) return false;
  Bitmap live;
  double share = 0;  // Of rows that the graph has, and the reader does not see.
  if (kept == nullptr && segment.deleted() > 0) {
    share = static_cast<double>(segment.deleted()) / static_cast<double>(segment.rows());
  }
  for (int pass = 0; pass < 2; ++pass) {
    if (share > kDeletedMax || pass == 1) {
      live = Rows({&segment, segment.rows()}, nullptr);
      kept = &live;
      count = live.Count();
      share = 0;
    }
    ann::IdFilter filter;
    ann::SearchParams params;
    const double more = 1 / (1 - share);
    params.limit = static_cast<std::size_t>(static_cast<double>(wanted) * more);
    params.window =
        std::min(kWindowMax, static_cast<std::size_t>(static_cast<double>(window) * more));
    if (params.limit > kWindowMax) return false;
    if (kept != nullptr) {
      filter = {kept->words(), count};
      params.filter = &filter;
    }
    ann::SearchStats stats;
    auto found = graph.Search(task.query, params, &stats);
    if (!found.ok()) return false;  // A number whose square is not finite.
    best->scored += stats.distances;
    best->graph = best->graph || !stats.scanned;
    rows->clear();
    for (const ann::Found& f : found.value()) {
      if (kept != nullptr || segment.VisibleAt(f.id, snapshot_.seq)) rows->push_back(f.id);
    }
    // Fewer than every second one left: the deleted rows lay close together.
    if (share == 0 || rows->size() * 2 > wanted) break;
  }
  std::sort(rows->begin(), rows->end());
  return true;
}

// Rows rise.
void Searcher::Rescore(const Task& task, const Part& part, std::vector<std::uint32_t>* rows,
                       Best* best) const {
  const std::size_t bytes = snapshot_.schema->fields[task.field].row_bytes();
  for (const std::uint32_t r : *rows) {
    const char* row = part.Dense(task.field, r, r + 1);
    for (std::size_t at = 0; row != nullptr && at < bytes; at += 64) __builtin_prefetch(row + at);
  }
  std::vector<float> keys(rows->size());
  task.scorer->Rows(part, *rows, keys.data());
  for (std::size_t i = 0; i < rows->size(); ++i) best->Offer(task, keys[i], {&part, (*rows)[i]});
}

}  // namespace malmoi::vec
