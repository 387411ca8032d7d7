// Search by graphs: which parts are searched so, and what is done with what a graph finds.
#include <algorithm>
#include <cmath>

#include "vec/search_internal.h"

namespace malmoi::vec {
namespace {

constexpr std::size_t kWindowMax = 65'536;   // The index's limit.
constexpr std::uint64_t kScoredAtOnce = 64;  // So few rows are scored themselves, all of them.
constexpr double kDeletedMax = 0.3;          // Up to it deleted rows are left out afterwards.
constexpr std::uint64_t kOwnScanned = 384;   // Of a filter's own rows fewer are all looked at.
constexpr std::size_t kSureRows = 8;         // At least so many are scored to know codes' errors.
constexpr float kErrors = 4;                 // A row may be off by so many standard errors.

}  // namespace

// Whether the part is no part of a search that is for indexed points alone: one that is large
// enough for a graph and has none.
bool Searcher::LeftOut(const Task& task, std::size_t part) const {
  if (task.params == nullptr || !task.params->indexed_only) return false;
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
bool Searcher::Approximate(const Task& task, std::size_t part, const Kept* kept, Best* best) const {
  if (task.params == nullptr) return false;
  if (LeftOut(task, part)) return true;
  const Segment& segment = *snapshot_.segments[part];
  const auto graph = segment.graphs().Get(task.field);
  const GraphPlan& plan = snapshot_.plan->graphs[task.field];
  if (graph == nullptr || segment.vector_bytes(task.field) < plan.scan_bytes) return false;
  const std::uint64_t count = kept == nullptr ? 0 : kept->Count();
  const auto row_of = [&](std::uint32_t id) { return RowRef{&segment, id}; };
  if (kept == nullptr || count > kScoredAtOnce) {
    std::vector<ann::Found> found;
    ann::IdFilter filter;
    std::shared_ptr<const ann::CellBits> cells;
    std::shared_ptr<const OwnGraph> own;
    if (kept != nullptr && kept->known != nullptr) {
      bool wanted = false;
      own = kept->known->Own(graph, &wanted);
      if (wanted && snapshot_.asked != nullptr && *snapshot_.asked) (*snapshot_.asked)();
    }
    if (own == nullptr || !FromOwn(task, segment, *own, *kept, &found, best)) {
      if (kept != nullptr) {
        if (kept->known != nullptr) cells = kept->known->InCells(graph);
        filter = {kept->rows().words(), count, cells.get(), !kept->whole};
      }
      if (!FromGraph(task, segment, *graph, kept != nullptr ? &filter : nullptr, &found, best)) {
        return false;
      }
    }
    for (const ann::Found& f : std::span(found).first(Sure(task, found.size()))) {
      segment.Prefetch(task.field, f.id);
    }
    Rescore(task, row_of, found, best);
    return true;
  }
  std::vector<ann::Found> all;
  kept->rows().ForEach([&](std::uint32_t r) {
    if (segment.Has(task.field, r)) all.push_back({.id = r});
  });
  for (const ann::Found& f : all) segment.Prefetch(task.field, f.id);
  ScoreFound(task, row_of, all, best);
  return true;
}

// Searches the graph that a filter has for itself, which knows rows that were deleted since; false:
// too many were, or much of what it keeps is asked for.
bool Searcher::FromOwn(const Task& task, const Segment& segment, const OwnGraph& own,
                       const Kept& kept, std::vector<ann::Found>* found, Best* best) const {
  const std::size_t wanted = Wanted(task);
  const std::uint64_t rows = own.index->bound();
  if (task.limit == 0 || wanted * (rows < kOwnScanned ? 1 : 8) > rows) return false;
  const double gone =
      kept.whole ? 0.0
                 : 1 - static_cast<double>(kept.Count()) / static_cast<double>(kept.known->count());
  if (gone > kDeletedMax) return false;
  ann::SearchParams params = Asked(task, wanted, gone, false);
  params.exhaustive = rows < kOwnScanned;
  auto searched = SearchPart(task, *own.index, params, segment.rows(), best);
  if (!searched.ok()) return false;  // A number whose square is not finite.
  *found = std::move(searched).value();
  if (!own.rows.empty()) {
    for (ann::Found& f : *found) f.id = own.rows[f.id];
  }
  if (kept.whole) return true;
  std::erase_if(*found, [&](const ann::Found& f) { return !kept.rows().Has(f.id); });
  return found->size() * 2 > wanted;
}

// Searches the rows of a memtable that are in its index; parts_[first] is its first block. The
// number of blocks that are searched so: the others are to be scanned.
std::size_t Searcher::FromMemory(const Task& task, const MemView& mem, std::size_t first,
                                 std::span<const Kept> kept, Best* best) const {
  if (task.params == nullptr || task.field >= mem.codes.size()) return 0;
  const CodedRows& coded = mem.codes[task.field];
  const std::size_t blocks = coded.rows / kBlockRows;
  const std::size_t wanted = Wanted(task);
  if (blocks == 0 || task.limit == 0 || wanted * 8 > coded.rows) return 0;
  const GraphPlan& plan = snapshot_.plan->graphs[task.field];
  // The index may have rows that came after the snapshot: where few are to be left out, that is
  // done afterwards.
  std::uint64_t out = coded.index->bound() - std::min(coded.index->bound(), coded.rows);
  for (std::size_t b = first; b < first + blocks; ++b) out += parts_[b].part->deleted();
  const double share = static_cast<double>(out) / coded.rows;
  std::vector<ann::Found> found;
  for (int pass = 0; pass < 2; ++pass) {
    const bool filtered = !kept.empty() || share > kDeletedMax || pass == 1;
    ann::SearchParams params = Asked(task, wanted, filtered ? 0 : share, plan.fine);
    std::vector<std::uint64_t> words;
    ann::IdFilter filter;
    if (filtered) {
      filter = MemoryFilter(first, blocks, kept, &words);
      params.filter = &filter;
    }
    auto searched = SearchPart(task, *coded.index, params, coded.rows, best);
    if (!searched.ok()) return 0;  // A number whose square is not finite.
    found = std::move(searched).value();
    if (filtered) break;
    std::erase_if(found, [&](const ann::Found& f) {
      return f.id >= coded.rows ||
             !parts_[first + f.id / kBlockRows].part->VisibleAt(f.id % kBlockRows, snapshot_.seq);
    });
    if (out == 0 || found.size() * 2 > wanted) break;
  }
  const auto row_of = [&](std::uint32_t id) {
    return RowRef{parts_[first + id / kBlockRows].part, id % kBlockRows};
  };
  Rescore(task, row_of, found, best);
  return blocks;
}

// The rows of some blocks that are kept, or all that are visible; *words holds the bits.
ann::IdFilter Searcher::MemoryFilter(std::size_t first, std::size_t blocks,
                                     std::span<const Kept> kept,
                                     std::vector<std::uint64_t>* words) const {
  std::uint64_t count = 0;
  for (std::size_t b = first; b < first + blocks; ++b) {
    const Bitmap all = kept.empty() ? Rows(parts_[b], nullptr) : Bitmap();
    const Bitmap& rows = kept.empty() ? all : kept[b].rows();
    words->insert(words->end(), rows.words().begin(), rows.words().end());
    count += rows.Count();
  }
  return {*words, count};
}

Result<std::vector<ann::Found>> Searcher::SearchPart(const Task& task, const ann::Index& index,
                                                     ann::SearchParams params, std::uint64_t rows,
                                                     Best* best) const {
  // The part's share of the candidates of one index of all: the first part says by it how far the
  // others have to go.
  const double share =
      static_cast<double>(rows) / static_cast<double>(std::max(snapshot_.live, rows));
  params.rank = static_cast<std::size_t>(std::ceil(static_cast<double>(params.window) * share));
  params.floor = best->floor;
  ann::SearchStats stats;
  MALMOI_TRY(auto found, index.Search(task.query, params, &stats));
  if (!std::isfinite(best->floor)) best->floor = stats.at_rank;
  best->scored += stats.distances;
  best->graph = true;
  return found;
}

// What is asked of an index, of whose rows a share is left out afterwards.
ann::SearchParams Searcher::Asked(const Task& task, std::size_t wanted, double left_out,
                                  bool fine) const {
  const GraphPlan& plan = snapshot_.plan->graphs[task.field];
  const std::size_t window = std::max<std::size_t>(task.params->ef.value_or(plan.window), wanted);
  const auto wider = [&](std::size_t n) {
    return static_cast<std::size_t>(static_cast<double>(n) / (1 - left_out));
  };
  ann::SearchParams params;
  params.limit = wider(wanted);
  params.window = std::min(kWindowMax, wider(window));
  params.coarse = !fine;
  if (params.coarse) params.results = params.window;
  return params;
}

// How many are asked of codes, so that the best are among them.
std::size_t Searcher::Wanted(const Task& task) {
  const double over = std::max(1.5, task.params->quantization.oversampling.value_or(1));
  return static_cast<std::size_t>(std::ceil(static_cast<double>(task.limit) * over)) + 4;
}

// What the codes say are the best rows; false where the graph is of no use.
bool Searcher::FromGraph(const Task& task, const Segment& segment, const ann::Index& graph,
                         const ann::IdFilter* kept, std::vector<ann::Found>* visible,
                         Best* best) const {
  const GraphPlan& plan = snapshot_.plan->graphs[task.field];
  const std::size_t wanted = Wanted(task);
  // Where a good part of the segment is asked for, a scan costs less than the walk.
  if (task.limit == 0 || wanted * 8 > segment.rows()) return false;
  Bitmap live;
  ann::IdFilter live_filter;
  double share = 0;  // Of rows that the graph has, and the reader does not see.
  if (kept == nullptr && segment.deleted() > 0) {
    share = static_cast<double>(segment.deleted()) / static_cast<double>(segment.rows());
  }
  for (int pass = 0; pass < 2; ++pass) {
    if (share > kDeletedMax || pass == 1) {
      live = Rows({&segment, segment.rows()}, nullptr);
      live_filter = {live.words(), live.Count()};
      kept = &live_filter;
      share = 0;
    }
    ann::SearchParams params = Asked(task, wanted, share, plan.fine);
    if (params.limit > kWindowMax) return false;
    params.filter = kept;
    auto found = SearchPart(task, graph, params, segment.rows(), best);
    if (!found.ok()) return false;  // A number whose square is not finite.
    *visible = std::move(found).value();
    if (kept == nullptr && segment.deleted() > 0) {
      std::erase_if(*visible,
                    [&](const ann::Found& f) { return !segment.VisibleAt(f.id, snapshot_.seq); });
    }
    // Fewer than every second one left: the deleted rows lay close together.
    if (share == 0 || visible->size() * 2 > wanted) break;
  }
  return true;
}

// Of what codes found so many are scored in any case.
std::size_t Searcher::Sure(const Task& task, std::size_t found) {
  return std::min(found, std::max(task.limit, kSureRows));
}

// Scores what the codes found, best first, on the vectors. Of the first it is seen by how much
// codes are off; the others are read as long as that may make them hits.
void Searcher::Rescore(const Task& task, const RowOf& row_of, std::span<const ann::Found> found,
                       Best* best) const {
  const std::size_t sure = Sure(task, found.size());
  const float off = ScoreFound(task, row_of, found.first(sure), best);
  std::size_t end = found.size();
  if (best->heap.size() == task.limit) {
    const float least = best->heap.front().key - kErrors * off;
    for (end = sure; end < found.size() && !(found[end].score < least);) ++end;
  }
  ScoreFound(task, row_of, found.subspan(sure, end - sure), best);
}

// The root of the mean squared difference between the codes' scores and those of the vectors.
float Searcher::ScoreFound(const Task& task, const RowOf& row_of, std::span<const ann::Found> found,
                           Best* best) const {
  double squares = 0;
  for (const ann::Found& f : found) {
    const RowRef row = row_of(f.id);
    float key = 0;
    task.scorer->Rows(*row.part, {&row.row, 1}, &key);
    best->Offer(task, key, row);
    const double off = double{key} - f.score;
    squares += off * off;
  }
  const double n = static_cast<double>(std::max<std::size_t>(found.size(), 1));
  return static_cast<float>(std::sqrt(squares / n));
}

}  // namespace malmoi::vec
