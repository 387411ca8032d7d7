#pragma once

#include <cstddef>
#include <cstdint>

namespace malmoi::vec {

// What a collection refuses, with the reason beside the number.
struct Limits {
  std::uint32_t dim_max = 65536;                // Qdrant's limit.
  std::size_t points_per_write_max = 100'000;   // A write is one log record held in memory.
  std::size_t write_bytes_max = 512ull << 20;   // The same, in bytes; record lengths are u32.
  std::size_t payload_bytes_max = 16ull << 20;  // A payload is parsed whole by filters.
  std::size_t sparse_entries_max = 1 << 20;     // Per vector.
  std::size_t query_limit_max = 1'000'000;      // Hits are held in memory.
  std::size_t vectors_max = 256;                // Names are looked up one after another.
};
inline constexpr Limits kLimits;

}  // namespace malmoi::vec
