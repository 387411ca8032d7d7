#include <algorithm>
#include <bit>
#include <cstring>
#include <span>

#include "ann/key-inl.h"
#include "ann/walk_internal.h"

namespace malmoi::ann {
namespace {

constexpr std::size_t kEntries = 4;        // Landmarks that a walk starts from.
constexpr std::size_t kScanGroup = 256;    // Ids scored at once.
constexpr std::uint32_t kSiftRows = 1024;  // From so many on rows are sifted by their signs first.

bool Better(const Candidate& a, const Candidate& b) {
  return a.score != b.score ? a.score > b.score : a.id < b.id;
}

// False if it was set before.
inline bool Visit(WalkScratch* scratch, std::uint32_t id) {
  std::uint64_t& word = scratch->visited[id / 64];
  const std::uint64_t bit = std::uint64_t{1} << (id % 64);
  if ((word & bit) != 0) return false;
  if (word == 0) scratch->dirty[scratch->state.dirty_count++] = id / 64;
  word |= bit;
  return true;
}

// Puts the best landmarks into the pool: of those that `keep` has, or of all where none is.
void Start(const Landmarks& landmarks, std::uint32_t bound, const Keep* keep,
           WalkScratch* scratch) {
  const std::size_t n = landmarks.ids.size();
  WalkState& s = scratch->state;
  Scores().four(s.plane, s.blocks, landmarks.codes.data(), landmarks.order.data(), n, s.sums);
  s.distances += n;
  for (std::size_t k = 0; k < n; ++k) {
    const Factors& f = landmarks.factors[k];
    s.scores[k] = s.scale * f.scale * (static_cast<float>(s.sums[k]) - s.middle) -
                  s.half_weight * f.half_norm;
  }
  Candidate best[kEntries + 1];
  std::size_t count = 0;
  for (int pass = 0; pass < 2 && count == 0; ++pass) {
    for (std::size_t k = 0; k < n; ++k) {
      // Most are not among the best: no more is looked at.
      if (count == kEntries && !(s.scores[k] >= best[count - 1].score)) continue;
      const std::uint32_t id = landmarks.ids[k];
      const Candidate next{s.scores[k], id};
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
  for (std::size_t k = 0; k < std::min(count, s.window); ++k) {
    if (Visit(scratch, best[k].id)) s.keys[s.size++] = KeyOf(best[k].score, best[k].id);
  }
}

inline void PrefetchLinks(const Arrays& arrays, std::uint32_t id) {
  const auto* row = reinterpret_cast<const char*>(arrays.links + std::size_t{id} * arrays.degree);
  for (std::size_t at = 0; at < arrays.degree * sizeof(std::uint32_t); at += 64) {
    __builtin_prefetch(row + at);
  }
}

// Those that `keep` has, and those behind the others, up to twice the degree in all.
std::size_t KeptNeighbours(const Arrays& arrays, std::uint32_t bound, std::uint32_t id,
                           const Keep& keep, WalkScratch* scratch, std::uint32_t* out) {
  std::size_t n = 0;
  std::uint32_t to;
  std::vector<std::uint32_t>& detours = scratch->detours;
  detours.clear();
  for (std::uint32_t k = 0; k < arrays.degree && arrays.Link(id, k, &to); ++k) {
    if (to >= bound || !Visit(scratch, to)) continue;
    if (keep(to)) {
      out[n++] = to;
    } else {
      PrefetchLinks(arrays, to);
      detours.push_back(to);
    }
  }
  const std::size_t most = arrays.degree;
  for (std::size_t d = 0; d < detours.size() && n < most; ++d) {
    for (std::uint32_t k = 0; k < arrays.degree && arrays.Link(detours[d], k, &to); ++k) {
      if (to < bound && keep(to) && Visit(scratch, to)) out[n++] = to;
    }
  }
  return n;
}

}  // namespace

void Begin(const Arrays& arrays, std::uint32_t bound, std::size_t window, std::size_t judged,
           WalkScratch* scratch) {
  for (const std::uint32_t word : std::span(scratch->dirty).first(scratch->state.dirty_count)) {
    scratch->visited[word] = 0;
  }
  const std::size_t words = std::size_t{bound} / 64 + 1;
  if (scratch->visited.size() < words) {
    scratch->visited.resize(words);
    scratch->dirty.resize(words + 1);
  }
  const std::size_t room = std::max(judged, kScanRoom) + 4;
  if (scratch->ids.size() < 2 * room) scratch->ids.resize(2 * room);
  if (scratch->sums.size() < room) scratch->sums.resize(room);
  if (scratch->scores.size() < room) scratch->scores.resize(room);
  static_assert(sizeof(Factors) == 2 * sizeof(float));
  const CodeQuery& query = scratch->query;
  WalkState& s = scratch->state;
  s = {.links = arrays.links,
       .degree = arrays.degree,
       .bound = bound,
       .codes = arrays.first,
       .blocks = arrays.code_bytes / 64,
       .factors = &arrays.factors->scale,
       .extra = arrays.extra,
       .plane = query.high.data(),
       .scale = query.scale * 128,
       .middle = kMiddleFour * static_cast<float>(query.sum_high),
       .half_weight = query.half_weight,
       .extra_weight = query.extra,
       .visited = scratch->visited.data(),
       .dirty = scratch->dirty.data(),
       .ids = scratch->ids.data(),
       .sums = scratch->sums.data(),
       .scores = scratch->scores.data()};
  scratch->pool.Reset(window, &s);
  s.least = scratch->least;
  s.floor = scratch->floor;
  Visit(scratch, bound);
}

void End(WalkScratch* scratch) {
  scratch->stats.distances += scratch->state.distances;
  scratch->stats.hops += scratch->state.hops;
}

void PrefetchCodes(const Arrays& arrays, const std::uint32_t* ids, std::size_t n) {
  for (std::size_t k = 0; k < n; ++k) {
    const std::uint8_t* row = arrays.first + std::size_t{ids[k]} * arrays.code_bytes;
    for (std::size_t at = 0; at < arrays.code_bytes; at += 64) __builtin_prefetch(row + at);
    __builtin_prefetch(arrays.factors + ids[k]);
  }
}

void Pool::Reset(std::size_t window, WalkState* state) {
  constexpr std::size_t kBefore = 8;
  const std::size_t end = kBefore + (window + 8) / 8 * 8;
  if (keys_.size() < end) {
    keys_ = Buffer<std::uint64_t>(end);
    std::fill_n(keys_.data(), kBefore, ~std::uint64_t{0});
  } else {
    std::fill(keys_.data() + kBefore, keys_.data() + end, 0);
  }
  state_ = state;
  state->keys = keys_.data() + kBefore;
  state->size = 0;
  state->window = window;
}

std::uint32_t Pool::Id(std::size_t i) const {
  return IdOf(state_->keys[i]);
}

float Pool::Score(std::size_t i) const {
  return ScoreOf(state_->keys[i]);
}

void Walk(const Arrays& arrays, const Landmarks& landmarks, std::uint32_t bound, std::size_t window,
          WalkScratch* scratch) {
  Begin(arrays, bound, window, std::max<std::size_t>(arrays.degree, landmarks.ids.size()), scratch);
  Start(landmarks, bound, nullptr, scratch);
  Scores().walk(&scratch->state);
  End(scratch);
}

void WalkFrom(const Arrays& arrays, std::span<const std::uint32_t> from, std::uint32_t bound,
              std::size_t window, WalkScratch* scratch) {
  from = from.first(std::min<std::size_t>(from.size(), std::size_t{arrays.degree} * 2));
  Begin(arrays, bound, window, std::size_t{arrays.degree} * 2, scratch);
  for (const std::uint32_t id : from) Visit(scratch, id);
  Scores().offer(&scratch->state, from.data(), from.size());
  Scores().walk(&scratch->state);
  End(scratch);
}

void WalkKept(const Arrays& arrays, const Landmarks& landmarks, std::uint32_t bound,
              std::size_t window, const Keep& keep, WalkScratch* scratch) {
  const std::size_t judged = std::size_t{arrays.degree} * 2;
  Begin(arrays, bound, window, std::max(judged, landmarks.ids.size()), scratch);
  Start(landmarks, bound, &keep, scratch);
  WalkState& s = scratch->state;
  const auto offer = Scores().offer;
  const auto open_from = [&s](std::size_t at) {
    while (at < s.size && (s.keys[at] & 1) != 0) ++at;
    return at;
  };
  // As the walk without a filter (hop-inl.h): a node's neighbours are gathered, and their codes
  // fetched, before those of the node before are judged.
  std::uint32_t* ids = s.ids;
  std::uint32_t* next = s.ids + judged + 4;
  std::size_t n = 0, at = 0;
  for (;;) {
    at = open_from(at);
    std::size_t next_n = 0;
    std::uint64_t now = 0;
    if (at < s.size && (at < s.least || s.keys[at] >= s.floor)) {
      now = s.keys[at] |= 1;
      ++s.hops;
      next_n = KeptNeighbours(arrays, bound, IdOf(now), keep, scratch, next);
      PrefetchCodes(arrays, next, next_n);
      const std::size_t then = open_from(at);
      if (then < s.size) PrefetchLinks(arrays, IdOf(s.keys[then]));
    } else if (n == 0) {
      break;
    }
    if (offer(&s, ids, n) > now) at = 0;
    std::swap(ids, next);
    n = next_n;
  }
  End(scratch);
}

}  // namespace malmoi::ann
