#pragma once

#include <cstddef>
#include <span>

namespace malmoi::vec {

// out[r] = dot(rows + r * query.size(), query). A row's result depends on that row alone.
void DotRows(const float* rows, std::span<const float> query, std::span<float> out);
// out[r] = |row - query|_2, likewise.
void EuclidRows(const float* rows, std::span<const float> query, std::span<float> out);
// x / |x|_2; a zero vector stays zero.
void Normalize(std::span<float> x);

}  // namespace malmoi::vec
