#include <algorithm>
#include <cmath>

#include "ann/graph_index_internal.h"
#include "ann/key-inl.h"
#include "kernels/vector.h"

namespace malmoi::ann {
namespace {

constexpr std::size_t kMaxWindow = 65536;

bool Before(const Found& a, const Found& b) {
  return a.score != b.score ? a.score > b.score : a.id < b.id;
}

// What costs as much as reading a byte of codes in a scan, measured (docs/decisions/0006).
constexpr double kListByte = 10.0;  // A byte of links, of which each leads to a test or two.
constexpr double kCodeByte = 3.0;   // A byte of codes that a walk judges.
constexpr double kCentre = 0.3;     // A byte of a centre's code, which the caches have.
constexpr double kTest = 12;        // Whether a row of a cell is kept,
constexpr double kMark = 1;         // and where IdFilter::in_cells says so.
constexpr double kSifted = 10;      // Rows per place of the window that signs do not rule out.
constexpr double kFresh = 0.3;  // Of the rows behind a neighbour those that were not met before.
// A walk past the filter leaves so much of the window on average: what it leaves is better than
// what one through the filter finds. Less than kEnough says that the filter keeps other rows.
constexpr double kLeft = 0.85;
constexpr double kEnough = 0.55;
// Of a filter that keeps such a share of other rows those near the query are found by a walk
// through it, over a window that is wider by kWider of what it does not keep, and at most twice as
// wide.
constexpr double kThroughShare = 0.5;
constexpr double kWider = 4;

// How a search goes about a filter.
enum class Way : std::uint8_t {
  kScan,     // Scores the rows that are kept.
  kThrough,  // Walks over rows that are kept, through others.
  kCells,    // Scores the kept rows of the cells near the query.
  kPast,     // Walks as without a filter, over a wider window, and drops what is not kept.
};

struct Ways {
  std::size_t window;   // Of a walk past the filter,
  std::size_t through;  // and of one through it.
  Way best;             // By the bytes that each reads,
  Way next;             // and where a walk past the filter is left with too few.
};

Ways ChooseWay(const Arrays& arrays, const Cells* cells, double test, std::uint64_t count,
               std::uint64_t size, std::size_t window) {
  const double code = static_cast<double>(arrays.code_bytes + sizeof(Factors));
  const double degree = arrays.degree;
  const double share = static_cast<double>(count) / static_cast<double>(std::max(size, count) + 1);
  // A scan reads the signs of all, and codes of some that it keeps.
  const double scan = static_cast<double>(count) * static_cast<double>(arrays.sign_bytes) +
                      std::min<double>(count, kSifted * static_cast<double>(window)) * code;
  // A hop reads the node's links and those behind neighbours that are not kept, until it has a
  // list's worth of rows (KeptNeighbours).
  const double direct = degree * share;
  const double behind =
      std::min(degree - direct, (degree - direct) / std::max(direct * kFresh, 0.5));
  const double judged = std::min(degree, direct * (1 + behind * kFresh));
  const double list = degree * sizeof(std::uint32_t) * kListByte;
  // A walk expands its whole pool. One through the filter finds as much as one past it where its
  // window is twice as wide: links were not chosen among the rows that are kept.
  const double through =
      2 * (static_cast<double>(window) + 4) * ((1 + behind) * list + judged * code * kCodeByte);
  const double wide = static_cast<double>(window) * kLeft / std::max(share, 1e-9);
  const double past = (wide + 4) * (list + degree * kFresh * code * kCodeByte);
  // Of cells: their centres, a test of each row, and the signs of those that are kept.
  double by_cells = std::numeric_limits<double>::infinity();
  if (cells != nullptr) {
    const double tested = CellRowsTested(size, window);
    by_cells = cells->count * code * kCentre +
               tested * (test + share * static_cast<double>(arrays.sign_bytes)) +
               kSifted * static_cast<double>(window) * code;
  }
  Ways out{};
  out.through = window;
  const bool walks = wide < kMaxWindow && past < std::min({scan, through, by_cells});
  out.best = walks                                ? Way::kPast
             : by_cells < std::min(scan, through) ? Way::kCells
             : scan <= through                    ? Way::kScan
                                                  : Way::kThrough;
  out.window = walks ? static_cast<std::size_t>(wide) + 1 : window;
  // Where the nearest rows are not kept.
  out.next = by_cells < scan ? Way::kCells : scan <= 2 * through ? Way::kScan : Way::kThrough;
  if (walks && share >= kThroughShare) {
    out.next = Way::kThrough;
    const double wider = std::min(2.0, 1 + kWider * (1 - share));
    out.through = std::min<std::size_t>(
        kMaxWindow, static_cast<std::size_t>(static_cast<double>(window) * wider));
  }
  return out;
}

}  // namespace

Status GraphIndex::CheckQuery(std::span<const float> query, const SearchParams& params) const {
  if (query.size() != options_.dim) {
    return Error(Code::kInvalidArgument, "search: the query has " + std::to_string(query.size()) +
                                             " numbers, the index " + std::to_string(options_.dim));
  }
  if (params.window > kMaxWindow || params.limit > kMaxWindow) {
    return Error(Code::kInvalidArgument, "search: window " +
                                             std::to_string(std::max(params.window, params.limit)) +
                                             " is above " + std::to_string(kMaxWindow));
  }
  if (!std::isfinite(kernels::Dot(query, query))) {
    return Error(Code::kInvalidArgument,
                 "search: a number of the query is not finite, or its square is not");
  }
  return Ok();
}

Result<std::vector<Found>> GraphIndex::Search(std::span<const float> query,
                                              const SearchParams& params,
                                              SearchStats* stats) const {
  MALMOI_TRY(CheckQuery(query, params));
  std::vector<Found> out;
  Find(query.data(), params, &out, stats);
  return out;
}

Result<std::vector<std::vector<Found>>> GraphIndex::SearchBatch(std::span<const float> queries,
                                                                const SearchParams& params,
                                                                os::ThreadPool* pool,
                                                                SearchStats* stats) const {
  const std::size_t dim = options_.dim;
  if (queries.size() % dim != 0) {
    return Error(Code::kInvalidArgument, "search: " + std::to_string(queries.size()) +
                                             " numbers are no whole queries of " +
                                             std::to_string(dim));
  }
  const std::size_t n = queries.size() / dim;
  for (std::size_t i = 0; i < n; ++i) {
    MALMOI_TRY(CheckQuery(queries.subspan(i * dim, dim), params));
  }
  std::vector<std::vector<Found>> out(n);
  std::vector<SearchStats> each(n);
  const auto body = [&](std::size_t, std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) {
      Find(queries.data() + i * dim, params, &out[i], &each[i]);
    }
  };
  if (pool != nullptr) {
    pool->ParallelFor(n, body);
  } else {
    body(0, 0, n);
  }
  if (stats != nullptr) {
    *stats = {};
    for (const SearchStats& s : each) {
      stats->distances += s.distances;
      stats->hops += s.hops;
      stats->rescored += s.rescored;
      stats->scanned = stats->scanned || s.scanned;
    }
  }
  return out;
}

// What the pool has and `keep` too, best first, in scratch->found and ids; their number.
std::size_t GraphIndex::Collect(const Keep& keep, WalkScratch* scratch) {
  const Pool& pool = scratch->pool;
  scratch->ids.resize(std::max(scratch->ids.size(), pool.size()));
  scratch->found.clear();
  std::size_t n = 0;
  for (std::size_t i = 0; i < pool.size(); ++i) {
    const std::uint32_t id = pool.Id(i);
    if (!keep(id)) continue;
    scratch->found.push_back({id, pool.Score(i)});
    scratch->ids[n++] = id;
  }
  return n;
}

void GraphIndex::Candidates(const SearchParams& params, const Visit& visit,
                            WalkScratch* scratch) const {
  const Landmarks& landmarks = visit.landmarks();
  // In this order: rows that are linked meanwhile are scanned, not walked to.
  const std::uint32_t linked = linked_bound_.load(std::memory_order_acquire);
  const std::uint32_t bound = bound_.load(std::memory_order_acquire);
  const std::uint32_t size = size_.load(std::memory_order_acquire);
  const std::size_t window = std::max<std::size_t>({params.window, params.limit, 1});
  const Keep keep{params.filter, visit.deleted() ? arrays_.deleted : nullptr};
  const std::uint64_t count =
      params.filter != nullptr ? std::min<std::uint64_t>(params.filter->count, size) : size;
  const bool all = params.filter == nullptr && !visit.deleted();
  const CodeQuery& query = scratch->query;
  scratch->least = params.limit;
  scratch->floor = 0;
  if (std::isfinite(params.floor)) {
    scratch->floor = KeyOf((params.floor - query.constant) / query.factor, Pool::kIdsMax - 1);
  }
  Ways ways{window, window, Way::kPast, Way::kPast};
  if (!all) {
    const CellBits* marks = params.filter != nullptr ? params.filter->in_cells : nullptr;
    const bool marked = marks != nullptr && marks->cells.get() == visit.cells();
    ways = ChooseWay(arrays_, visit.cells(), marked ? kMark : kTest, count, size, window);
  }
  if (!all && params.walk) ways.best = Way::kThrough;
  if (params.exhaustive || arrays_.degree == 0) ways.best = Way::kScan;
  const auto go = [&](Way way) {
    scratch->stats.scanned = way == Way::kScan;
    if (way == Way::kScan) Scan(arrays_, bound, window, keep, scratch);
    if (way == Way::kCells) SearchCells(arrays_, *visit.cells(), size, window, keep, scratch);
    if (way == Way::kPast) Walk(arrays_, landmarks, linked, ways.window, scratch);
    if (way == Way::kThrough) WalkKept(arrays_, landmarks, linked, ways.through, keep, scratch);
    if (way != Way::kScan) ScanMore(arrays_, linked, bound, keep, scratch);
    return Collect(keep, scratch);
  };
  std::size_t found = go(ways.best);
  // Where the filter's rows are not among those near the query, or the walk was cut off from them.
  const auto few = [&](double part) {
    const double wanted = scratch->floor == 0 ? static_cast<double>(window) * part
                                              : static_cast<double>(params.limit);
    return !all && static_cast<double>(found) < std::min(wanted, static_cast<double>(count));
  };
  Way way = ways.best;
  if (way == Way::kPast && few(kEnough)) found = go(way = ways.next);
  if (way == Way::kThrough && few(1)) found = go(Way::kScan);
  if (params.rank < found) {
    scratch->stats.at_rank = scratch->found[params.rank].score * query.factor + query.constant;
  }
}

void GraphIndex::Find(const float* query, const SearchParams& params, std::vector<Found>* out,
                      SearchStats* stats) const {
  Visit visit(*this);
  WalkScratch& scratch = visit.scratch();
  frame_.UserQuery(query, &scratch.rotated, &scratch.query);
  Candidates(params, visit, &scratch);
  std::vector<Found>& found = scratch.found;
  const bool fine = options_.codes == Codes::kEight && !params.coarse;
  if (fine) {
    scratch.scores.resize(std::max(scratch.scores.size(), found.size()));
    ScoreEight(arrays_, scratch.query, scratch.ids.data(), found.size(), scratch.scores.data());
    for (std::size_t i = 0; i < found.size(); ++i) found[i].score = scratch.scores[i];
    scratch.stats.rescored += found.size();
  }
  const CodeQuery& q = scratch.query;
  for (Found& f : found) f.score = f.score * q.factor + q.constant;
  std::size_t wanted = std::min(found.size(), std::max(params.limit, params.results));
  if (params.rows != nullptr) {
    std::size_t reads = params.rescore;
    if (reads == 0) reads = fine ? params.limit + params.limit / 2 : params.window;
    reads = std::min(found.size(), std::max(reads, params.limit));
    const auto middle = found.begin() + static_cast<std::ptrdiff_t>(reads);
    std::partial_sort(found.begin(), middle, found.end(), Before);
    found.erase(middle, found.end());
    const std::size_t dim = options_.dim;
    for (const Found& f : found) {
      const auto* row = reinterpret_cast<const char*>(params.rows->Row(f.id));
      for (std::size_t at = 0; at < dim * sizeof(float); at += 64) __builtin_prefetch(row + at);
    }
    const float norm = std::sqrt(kernels::Dot({query, dim}, {query, dim}));
    for (Found& f : found) f.score = frame_.Exact(query, norm, params.rows->Row(f.id));
    scratch.stats.rescored += found.size();
    wanted = std::min(found.size(), params.limit);
  }
  const auto end = found.begin() + static_cast<std::ptrdiff_t>(wanted);
  // A pool is in order; other scores are not.
  if (!std::is_sorted(found.begin(), found.end(), Before)) {
    std::partial_sort(found.begin(), end, found.end(), Before);
  }
  out->assign(found.begin(), end);
  if (stats != nullptr) *stats = scratch.stats;
}

}  // namespace malmoi::ann
