#include <algorithm>
#include <bit>
#include <numeric>

#include "ann/cells_internal.h"
#include "ann/scan_internal.h"

namespace malmoi::ann {
namespace {

constexpr std::uint32_t kSampleRows = 32;  // Of each cell, for k-means.
constexpr int kRounds = 4;
constexpr double kIdlePerPlace = 1.0 / 800;  // Of the rows: CellRowsTested.

void Parallel(os::ThreadPool* pool, std::size_t n,
              const std::function<void(std::size_t, std::size_t)>& body) {
  if (pool == nullptr) return body(0, n);
  pool->ParallelFor(n, [&](std::size_t, std::size_t begin, std::size_t end) { body(begin, end); });
}

// The centres while they are made.
class Centres {
 public:
  Centres(const Arrays& arrays, std::size_t blocks, std::uint32_t count, Cells* out)
      : arrays_(arrays), blocks_(blocks), cells_(*out) {
    cells_.count = count;
    cells_.own_codes = Buffer<std::uint8_t>(count * arrays.code_bytes);
    cells_.own_factors.resize(count);
    cells_.order.resize(count);
    std::iota(cells_.order.begin(), cells_.order.end(), 0u);
    cells_.codes = cells_.own_codes.data();
    cells_.factors = cells_.own_factors.data();
    view_.code_bytes = arrays.code_bytes;
    view_.first = cells_.own_codes.data();
    view_.factors = cells_.own_factors.data();
  }

  // Cell c has the place x, [blocks * 128].
  void Set(std::uint32_t c, const std::vector<float>& x) {
    std::vector<std::uint8_t> second(arrays_.code_bytes);
    const std::size_t at = c * arrays_.code_bytes;
    const CodeRow row = Encode(x, blocks_, cells_.own_codes.data() + at, second.data());
    double norm2 = 0;
    for (const float v : x) norm2 += double{v} * v;
    cells_.own_factors[c] = {row.scale, static_cast<float>(norm2 / 2)};
  }

  // The nearest cell of each of the ids.
  std::vector<std::uint32_t> Assign(std::span<const std::uint32_t> ids,
                                    os::ThreadPool* pool) const {
    std::vector<std::uint32_t> out(ids.size());
    Parallel(pool, ids.size(), [&](std::size_t begin, std::size_t end) {
      CodeQuery query;
      std::vector<std::int32_t> sums(cells_.count + 4);
      std::vector<float> scores(cells_.count);
      for (std::size_t i = begin; i < end; ++i) {
        StoredQuery(arrays_, blocks_, ids[i], &query);
        query.extra = 0;  // Of kDot: centres have none.
        ScoreFour(view_, query, cells_.order.data(), cells_.count, sums.data(), scores.data());
        out[i] = static_cast<std::uint32_t>(std::max_element(scores.begin(), scores.end()) -
                                            scores.begin());
      }
    });
    return out;
  }

  // Each centre to the mean of those of the ids that are in its cell.
  void Move(std::span<const std::uint32_t> ids, std::span<const std::uint32_t> cell_of) {
    const std::size_t n = blocks_ * 128;
    std::vector<float> sums(cells_.count * n);
    std::vector<std::uint32_t> counts(cells_.count);
    CodeQuery row;
    for (std::size_t i = 0; i < ids.size(); ++i) {
      StoredQuery(arrays_, blocks_, ids[i], &row);
      float* sum = sums.data() + cell_of[i] * n;
      for (std::size_t d = 0; d < n; ++d) sum[d] += row.scale * 128 * row.high[d];
      ++counts[cell_of[i]];
    }
    std::vector<float> centre(n);
    for (std::uint32_t c = 0; c < cells_.count; ++c) {
      if (counts[c] == 0) continue;
      for (std::size_t d = 0; d < n; ++d) {
        centre[d] = sums[c * n + d] / static_cast<float>(counts[c]);
      }
      Set(c, centre);
    }
  }

 private:
  const Arrays& arrays_;
  std::size_t blocks_;
  Cells& cells_;
  Arrays view_;  // The centres as rows.
};

// The least and the largest of some numbers, at least one; in lanes, which need not wait for each
// other.
std::pair<float, float> Limits(std::span<const float> x) {
  constexpr std::size_t kLanes = 16;
  float low[kLanes], high[kLanes];
  std::fill_n(low, kLanes, x[0]);
  std::fill_n(high, kLanes, x[0]);
  std::size_t i = 0;
  for (; i + kLanes <= x.size(); i += kLanes) {
    for (std::size_t l = 0; l < kLanes; ++l) {
      low[l] = x[i + l] < low[l] ? x[i + l] : low[l];
      high[l] = x[i + l] > high[l] ? x[i + l] : high[l];
    }
  }
  for (; i < x.size(); ++i) {
    low[0] = std::min(low[0], x[i]);
    high[0] = std::max(high[0], x[i]);
  }
  return {*std::min_element(low, low + kLanes), *std::max_element(high, high + kLanes)};
}

// The cells, those with the best centres first: by 512 steps of their scores, inside of one by
// number.
void OrderCells(std::span<const float> scores, std::vector<std::uint32_t>* out) {
  constexpr std::size_t kSteps = 512;
  const auto [low, high] = Limits(scores);
  const float span = high - low;
  const float scale = span > 0 ? static_cast<float>(kSteps - 1) / span : 0;
  const auto step = [&](float score) {
    return kSteps - 1 - static_cast<std::size_t>((score - low) * scale);
  };
  std::uint32_t ends[kSteps + 1] = {};
  for (const float s : scores) ++ends[step(s) + 1];
  for (std::size_t i = 1; i <= kSteps; ++i) ends[i] += ends[i - 1];
  out->resize(scores.size());
  for (std::uint32_t c = 0; c < scores.size(); ++c) (*out)[ends[step(scores[c])]++] = c;
}

// Those of the ids that `keep` has, to out, which has room for 16 more; their number.
std::size_t Pick(std::span<const std::uint32_t> ids, const Keep& keep, std::uint32_t* out) {
  std::size_t n = ids.size();
  if (keep.filter == nullptr) {
    std::copy(ids.begin(), ids.end(), out);
  } else {
    const auto bound = static_cast<std::uint32_t>(
        std::min<std::size_t>(keep.filter->bits.size() * 64, Pool::kIdsMax));
    n = Scores().pick(keep.filter->bits.data(), bound, ids.data(), n, out);
  }
  if (keep.deleted == nullptr) return n;
  std::size_t left = 0;
  for (std::size_t i = 0; i < n; ++i) {
    if (!TestBit(keep.deleted, out[i])) out[left++] = out[i];
  }
  return left;
}

void PrefetchCell(const Cells& cells, std::uint32_t cell) {
  const std::uint32_t end = std::min(cells.starts[cell + 1], cells.starts[cell] + 256);
  for (std::uint32_t at = cells.starts[cell]; at < end; at += 16) {
    __builtin_prefetch(cells.rows + at);
  }
}

}  // namespace

std::shared_ptr<const CellBits> MarkCells(std::shared_ptr<const Cells> cells,
                                          std::span<const std::uint64_t> bits) {
  auto out = std::make_shared<CellBits>();
  const std::uint32_t n = cells->starts[cells->count];
  out->words.resize((n + 63) / 64 + 1);  // Marked may read one more.
  for (std::uint32_t i = 0; i < n; ++i) {
    const std::uint32_t id = cells->rows[i];
    if (id / 64 >= bits.size()) continue;
    out->words[i / 64] |= (bits[id / 64] >> (id % 64) & 1) << (i % 64);
  }
  out->cells = std::move(cells);
  return out;
}

double CellRowsTested(std::uint64_t rows, std::size_t window) {
  // About 3.5 times what a search may test in vain, as measured.
  return std::min(1.0, 3.5 * kIdlePerPlace * static_cast<double>(window)) *
         static_cast<double>(rows);
}

std::shared_ptr<const Cells> MakeCells(const Arrays& arrays, std::size_t blocks,
                                       std::span<const std::uint32_t> ids, os::ThreadPool* pool) {
  auto out = std::make_shared<Cells>();
  const auto count = static_cast<std::uint32_t>(
      std::clamp<std::size_t>(ids.size() / Cells::kRowsOfCell, 1, Cells::kMost));
  Centres centres(arrays, blocks, count, out.get());
  const std::size_t taken = std::min<std::size_t>(ids.size(), std::size_t{count} * kSampleRows);
  std::vector<std::uint32_t> sample(taken);
  for (std::size_t i = 0; i < taken; ++i) sample[i] = ids[i * ids.size() / taken];
  // Each centre begins as a row.
  std::vector<std::uint32_t> starters(count), cell(count);
  std::iota(cell.begin(), cell.end(), 0u);
  for (std::uint32_t c = 0; c < count; ++c) starters[c] = sample[c * taken / count];
  centres.Move(starters, cell);
  for (int round = 0; round < kRounds; ++round) {
    centres.Move(sample, centres.Assign(sample, pool));
  }
  const std::vector<std::uint32_t> cell_of = centres.Assign(ids, pool);
  out->own_starts.resize(count + 1);
  for (const std::uint32_t c : cell_of) ++out->own_starts[c + 1];
  std::partial_sum(out->own_starts.begin(), out->own_starts.end(), out->own_starts.begin());
  out->own_rows.resize(ids.size());
  std::vector<std::uint32_t> next = out->own_starts;
  for (std::size_t i = 0; i < ids.size(); ++i) out->own_rows[next[cell_of[i]]++] = ids[i];
  out->starts = out->own_starts.data();
  out->rows = out->own_rows.data();
  return out;
}

void SearchCells(const Arrays& arrays, const Cells& cells, std::uint64_t size, std::size_t window,
                 const Keep& keep, WalkScratch* scratch) {
  constexpr std::uint32_t kAtOnce = 256;
  constexpr std::size_t kAhead = 2;
  const CellBits* marks = keep.filter != nullptr ? keep.filter->in_cells : nullptr;
  if (marks != nullptr && marks->cells.get() != &cells) marks = nullptr;
  // Whether marks say all that is to be known.
  const bool sure = marks != nullptr && !keep.filter->more_in_cells && keep.deleted == nullptr;
  Begin(arrays, 0, window, cells.count, scratch);
  Arrays centres;
  centres.code_bytes = arrays.code_bytes;
  centres.first = const_cast<std::uint8_t*>(cells.codes);  // Read alone.
  centres.factors = const_cast<Factors*>(cells.factors);
  ScoreFour(centres, scratch->query, cells.order.data(), cells.count, scratch->sums.data(),
            scratch->scores.data());
  OrderCells({scratch->scores.data(), cells.count}, &scratch->cells);
  const auto most = static_cast<std::size_t>(static_cast<double>(size) * kIdlePerPlace *
                                             static_cast<double>(window)) +
                    1;
  Scanner scanner(arrays, true, scratch);
  std::uint32_t marked[kAtOnce + 16], picked[kAtOnce + 16];
  std::size_t idle = 0;
  const std::vector<std::uint32_t>& order = scratch->cells;
  for (std::size_t c = 0; c < order.size(); ++c) {
    const std::uint32_t cell = order[c];
    if (c + kAhead < order.size()) PrefetchCell(cells, order[c + kAhead]);
    const std::uint32_t begin = cells.starts[cell], end = cells.starts[cell + 1];
    idle += end - begin;
    for (std::uint32_t at = begin; at < end; at += kAtOnce) {
      const std::uint32_t last = std::min(end, at + kAtOnce);
      std::span<const std::uint32_t> rows(cells.rows + at, last - at);
      std::size_t n = 0;
      if (marks != nullptr) {
        n = Scores().marked(marks->words.data(), cells.rows, at, last, marked);
        rows = {marked, n};
      }
      if (!sure) n = Pick(rows, keep, picked);
      const std::uint32_t* kept = sure ? marked : picked;
      for (std::size_t i = 0; i < n; ++i) scanner.Add(kept[i]);
    }
    if (scanner.Entered()) idle = 0;
    if (idle <= most || scratch->state.size < scratch->state.window) continue;
    if (!scanner.Finish()) break;
    idle = 0;
  }
  scanner.Finish();
  End(scratch);
}

}  // namespace malmoi::ann
