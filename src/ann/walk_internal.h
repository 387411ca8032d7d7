#pragma once

#include <cstddef>
#include <cstdint>
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

// The best `window` candidates, best first.
class Pool {
 public:
  static constexpr std::uint32_t kExpanded = 1u << 31;

  void Reset(std::size_t window) {
    window_ = window;
    items_.resize(window + 1);
    size_ = 0;
  }
  std::size_t size() const { return size_; }
  bool full() const { return size_ == window_; }
  const Candidate& operator[](std::size_t i) const { return items_[i]; }
  // A score at or below it cannot enter.
  float worst() const;
  // Its place; only for a score above worst().
  std::size_t Insert(float score, std::uint32_t id);
  bool expanded(std::size_t i) const { return (items_[i].id & kExpanded) != 0; }
  std::uint32_t Expand(std::size_t i) {
    const std::uint32_t id = items_[i].id;
    items_[i].id = id | kExpanded;
    return id;
  }
  std::uint32_t Id(std::size_t i) const { return items_[i].id & ~kExpanded; }

 private:
  std::size_t window_ = 0, size_ = 0;
  std::vector<Candidate> items_;
};

// What a walk needs besides the index; reused from one to the next.
struct WalkScratch {
  Pool pool;
  std::vector<std::uint64_t> visited;
  std::vector<std::uint32_t> dirty;  // Words of `visited` that are not zero.
  std::vector<std::uint32_t> ids, detours;
  std::vector<std::int32_t> sums;
  std::vector<float> scores;
  CodeQuery query;
  std::vector<float> rotated;
  std::vector<Found> found;
  LinkScratch links;
  SearchStats stats;
};

// The ids below `bound` that are nearest to scratch->query, in scratch->pool.
void Walk(const Arrays& arrays, const Landmarks& landmarks, std::uint32_t bound, std::size_t window,
          WalkScratch* scratch);
// The same over ids that `keep` has: neighbours that it has not are passed through, not scored.
// Start points that it has not may be among the result.
void WalkKept(const Arrays& arrays, const Landmarks& landmarks, std::uint32_t bound,
              std::size_t window, const Keep& keep, WalkScratch* scratch);
// The same by scoring every id.
void Scan(const Arrays& arrays, std::uint32_t bound, std::size_t window, const Keep& keep,
          WalkScratch* scratch);

}  // namespace malmoi::ann
