#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

// Distances and similarities of many stored rows to one query, for the vector store; dot products
// of f32 are in vector.h. Dispatched once a call on the active CPU level; results are the same on
// every level, bit for bit (f32: sixteen virtual lanes as in vector.h; bytes: integers). Rows lie
// one after another at any alignment. Thread-safe: no state.
namespace malmoi::kernels {

// out[r] = sum of (row[i] - query[i])^2.
void SquaredDistanceRows(const float* rows, std::span<const float> query, std::span<float> out);
// out[r] = sum of |row[i] - query[i]|.
void AbsoluteDistanceRows(const float* rows, std::span<const float> query, std::span<float> out);

// The floats of IEEE binary16 numbers at `half` (any alignment), out.size() of them.
void HalfToFloat(const void* half, std::span<float> out);

// Sums over bytes, exact; size at most 65,536 so that 32 bits hold them.
struct ByteSums {
  std::uint32_t dot = 0;
  std::uint32_t row_squares = 0;        // Sum of row[i]^2.
  std::uint32_t squared_distance = 0;   // Sum of (row[i] - query[i])^2.
  std::uint32_t absolute_distance = 0;  // Sum of |row[i] - query[i]|.
};
ByteSums SumBytes(const std::uint8_t* row, const std::uint8_t* query, std::size_t n);

}  // namespace malmoi::kernels
