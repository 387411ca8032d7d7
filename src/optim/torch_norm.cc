#include "optim/torch_norm.h"

#include <cmath>

namespace malmoi::optim {
namespace {

constexpr std::size_t kLanes = 8;  // Of torch's loops, whatever the processor.
constexpr std::size_t kRows = 4;   // Of running sums that take turns.

// Vectors of kHalves x kLanes numbers, whose halves are added first. Beyond kMost, torch adds up in
// levels.
template <std::size_t kHalves>
float SumInRows(std::span<const float> x) {
  constexpr std::size_t kVector = kHalves * kLanes, kMost = 16 * kRows * kVector;
  if (x.size() > kMost) {
    double sum = 0;
    for (const float v : x) sum += static_cast<double>(v);
    return static_cast<float>(sum);
  }
  if (x.size() < kVector) {  // The same with single numbers.
    float rows[kRows] = {};
    const std::size_t turns = x.size() / kRows * kRows;
    for (std::size_t i = 0; i < x.size(); ++i) rows[i < turns ? i % kRows : 0] += x[i];
    return rows[0] + rows[1] + rows[2] + rows[3];
  }
  // Whole vectors in turns; what is left of them goes to the first row.
  float rows[kRows][kLanes] = {};
  const std::size_t vectors = x.size() / kVector, turns = vectors / kRows * kRows;
  for (std::size_t v = 0; v < vectors; ++v)
    for (std::size_t l = 0; l < kLanes; ++l) {
      const float* at = &x[v * kVector + l];
      rows[v < turns ? v % kRows : 0][l] += kHalves == 1 ? at[0] : at[0] + at[kLanes];
    }
  for (std::size_t r = 1; r < kRows; ++r)
    for (std::size_t l = 0; l < kLanes; ++l) rows[0][l] += rows[r][l];
  // Single numbers first, then the lanes.
  float sum = 0;
  for (std::size_t i = vectors * kVector; i < x.size(); ++i) sum += x[i];
  for (const float lane : rows[0]) sum += lane;
  return sum;
}

}  // namespace

float TorchNorm(std::span<const float> x) {
  float lanes[kLanes] = {};
  std::size_t i = 0;
  for (; i + kLanes <= x.size(); i += kLanes)
    for (std::size_t l = 0; l < kLanes; ++l) lanes[l] += x[i + l] * x[i + l];
  float sum = lanes[0];
  for (std::size_t l = 1; l < kLanes; ++l) sum += lanes[l];
  // What is left: four products, each rounded, then fused multiply-adds.
  if (x.size() - i >= 4)
    for (const std::size_t end = i + 4; i < end; ++i) sum += x[i] * x[i];
  for (; i < x.size(); ++i) sum = std::fma(x[i], x[i], sum);
  return std::sqrt(sum);
}

float TorchSum(std::span<const float> x) {
  return SumInRows<1>(x);
}

float TorchSumOfLow(std::span<const float> x) {
  return SumInRows<2>(x);
}

}  // namespace malmoi::optim
