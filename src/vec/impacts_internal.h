#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "vec/part_internal.h"

namespace malmoi::vec {

// The largest value of each kPostings postings of a list: what a search may at most get from them.
struct Impacts {
  static constexpr std::size_t kPostings = 128;  // 4 bytes for 1,024: 0.4 % of the list.

  explicit Impacts(const Postings& list);
  // The largest of postings [begin, end), or of some around them; begin < end.
  float Most(std::size_t begin, std::size_t end) const;

  std::vector<float> largest;
  bool negative = false;  // A value is: sums may fall, so nothing is known of the rest.
};

// The impacts of a segment's longer lists. Not part of what it holds: of a list when a search first
// reads it, which costs no more than that search. Thread-safe.
class ImpactSet {
 public:
  std::shared_ptr<const Impacts> Get(std::uint32_t field, std::uint32_t term, const Postings& list);
  std::uint64_t memory_bytes() const;

 private:
  mutable std::mutex mutex_;  // guards: lists_, bytes_
  std::unordered_map<std::uint64_t, std::shared_ptr<const Impacts>> lists_;
  std::uint64_t bytes_ = 0;
};

}  // namespace malmoi::vec
