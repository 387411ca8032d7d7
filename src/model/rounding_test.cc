// Goal: weights rounded for sampled inputs are what packing makes of them anyway, and change the
// sampled means far less than the nearest integers do; Smooth changes no product.
// Method: sums in double over random weights and inputs that have a mean in common.
#include "model/rounding.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <vector>

using namespace malmoi;

namespace {

constexpr std::size_t kRows = 37, kInputs = 96, kTexts = 5;

struct Case {
  std::vector<float> w = std::vector<float>(kRows * kInputs);
  model::InputSamples inputs;

  explicit Case(unsigned seed) {
    std::mt19937 rng(seed);
    std::normal_distribution<float> normal;
    for (float& v : w) v = normal(rng);
    inputs = {.count = kTexts,
              .means = Buffer<float>(kTexts * kInputs),
              .spread = Buffer<float>(kInputs),
              .most = Buffer<float>(kInputs),
              .smooth = true};
    for (std::size_t j = 0; j < kInputs; ++j) {
      const float shared = normal(rng), size = std::exp(normal(rng));
      for (std::size_t t = 0; t < kTexts; ++t) {
        inputs.means[t * kInputs + j] = size * (shared + 0.2f * normal(rng));
      }
      inputs.spread[j] = 0.3f * size * size;
      inputs.most[j] = 4 * size;
    }
  }
};

float Scale(const float* row) {
  float most = 0;
  for (std::size_t j = 0; j < kInputs; ++j) most = std::max(most, std::fabs(row[j]));
  return most / 127;
}

std::vector<float> Nearest(const std::vector<float>& w) {
  std::vector<float> out = w;
  for (std::size_t row = 0; row < kRows; ++row) {
    const float scale = Scale(&w[row * kInputs]);
    for (std::size_t j = row * kInputs; j < (row + 1) * kInputs; ++j) {
      out[j] = scale * std::nearbyint(w[j] / scale);
    }
  }
  return out;
}

// Sum over rows and texts of the squared change of the product.
double Change(const Case& c, const std::vector<float>& w) {
  double sum = 0;
  for (std::size_t t = 0; t < kTexts; ++t) {
    for (std::size_t row = 0; row < kRows; ++row) {
      double change = 0;
      for (std::size_t j = 0; j < kInputs; ++j) {
        change += (static_cast<double>(w[row * kInputs + j]) - c.w[row * kInputs + j]) *
                  c.inputs.means[t * kInputs + j];
      }
      sum += change * change;
    }
  }
  return sum;
}

}  // namespace

TEST_CASE("RoundForMeans: a tenth of the nearest integers' squared change of sampled means") {
  const Case c(1);
  std::vector<float> w = c.w;
  model::RoundForMeans(c.inputs, {}, w, kRows, kInputs);
  CHECK(Change(c, w) < 0.1 * Change(c, Nearest(c.w)));
}

TEST_CASE("RoundForMeans: packing finds the same integers, and no value goes far") {
  const Case c(2);
  std::vector<float> w = c.w;
  model::RoundForMeans(c.inputs, {}, w, kRows, kInputs);
  for (std::size_t row = 0; row < kRows; ++row) {
    const float scale = Scale(&c.w[row * kInputs]);
    REQUIRE(Scale(&w[row * kInputs]) == doctest::Approx(scale).epsilon(1e-6));
    for (std::size_t j = row * kInputs; j < (row + 1) * kInputs; ++j) {
      const float q = w[j] / scale;
      CHECK(std::fabs(q - std::nearbyint(q)) < 1e-4f);
      CHECK(std::fabs(w[j] - c.w[j]) < 4 * scale);
    }
  }
}

TEST_CASE("RoundForMeans: a row does not depend on its neighbours") {
  const Case c(3);
  std::vector<float> all = c.w;
  model::RoundForMeans(c.inputs, {}, all, kRows, kInputs);
  for (std::size_t row = 0; row < kRows; ++row) {
    std::vector<float> alone(&c.w[row * kInputs], &c.w[row * kInputs] + kInputs);
    model::RoundForMeans(c.inputs, {}, alone, 1, kInputs);
    CHECK(std::memcmp(alone.data(), &all[row * kInputs], kInputs * sizeof(float)) == 0);
  }
}

TEST_CASE("Rounding: without samples weights stay; rows and inputs of zeros stay zero") {
  Case c(4);
  std::vector<float> w = c.w;
  CHECK(model::Smooth({}, w, kRows, kInputs).empty());
  model::RoundForMeans({}, {}, w, kRows, kInputs);
  CHECK(w == c.w);
  std::fill_n(w.begin(), kInputs, 0.0f);
  for (std::size_t t = 0; t < kTexts; ++t) c.inputs.means[t * kInputs + 7] = 0;
  c.inputs.most[7] = c.inputs.spread[7] = 0;
  const Buffer<float> factors = model::Smooth(c.inputs, w, kRows, kInputs);
  model::RoundForMeans(c.inputs, factors, w, kRows, kInputs);
  CHECK(std::all_of(w.begin(), w.begin() + kInputs, [](float v) { return v == 0; }));
  CHECK(std::all_of(w.begin(), w.end(), [](float v) { return std::isfinite(v); }));
  CHECK(std::all_of(factors.data(), factors.data() + kInputs,
                    [](float v) { return std::isfinite(v) && v > 0; }));
}

TEST_CASE("Smooth: factors undo what the weights are multiplied by, and even out sizes") {
  const Case c(5);
  std::vector<float> w = c.w;
  const Buffer<float> factors = model::Smooth(c.inputs, w, kRows, kInputs);
  REQUIRE(factors.size() == kInputs);
  std::vector<float> ratio;  // Of an input's size and its weights'.
  for (std::size_t j = 0; j < kInputs; ++j) {
    float most = 0;
    for (std::size_t row = 0; row < kRows; ++row) {
      const std::size_t at = row * kInputs + j;
      CHECK(w[at] * factors[j] == doctest::Approx(c.w[at]).epsilon(1e-5));
      most = std::max(most, std::fabs(w[at]));
    }
    ratio.push_back(c.inputs.most[j] * factors[j] / most);
  }
  const auto [least, greatest] = std::minmax_element(ratio.begin(), ratio.end());
  CHECK(*greatest < 1.01f * *least);
}
