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
  std::size_t multivector_rows_max = 1 << 16;   // All rows are compared with all of the query.
  std::size_t filter_conditions_max = 65536;    // A filter is compiled into memory.
  std::size_t payload_indexes_max = 1024;       // The same.
  // Points that one operation by filter may change; the new rows stand in memory until the next
  // checkpoint.
  std::size_t points_changed_max = 500'000;
};
inline constexpr Limits kLimits;

}  // namespace malmoi::vec
