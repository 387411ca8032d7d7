#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>

#include "ann/walk_internal.h"

namespace malmoi::ann {
namespace {

constexpr std::size_t kEntries = 4;      // Landmarks that a walk starts from.
constexpr std::size_t kScanGroup = 256;  // Ids scored at once.

bool Better(const Candidate& a, const Candidate& b) {
  return a.score != b.score ? a.score > b.score : a.id < b.id;
}

// False if it was set before.
inline bool Visit(WalkScratch* scratch, std::uint32_t id) {
  std::uint64_t& word = scratch->visited[id / 64];
  const std::uint64_t bit = std::uint64_t{1} << (id % 64);
  if ((word & bit) != 0) return false;
  if (word == 0) scratch->dirty.push_back(id / 64);
  word |= bit;
  return true;
}

void Begin(std::uint32_t bound, std::size_t window, WalkScratch* scratch) {
  for (const std::uint32_t word : scratch->dirty) scratch->visited[word] = 0;
  scratch->dirty.clear();
  if (scratch->visited.size() < bound / 64 + 1) scratch->visited.resize(bound / 64 + 1);
  scratch->pool.Reset(window);
}

void Room(std::size_t count, WalkScratch* scratch) {
  if (scratch->ids.size() < count) scratch->ids.resize(count);
  if (scratch->sums.size() < count) {
    scratch->sums.resize(count);
    scratch->scores.resize(count);
  }
}

// Scores scratch->ids[0..n) and keeps the good ones; the best place that one took, or the pool's
// size.
std::size_t Offer(const Arrays& arrays, std::size_t n, WalkScratch* scratch) {
  ScoreFour(arrays, scratch->query, scratch->ids.data(), n, scratch->sums.data(),
            scratch->scores.data());
  scratch->stats.distances += n;
  Pool& pool = scratch->pool;
  std::size_t first = std::numeric_limits<std::size_t>::max();
  float worst = pool.worst();
  for (std::size_t k = 0; k < n; ++k) {
    if (!(scratch->scores[k] > worst)) continue;
    first = std::min(first, pool.Insert(scratch->scores[k], scratch->ids[k]));
    worst = pool.worst();
  }
  return first;
}

// Puts the best landmarks into the pool: of those that `keep` has, or of all where none is.
void Start(const Arrays& arrays, const Landmarks& landmarks, std::uint32_t bound, const Keep* keep,
           WalkScratch* scratch) {
  const std::size_t n = landmarks.ids.size();
  Room(n, scratch);
  const CodeQuery& query = scratch->query;
  Scores().four(query.high.data(), arrays.code_bytes / 64, landmarks.codes.data(),
                landmarks.order.data(), n, scratch->sums.data());
  scratch->stats.distances += n;
  Candidate best[kEntries + 1];
  std::size_t count = 0;
  const float scale = query.scale * 128;
  const float middle = kMiddleFour * static_cast<float>(query.sum_high);
  for (int pass = 0; pass < 2 && count == 0; ++pass) {
    for (std::size_t k = 0; k < n; ++k) {
      const std::uint32_t id = landmarks.ids[k];
      const Factors& f = landmarks.factors[k];
      const Candidate next{scale * f.scale * (static_cast<float>(scratch->sums[k]) - middle) -
                               query.half_weight * f.half_norm,
                           id};
      if (count == kEntries && !Better(next, best[count - 1])) continue;
      if (id >= bound || (keep != nullptr && pass == 0 && !(*keep)(id))) continue;
      std::size_t at = count;
      while (at > 0 && Better(next, best[at - 1])) {
        best[at] = best[at - 1];
        --at;
      }
      best[at] = next;
      count = std::min(count + 1, kEntries);
    }
  }
  for (std::size_t k = 0; k < count; ++k) {
    if (best[k].score > scratch->pool.worst() && Visit(scratch, best[k].id)) {
      scratch->pool.Insert(best[k].score, best[k].id);
    }
  }
}

inline void PrefetchLinks(const Arrays& arrays, std::uint32_t id) {
  const auto* row = reinterpret_cast<const char*>(arrays.links + std::size_t{id} * arrays.degree);
  for (std::size_t at = 0; at < arrays.degree * sizeof(std::uint32_t); at += 64) {
    __builtin_prefetch(row + at);
  }
}

// Neighbours of `id` that were not seen, into scratch->ids.
std::size_t Neighbours(const Arrays& arrays, std::uint32_t bound, std::uint32_t id,
                       WalkScratch* scratch) {
  std::size_t n = 0;
  std::uint32_t to;
  for (std::uint32_t k = 0; k < arrays.degree && arrays.Link(id, k, &to); ++k) {
    if (to < bound && Visit(scratch, to)) scratch->ids[n++] = to;
  }
  return n;
}

// Those that `keep` has, and those behind the others, up to twice the degree in all.
std::size_t KeptNeighbours(const Arrays& arrays, std::uint32_t bound, std::uint32_t id,
                           const Keep& keep, WalkScratch* scratch) {
  std::size_t n = 0;
  std::uint32_t to;
  std::vector<std::uint32_t>& detours = scratch->detours;
  detours.clear();
  for (std::uint32_t k = 0; k < arrays.degree && arrays.Link(id, k, &to); ++k) {
    if (to >= bound || !Visit(scratch, to)) continue;
    if (keep(to)) {
      scratch->ids[n++] = to;
    } else {
      PrefetchLinks(arrays, to);
      detours.push_back(to);
    }
  }
  const std::size_t most = arrays.degree;
  for (std::size_t d = 0; d < detours.size() && n < most; ++d) {
    for (std::uint32_t k = 0; k < arrays.degree && arrays.Link(detours[d], k, &to); ++k) {
      if (to < bound && keep(to) && Visit(scratch, to)) scratch->ids[n++] = to;
    }
  }
  return n;
}

template <class Gather>
void Loop(const Arrays& arrays, WalkScratch* scratch, const Gather& gather) {
  Pool& pool = scratch->pool;
  std::size_t at = 0;
  while (at < pool.size()) {
    if (pool.expanded(at)) {
      ++at;
      continue;
    }
    const std::uint32_t id = pool.Expand(at);
    ++scratch->stats.hops;
    const std::size_t n = gather(id);
    if (at + 1 < pool.size()) PrefetchLinks(arrays, pool.Id(at + 1));
    at = std::min(at + 1, Offer(arrays, n, scratch));
  }
}

}  // namespace

float Pool::worst() const {
  return full() ? items_[size_ - 1].score : -std::numeric_limits<float>::infinity();
}

std::size_t Pool::Insert(float score, std::uint32_t id) {
  // Without branches, which would be mispredicted half of the time.
  const Candidate* base = items_.data();
  for (std::size_t n = size_; n > 1;) {
    const std::size_t half = n / 2;
    base += base[half - 1].score > score ? half : 0;
    n -= half;
  }
  auto low = static_cast<std::size_t>(base - items_.data());
  if (low < size_ && items_[low].score > score) ++low;
  while (low < size_ && items_[low].score == score && (items_[low].id & ~kExpanded) < id) ++low;
  std::memmove(items_.data() + low + 1, items_.data() + low, (size_ - low) * sizeof(Candidate));
  items_[low] = {score, id};
  if (size_ < window_) ++size_;
  return low;
}

void Walk(const Arrays& arrays, const Landmarks& landmarks, std::uint32_t bound, std::size_t window,
          WalkScratch* scratch) {
  Begin(bound, window, scratch);
  Start(arrays, landmarks, bound, nullptr, scratch);
  Room(arrays.degree, scratch);
  Loop(arrays, scratch, [&](std::uint32_t id) { return Neighbours(arrays, bound, id, scratch); });
}

void WalkKept(const Arrays& arrays, const Landmarks& landmarks, std::uint32_t bound,
              std::size_t window, const Keep& keep, WalkScratch* scratch) {
  Begin(bound, window, scratch);
  Start(arrays, landmarks, bound, &keep, scratch);
  Room(std::size_t{arrays.degree} * 2, scratch);
  Loop(arrays, scratch,
       [&](std::uint32_t id) { return KeptNeighbours(arrays, bound, id, keep, scratch); });
}

void Scan(const Arrays& arrays, std::uint32_t bound, std::size_t window, const Keep& keep,
          WalkScratch* scratch) {
  Begin(0, window, scratch);
  Room(kScanGroup, scratch);
  std::size_t n = 0;
  const auto flush = [&] {
    Offer(arrays, n, scratch);
    n = 0;
  };
  const std::size_t words = (std::size_t{bound} + 63) / 64;
  for (std::size_t w = 0; w < words; ++w) {
    std::uint64_t word = std::atomic_ref(arrays.present[w]).load(std::memory_order_acquire);
    if (keep.filter != nullptr) word &= w < keep.filter->bits.size() ? keep.filter->bits[w] : 0;
    if (keep.deleted != nullptr && word != 0) {
      word &= ~std::atomic_ref(arrays.deleted[w]).load(std::memory_order_acquire);
    }
    for (; word != 0; word &= word - 1) {
      const auto id = static_cast<std::uint32_t>(w * 64 + std::countr_zero(word));
      if (id >= bound) break;
      scratch->ids[n++] = id;
      if (n == kScanGroup) flush();
    }
  }
  flush();
}

}  // namespace malmoi::ann
