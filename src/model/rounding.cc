#include "model/rounding.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/check.h"

namespace malmoi::model {
namespace {

// Rows that are rounded side by side: a value waits for the one before it, rows do not.
constexpr std::size_t kRows = 16;
// How much more a text's mean counts than by its share of the squares: the mean over tokens takes
// of the rest what is not alike in them. 1, 3 and 10 gave the same within a few per cent.
constexpr double kWeightOfMeans = 3;
constexpr float kMost = 127;

// What a value's rounding has to know of those that follow. For each input j of k and sampled mean
// i: mean[j][i], times the root of its weight, and answer[j][i], by how much w[j] is moved for an
// error of 1 along i so far, where those that follow are moved too.
struct Plan {
  std::size_t count = 0;
  std::vector<float> mean, answer;
};

// The least of spread sum d^2 + |e + sum d_j u_j|^2 over d_j for j >= first has
// d_j = -u_j M e / spread with M = (1 + sum u_j u_j^T / spread)^-1 over the same j: M is had from
// the last input on, by Sherman and Morrison's formula.
Plan PlanFor(const InputSamples& inputs, const Buffer<float>& factors, std::size_t k) {
  const std::size_t count = inputs.count;
  Plan plan{.count = count,
            .mean = std::vector<float>(k * count),
            .answer = std::vector<float>(k * count)};
  const double weight = std::sqrt(kWeightOfMeans / static_cast<double>(count));
  const auto factor = [&](std::size_t j) { return factors.empty() ? 1.0 : factors[j]; };
  double spread = 1e-12;
  for (std::size_t j = 0; j < k; ++j) {
    spread += inputs.spread[j] * factor(j) * factor(j) / static_cast<double>(k);
  }
  std::vector<double> m(count * count), u(count), mu(count);
  for (std::size_t i = 0; i < count; ++i) m[i * count + i] = 1;
  for (std::size_t j = k; j-- > 0;) {
    for (std::size_t i = 0; i < count; ++i) u[i] = weight * factor(j) * inputs.means[i * k + j];
    double below = spread;
    for (std::size_t i = 0; i < count; ++i) {
      mu[i] = 0;
      for (std::size_t l = 0; l < count; ++l) mu[i] += m[i * count + l] * u[l];
      below += u[i] * mu[i];
    }
    for (std::size_t i = 0; i < count; ++i) {
      for (std::size_t l = 0; l < count; ++l) m[i * count + l] -= mu[i] * mu[l] / below;
      plan.mean[j * count + i] = static_cast<float>(u[i]);
      plan.answer[j * count + i] = static_cast<float>(mu[i] / below);  // M u / spread, M renewed.
    }
  }
  return plan;
}

// kRows rows of w, one value of each after the other: [k][kRows].
struct Block {
  std::vector<float> values;
  float scale[kRows], inverse[kRows];
  std::size_t greatest[kRows];  // Where the row's greatest magnitude is.
};

void ReadBlock(std::span<const float> w, std::size_t k, std::size_t row, std::size_t rows,
               Block* block) {
  std::fill(block->values.begin(), block->values.end(), 0.0f);
  for (std::size_t r = 0; r < kRows; ++r) {
    block->greatest[r] = k;
    block->scale[r] = block->inverse[r] = 0;
    if (r >= rows) continue;
    const float* from = w.data() + (row + r) * k;
    for (std::size_t j = 0; j < k; ++j) block->values[j * kRows + r] = from[j];
    const float* most = std::max_element(
        from, from + k, [](float a, float b) { return std::fabs(a) < std::fabs(b); });
    block->greatest[r] = static_cast<std::size_t>(most - from);
    block->scale[r] = std::fabs(*most) / kMost;
    block->inverse[r] = block->scale[r] > 0 ? 1 / block->scale[r] : 0;
  }
}

// Rounds a block in place.
void RoundBlock(const Plan& plan, std::size_t k, Block* block, std::vector<float>* errors) {
  std::fill(errors->begin(), errors->end(), 0.0f);
  float* error = errors->data();  // [count][kRows]
  for (std::size_t j = 0; j < k; ++j) {
    float* value = block->values.data() + j * kRows;
    const float *mean = plan.mean.data() + j * plan.count,
                *answer = plan.answer.data() + j * plan.count;
    float wanted[kRows], moved[kRows];
    std::copy_n(value, kRows, wanted);
    for (std::size_t i = 0; i < plan.count; ++i) {
      for (std::size_t r = 0; r < kRows; ++r) wanted[r] -= answer[i] * error[i * kRows + r];
    }
    for (std::size_t r = 0; r < kRows; ++r) {
      float q = (j == block->greatest[r] ? value[r] : wanted[r]) * block->inverse[r];
      q = q > kMost ? kMost : q;
      q = q >= -kMost ? q : -kMost;
      q = (q + 12582912.0f) - 12582912.0f;  // To the nearest integer: 1.5 * 2^23.
      const float rounded = q * block->scale[r];
      moved[r] = rounded - value[r];
      value[r] = rounded;
    }
    for (std::size_t i = 0; i < plan.count; ++i) {
      for (std::size_t r = 0; r < kRows; ++r) error[i * kRows + r] += mean[i] * moved[r];
    }
  }
}

}  // namespace

Buffer<float> Smooth(const InputSamples& inputs, std::span<float> w, std::size_t n, std::size_t k) {
  if (inputs.empty() || !inputs.smooth) return {};
  MALMOI_CHECK(inputs.most.size() == k);
  constexpr float kLeast = 1e-5f;  // An input or a column of zeros is left about where it is.
  std::vector<float> weights(k, kLeast);
  for (std::size_t row = 0; row < n; ++row) {
    for (std::size_t j = 0; j < k; ++j) {
      weights[j] = std::max(weights[j], std::fabs(w[row * k + j]));
    }
  }
  Buffer<float> factors(k);
  double logarithms = 0;
  for (std::size_t j = 0; j < k; ++j) {
    factors[j] = std::sqrt(weights[j] / std::max(inputs.most[j], kLeast));
    logarithms += std::log(static_cast<double>(factors[j]));
  }
  const auto mean = static_cast<float>(std::exp(logarithms / static_cast<double>(k)));
  std::vector<float> inverse(k);
  for (std::size_t j = 0; j < k; ++j) {
    factors[j] /= mean;
    inverse[j] = 1 / factors[j];
  }
  for (std::size_t row = 0; row < n; ++row) {
    for (std::size_t j = 0; j < k; ++j) w[row * k + j] *= inverse[j];
  }
  return factors;
}

void RoundForMeans(const InputSamples& inputs, const Buffer<float>& factors, std::span<float> w,
                   std::size_t n, std::size_t k) {
  if (inputs.empty() || n == 0 || k == 0) return;
  MALMOI_CHECK(inputs.spread.size() == k && inputs.means.size() >= inputs.count * k);
  const Plan plan = PlanFor(inputs, factors, k);
  Block block{.values = std::vector<float>(k * kRows), .scale = {}, .inverse = {}, .greatest = {}};
  std::vector<float> errors(plan.count * kRows);
  for (std::size_t row = 0; row < n; row += kRows) {
    const std::size_t rows = std::min(kRows, n - row);
    ReadBlock(w, k, row, rows, &block);
    RoundBlock(plan, k, &block, &errors);
    for (std::size_t r = 0; r < rows; ++r) {
      float* to = w.data() + (row + r) * k;
      for (std::size_t j = 0; j < k; ++j) to[j] = block.values[j * kRows + r];
    }
  }
}

}  // namespace malmoi::model
