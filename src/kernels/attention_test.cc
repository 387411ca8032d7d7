// Goal: attention with windows, causal or not, and with biases is softmax(scale Q K^T + bias) V
// over the keys that a query may see, at every CPU level, across the borders of query blocks.
// Method: a reference in double, one query at a time.
#include "kernels/attention.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "os/cpu_info.h"

using namespace malmoi;

namespace {

constexpr std::size_t kDim = 20;

class Checkered final : public kernels::ScoreBias {
 public:
  static float At(std::size_t i, std::size_t j) { return (i * 7 + j * 3) % 5 * 0.3f; }
  void Add(std::size_t row, std::size_t rows, std::size_t key, std::size_t keys, float* scores,
           std::size_t ld) const override {
    for (std::size_t r = 0; r < rows; ++r) {
      for (std::size_t j = 0; j < keys; ++j) scores[r * ld + j] += At(row + r, key + j);
    }
  }
};

struct Case {
  std::size_t tokens, before, after;
  bool distance, checkered;
};

std::vector<double> Reference(const Case& c, const std::vector<float>& qkv, float scale) {
  std::vector<double> out(c.tokens * kDim);
  for (std::size_t i = 0; i < c.tokens; ++i) {
    std::vector<double> p(c.tokens);
    double sum = 0;
    for (std::size_t j = 0; j < c.tokens; ++j) {
      if ((j < i && i - j > c.before) || (j > i && j - i > c.after)) continue;
      double score = 0;
      for (std::size_t d = 0; d < kDim; ++d) {
        score += static_cast<double>(qkv[i * 3 * kDim + d]) * qkv[j * 3 * kDim + kDim + d];
      }
      score *= scale;
      if (c.distance) score -= 0.1 * std::fabs(static_cast<double>(i) - static_cast<double>(j));
      if (c.checkered) score += Checkered::At(i, j);
      p[j] = std::exp(score);
      sum += p[j];
    }
    for (std::size_t j = 0; j < c.tokens; ++j) {
      for (std::size_t d = 0; d < kDim; ++d) {
        out[i * kDim + d] += p[j] / sum * qkv[j * 3 * kDim + 2 * kDim + d];
      }
    }
  }
  return out;
}

void Check(const Case& c, os::CpuLevel level) {
  CAPTURE(c.tokens);
  CAPTURE(c.before);
  CAPTURE(c.after);
  std::mt19937 rng(static_cast<unsigned>(c.tokens));
  std::normal_distribution<float> normal;
  std::vector<float> qkv(c.tokens * 3 * kDim);
  for (float& v : qkv) v = normal(rng);
  std::vector<float> distance(2 * c.tokens - 1);
  for (std::size_t i = 0; i < distance.size(); ++i) {
    distance[i] = -0.1f * std::fabs(static_cast<float>(i) - static_cast<float>(c.tokens - 1));
  }
  const Checkered checkered;
  std::vector<float> out(c.tokens * kDim);
  std::vector<float> scratch(kernels::AttentionScratch(c.tokens, kDim));
  const float scale = 1 / std::sqrt(static_cast<float>(kDim));
  kernels::Attention(level,
                     {.q = qkv.data(),
                      .k = qkv.data() + kDim,
                      .v = qkv.data() + 2 * kDim,
                      .ld = 3 * kDim,
                      .tokens = c.tokens,
                      .head_dim = kDim,
                      .scale = scale,
                      .out = out.data(),
                      .ldo = kDim,
                      .before = c.before,
                      .after = c.after,
                      .by_distance = c.distance ? distance.data() + c.tokens - 1 : nullptr,
                      .bias = c.checkered ? &checkered : nullptr},
                     scratch.data());
  const std::vector<double> want = Reference(c, qkv, scale);
  double worst = 0;
  for (std::size_t i = 0; i < out.size(); ++i) worst = std::max(worst, std::fabs(out[i] - want[i]));
  CHECK(worst < 2e-6);
}

}  // namespace

TEST_CASE("attention over windows and with biases equals the reference") {
  constexpr std::size_t all = kernels::kAllTokens;
  for (const os::CpuLevel level : os::AvailableCpuLevels()) {
    CAPTURE(std::string(os::CpuLevelName(level)));
    for (const std::size_t tokens : {1u, 2u, 31u, 48u, 49u, 97u, 150u}) {
      Check({tokens, all, all, false, false}, level);
      Check({tokens, all, 0, false, false}, level);
      Check({tokens, 5, 0, true, false}, level);
      Check({tokens, 4, 4, false, true}, level);
      Check({tokens, 60, 60, true, true}, level);
      Check({tokens, 0, 3, false, false}, level);
      Check({tokens, all, 7, true, false}, level);
    }
  }
}
