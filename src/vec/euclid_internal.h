#pragma once

#include <span>

namespace malmoi::vec {

// out[r] = |row r - query|_2, rows packed. A row's result depends on that row alone.
void EuclidRows(const float* rows, std::span<const float> query, std::span<float> out);

}  // namespace malmoi::vec
