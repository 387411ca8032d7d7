// The walk of scores_internal.h over one level's Rows4: included by each level's file behind
// scores-inl.h.
#include <cstddef>
#include <cstdint>

#include "ann/key-inl.h"
#include "ann/scores-inl.h"
#include "ann/scores_internal.h"

namespace malmoi::ann {
namespace {

#ifndef MALMOI_ANN_INSERT
// Puts `key` in its place among falling keys[0, size) and moves the rest back by one, the last of
// them out of keys[0, last].
inline void InsertKey(std::uint64_t* keys, std::size_t size, std::size_t last, std::uint64_t key) {
  std::size_t at = 0;
  for (std::size_t n = size; n > 0;) {  // Without branches, which would be mispredicted.
    const std::size_t half = (n + 1) / 2;
    at += keys[at + half - 1] > key ? half : 0;
    n -= half;
  }
  for (std::size_t i = last; i > at; --i) keys[i] = keys[i - 1];
  keys[at] = key;
}
// The first of keys[from, size) that is not expanded, or size.
inline std::size_t FirstOpen(const std::uint64_t* keys, std::size_t from, std::size_t size) {
  while (from < size && (keys[from] & 1) != 0) ++from;
  return from;
}
#endif

inline void PrefetchLinks(const WalkState& s, std::uint64_t key) {
  const std::uint32_t* row = s.links + std::size_t{IdOf(key)} * s.degree;
  for (std::size_t at = 0; at < s.degree; at += 16) __builtin_prefetch(row + at);
}

// Neighbours of `id` that were not seen, to `out`. Without branches: about every second one was.
inline std::size_t Gather(WalkState* s, std::uint32_t id, std::uint32_t* out) {
  const std::uint32_t* row = s->links + std::size_t{id} * s->degree;
  std::uint64_t* visited = s->visited;
  std::size_t n = 0, dirty = s->dirty_count;
  for (std::size_t k = 0; k < s->degree; ++k) {
    std::uint32_t to = __atomic_load_n(row + k, __ATOMIC_ACQUIRE) - 1;
    to = to < s->bound ? to : s->bound;  // The end of the list too; marked as seen.
    const std::uint64_t word = visited[to / 64];
    s->dirty[dirty] = to / 64;
    dirty += word == 0 ? 1 : 0;
    visited[to / 64] = word | std::uint64_t{1} << (to % 64);
    out[n] = to;
    n += (word >> (to % 64) & 1) ^ 1;
  }
  s->dirty_count = dirty;
  return n;
}

inline void PrefetchCode(const WalkState& s, std::uint32_t id) {
  PrefetchRow(s.codes + std::size_t{id} * s.blocks * 64, s.blocks * 64);
  __builtin_prefetch(s.factors + std::size_t{id} * 2);
}

// Similarities of ids[0, n) into s->scores; `next` is fetched meanwhile.
template <std::size_t Blocks>
void Judge(const WalkState& s, const std::uint32_t* ids, std::size_t n, const std::uint32_t* next,
           std::size_t next_n) {
  const std::size_t blocks = Blocks != 0 ? Blocks : s.blocks;
  const std::size_t bytes = blocks * 64;
  std::size_t fetched = 0;
  for (std::size_t k = 0; k < n; k += 4) {
    for (; fetched < next_n && fetched < k + 4; ++fetched) PrefetchCode(s, next[fetched]);
    const std::uint8_t* rows[4];
    for (std::size_t i = 0; i < 4; ++i) {
      rows[i] = s.codes + std::size_t{ids[k + i < n ? k + i : k]} * bytes;
    }
    Rows4(s.plane, blocks, rows[0], rows[1], rows[2], rows[3], s.sums + k);
  }
  for (; fetched < next_n; ++fetched) PrefetchCode(s, next[fetched]);
  for (std::size_t k = 0; k < n; ++k) {
    const float* f = s.factors + std::size_t{ids[k]} * 2;
    s.scores[k] =
        s.scale * f[0] * (static_cast<float>(s.sums[k]) - s.middle) - s.half_weight * f[1];
  }
  if (s.extra_weight != 0) {
    for (std::size_t k = 0; k < n; ++k) s.scores[k] += s.extra_weight * s.extra[ids[k]];
  }
}

// Puts the good ones of the judged into the pool; the largest key that came in, or 0.
inline std::uint64_t Enter(WalkState* s, const std::uint32_t* ids, std::size_t n) {
  std::uint64_t best = 0;
  float worst = s->size == s->window ? ScoreOf(s->keys[s->size - 1]) : -__builtin_inff();
  for (std::size_t k = 0; k < n; ++k) {
    if (!(s->scores[k] > worst)) continue;
    const std::uint64_t key = KeyOf(s->scores[k], ids[k]);
    const std::size_t last = s->size < s->window ? s->size : s->window - 1;
    InsertKey(s->keys, s->size, last, key);
    s->size = last + 1;
    best = key > best ? key : best;
    if (s->size == s->window) worst = ScoreOf(s->keys[s->size - 1]);
  }
  return best;
}

template <std::size_t Blocks>
std::uint64_t OfferBlocks(WalkState* s, const std::uint32_t* ids, std::size_t n,
                          const std::uint32_t* next, std::size_t next_n) {
  Judge<Blocks>(*s, ids, n, next, next_n);
  s->distances += n;
  return Enter(s, ids, n);
}

std::uint64_t Offer(WalkState* s, const std::uint32_t* ids, std::size_t n) {
  constexpr std::size_t kAhead = 12;
  for (std::size_t k = 0; k < n && k < kAhead; ++k) PrefetchCode(*s, ids[k]);
  const std::size_t left = n > kAhead ? n - kAhead : 0;
  const std::uint32_t* next = ids + (n - left);
  return s->blocks == 3 ? OfferBlocks<3>(s, ids, n, next, left)
                        : OfferBlocks<0>(s, ids, n, next, left);
}

inline bool Follows(const WalkState& s, std::size_t at) {
  return at < s.size && (at < s.least || s.keys[at] >= s.floor);
}

template <std::size_t Blocks>
void WalkBlocks(WalkState* s) {
  // What a node's neighbours are is found, and their codes are fetched, while those of the node
  // before are judged: a walk expands nearly all of the final pool anyway, and in this way it does
  // not wait for memory at each hop.
  std::uint32_t* ids = s->ids;
  std::uint32_t* next = s->ids + s->degree + 4;
  std::size_t n = 0, at = 0;
  for (;;) {
    at = FirstOpen(s->keys, at, s->size);
    std::size_t next_n = 0;
    std::uint64_t now = 0;
    if (Follows(*s, at)) {
      const std::uint64_t key = s->keys[at];
      s->keys[at] = now = key | 1;
      ++s->hops;
      next_n = Gather(s, IdOf(key), next);
      const std::size_t then = FirstOpen(s->keys, at, s->size);
      if (then < s->size) PrefetchLinks(*s, s->keys[then]);
    } else if (n == 0) {
      return;
    }
    if (OfferBlocks<Blocks>(s, ids, n, next, next_n) > now) at = 0;
    std::uint32_t* swapped = ids;
    ids = next;
    next = swapped;
    n = next_n;
  }
}

void WalkAll(WalkState* s) {
  switch (s->blocks) {
    case 3:
      return WalkBlocks<3>(s);
    case 6:
      return WalkBlocks<6>(s);
    case 8:
      return WalkBlocks<8>(s);
    default:
      return WalkBlocks<0>(s);
  }
}

}  // namespace
}  // namespace malmoi::ann
