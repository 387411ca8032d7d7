#pragma once

#include <cstddef>

namespace malmoi::kernels {
namespace {

// The group of kRows rows that lies eight rows on from row r of `count`, or row r's own where there
// is none that far: what PrefetchRows asks for while row r's group is read.
template <std::size_t kRows>
inline const float* RowsAhead(const float* group, std::size_t stride, std::size_t r,
                              std::size_t count) {
  return r + 8 + kRows <= count ? group + 8 * stride : group;
}

// Asks for the part of a group of kRows rows that belongs to the numbers from i on, in the order of
// addresses: the processor's own prefetcher follows one stream, but not several that lie a row
// apart (Zen 4, rows of 1.5 KB in memory, four at a time: 8 GB/s without this, 21 with it). Called
// once for each 16 of a row's numbers.
template <std::size_t kRows>
inline void PrefetchRows(const float* group, std::size_t i) {
  const char* line = reinterpret_cast<const char*>(group + i * kRows);
  for (std::size_t k = 0; k < kRows; ++k) __builtin_prefetch(line + k * 64);
}

}  // namespace
}  // namespace malmoi::kernels
