#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "ann/walk_internal.h"

namespace malmoi::ann {

// Offers rows to the pool of `scratch`, many of them after a look at their signs: what cannot be
// among the best by those is not scored. Begin (walk_internal.h) comes before it.
class Scanner {
 public:
  Scanner(const Arrays& arrays, bool sift, WalkScratch* scratch);

  void Add(std::uint32_t id) {
    ids_[n_++] = id;
    if (sift_) {
      const std::uint8_t* row = arrays_.signs + std::size_t{id} * arrays_.sign_bytes;
      for (std::size_t at = 0; at < arrays_.sign_bytes; at += 64) __builtin_prefetch(row + at);
    }
    if (n_ == kGroup) Flush();
  }
  // Whether a row came into the pool since the last call of this or of Finish.
  bool Entered() { return std::exchange(entered_, false); }
  // Judges all that were added; Entered.
  bool Finish();

 private:
  void Flush();
  void Offer(const std::uint32_t* ids, std::size_t n);

  static constexpr std::size_t kGroup = kScanRoom / 2 - 32;
  static constexpr std::size_t kHeld = 24;
  const Arrays& arrays_;
  bool sift_;
  WalkScratch& scratch_;
  WalkState& state_;
  std::uint32_t* ids_;
  std::uint32_t* held_;  // Not ruled out by their signs.
  std::size_t n_ = 0, held_count_ = 0;
  bool entered_ = false;
};

}  // namespace malmoi::ann
