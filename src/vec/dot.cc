#include <cmath>

#include "vec/dot_internal.h"

namespace malmoi::vec {
namespace {

constexpr std::size_t kLanes = 16;

// Folds the lanes pairwise, always in the same order.
float Fold(float* lanes) {
  for (std::size_t width = kLanes / 2; width > 0; width /= 2) {
    for (std::size_t i = 0; i < width; ++i) lanes[i] += lanes[i + width];
  }
  return lanes[0];
}

template <class Term>
float Reduce(const float* a, const float* b, std::size_t n, Term term) {
  alignas(64) float lanes[kLanes] = {};
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (std::size_t k = 0; k < kLanes; ++k) lanes[k] += term(a[i + k], b[i + k]);
  }
  for (std::size_t k = 0; i < n; ++i, ++k) lanes[k] += term(a[i], b[i]);
  return Fold(lanes);
}

}  // namespace

void DotRows(const float* rows, std::span<const float> query, std::span<float> out) {
  for (std::size_t r = 0; r < out.size(); ++r) {
    out[r] = Reduce(rows + r * query.size(), query.data(), query.size(),
                    [](float a, float b) { return a * b; });
  }
}

void EuclidRows(const float* rows, std::span<const float> query, std::span<float> out) {
  for (std::size_t r = 0; r < out.size(); ++r) {
    out[r] = std::sqrt(Reduce(rows + r * query.size(), query.data(), query.size(),
                              [](float a, float b) { return (a - b) * (a - b); }));
  }
}

void Normalize(std::span<float> x) {
  double sum = 0;
  for (const float v : x) sum += static_cast<double>(v) * v;
  if (sum == 0) return;
  const double scale = 1 / std::sqrt(sum);
  for (float& v : x) v = static_cast<float>(v * scale);
}

}  // namespace malmoi::vec
