#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "ann/graph_internal.h"
#include "ann/index.h"

namespace malmoi::ann {

// Ids a search may give: in `filter` (null: all) and not deleted.
struct Keep {
  const IdFilter* filter = nullptr;
  const std::uint64_t* deleted = nullptr;  // Null: none is.

  bool operator()(std::uint32_t id) const {
    if (filter != nullptr &&
        (id / 64 >= filter->bits.size() || (filter->bits[id / 64] >> (id % 64) & 1) == 0)) {
      return false;
    }
    return deleted == nullptr || !TestBit(deleted, id);
  }
};

struct Candidate {
  float score = 0;
  std::uint32_t id = 0;
};

// The best `window` candidates, best first; of equal scores the smaller id.
class Pool {
 public:
  static constexpr std::uint32_t kIdsMax = 1u << 31;  // An id and a bit are half of a key.

  // Makes it empty and part of `state`.
  void Reset(std::size_t window, WalkState* state);
  std::size_t size() const { return state_->size; }
  std::uint32_t Id(std::size_t i) const;
  float Score(std::size_t i) const;

 private:
  WalkState* state_ = nullptr;
  Buffer<std::uint64_t> keys_;
};

// What a walk needs besides the index; reused from one to the next.
struct WalkScratch {
  WalkState state;
  Pool pool;
  std::vector<std::uint64_t> visited;
  std::vector<std::uint32_t> dirty;  // state.dirty.
  std::vector<std::uint32_t> ids, detours;
  std::vector<std::int32_t> sums;
  std::vector<float> scores;
  std::size_t least = 0;  // WalkState's.
  std::uint64_t floor = 0;
  CodeQuery query;
  SignPlanes signs;
  std::vector<std::uint32_t> cells;  // By the score of their centres.
  std::vector<float> rotated;
  std::vector<Found> found;
  LinkScratch links;
  SearchStats stats;
};

// Makes the scratch ready for a search with scratch->query: an empty pool, no id below `bound`
// visited, room for `judged` ids at once and for a scan.
inline constexpr std::size_t kScanRoom = 320;
void Begin(const Arrays& arrays, std::uint32_t bound, std::size_t window, std::size_t judged,
           WalkScratch* scratch);
// Adds what was done to scratch->stats.
void End(WalkScratch* scratch);
void PrefetchCodes(const Arrays& arrays, const std::uint32_t* ids, std::size_t n);

// The ids below `bound` that are nearest to scratch->query, in scratch->pool.
void Walk(const Arrays& arrays, const Landmarks& landmarks, std::uint32_t bound, std::size_t window,
          WalkScratch* scratch);
// The same from ids that are near it, each once and below the bound; at most 2 * degree of them.
void WalkFrom(const Arrays& arrays, std::span<const std::uint32_t> from, std::uint32_t bound,
              std::size_t window, WalkScratch* scratch);
// The same over ids that `keep` has: neighbours that it has not are passed through, not scored.
// Start points that it has not may be among the result.
void WalkKept(const Arrays& arrays, const Landmarks& landmarks, std::uint32_t bound,
              std::size_t window, const Keep& keep, WalkScratch* scratch);
// After a walk: the ids from `begin` to `end` too.
void ScanMore(const Arrays& arrays, std::uint32_t begin, std::uint32_t end, const Keep& keep,
              WalkScratch* scratch);
// The same by scoring every id.
void Scan(const Arrays& arrays, std::uint32_t bound, std::size_t window, const Keep& keep,
          WalkScratch* scratch);

}  // namespace malmoi::ann
