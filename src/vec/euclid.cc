#include <cmath>

#include "vec/euclid_internal.h"

namespace malmoi::vec {

void EuclidRows(const float* rows, std::span<const float> query, std::span<float> out) {
  constexpr std::size_t kLanes = 16;  // Independent sums, folded pairwise in a fixed order.
  for (float& result : out) {
    alignas(64) float lanes[kLanes] = {};
    for (std::size_t i = 0; i < query.size(); i += kLanes) {
      for (std::size_t k = 0; k < kLanes && i + k < query.size(); ++k) {
        const float difference = rows[i + k] - query[i + k];
        lanes[k] += difference * difference;
      }
    }
    for (std::size_t width = kLanes / 2; width > 0; width /= 2) {
      for (std::size_t k = 0; k < width; ++k) lanes[k] += lanes[k + width];
    }
    result = std::sqrt(lanes[0]);
    rows += query.size();
  }
}

}  // namespace malmoi::vec
