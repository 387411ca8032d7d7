#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "vec/part_internal.h"

namespace malmoi::vec {

// An inverted index over sparse rows: terms rise, and each term's rows rise.
struct PostingLists {
  std::vector<std::uint32_t> terms;
  std::vector<std::uint64_t> offsets;  // [terms + 1] into rows and values.
  std::vector<std::uint32_t> rows;
  std::vector<float> values;

  static PostingLists Build(std::span<const SparseRef> rows);
  Postings Find(std::uint32_t term) const;
};

}  // namespace malmoi::vec
