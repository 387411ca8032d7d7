// Goal: every level computes the documented functions, with the same bits, for every tail length.
// Method: all lengths around the lane counts against double-precision loops; memcmp between levels;
// a level that did not run fails the test.
#include "kernels/vector.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

using namespace malmoi;

namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// Runs f at every available level and restores the one before.
template <class F>
void AtEveryLevel(F f) {
  for (const os::CpuLevel level : os::AvailableCpuLevels()) {
    const os::CpuLevel before = os::SetCpuLevelForTest(level);
    CAPTURE(std::string(os::CpuLevelName(level)));
    REQUIRE(kernels::VectorLevel() == os::BaseCpuLevel(level));
    f();
    os::SetCpuLevelForTest(before);
  }
}

std::vector<float> Random(std::size_t n, unsigned seed, float scale = 1) {
  std::mt19937 rng(seed);
  std::normal_distribution<float> normal(0, scale);
  std::vector<float> out(n);
  for (float& x : out) x = normal(rng);
  return out;
}

// Calls f(copy of x) at every level; all must leave the same bits. Returns them.
template <class F>
std::vector<float> SameBits(const std::vector<float>& x, F f) {
  std::vector<float> first;
  AtEveryLevel([&] {
    std::vector<float> y = x;
    f(y);
    if (first.empty()) first = y;
    CHECK(std::memcmp(first.data(), y.data(), y.size() * sizeof(float)) == 0);
  });
  return first;
}

const std::vector<std::size_t> kLengths = {1,  2,  3,  7,  8,  9,  15, 16,  17,  23,  24,
                                           25, 31, 32, 33, 47, 48, 63, 100, 384, 511, 1024};

}  // namespace

TEST_CASE("Dot and DotRows: close to double, equal bits at all levels and alignments") {
  for (const std::size_t n : kLengths) {
    CAPTURE(n);
    const auto a = Random(n * 7 + 3, 1);
    const auto q = Random(n, 2);
    SameBits(std::vector<float>(7), [&](std::vector<float>& out) {
      kernels::DotRows(a.data() + 1, n, q, out);
      for (std::size_t r = 0; r < out.size(); ++r) {
        const std::span<const float> row(a.data() + 1 + r * n, n);
        double want = 0, size = 0;
        for (std::size_t i = 0; i < n; ++i) {
          want += static_cast<double>(row[i]) * q[i];
          size += std::fabs(static_cast<double>(row[i]) * q[i]);
        }
        CHECK(std::fabs(out[r] - want) <= 6e-8 * size * (static_cast<double>(n) / 16 + 5));
        CHECK(out[r] == kernels::Dot(row, q));
      }
    });
  }
  CHECK(kernels::Dot({}, {}) == 0);
}

TEST_CASE("Dot: huge, tiny and cancelling terms have the same bits at all levels") {
  std::mt19937 rng(7);
  std::uniform_int_distribution<std::uint32_t> bits;
  for (int round = 0; round < 2000; ++round) {
    std::vector<float> a(48), b(48);
    for (std::size_t i = 0; i < a.size(); ++i) {
      const std::uint32_t x = (bits(rng) & 0xbfffffffu) | 0x08000000u;
      const std::uint32_t y = (bits(rng) & 0xbfffffffu) | 0x08000000u;
      std::memcpy(&a[i], &x, 4);
      std::memcpy(&b[i], &y, 4);
    }
    SameBits({0}, [&](std::vector<float>& out) { out[0] = kernels::Dot(a, b); });
  }
}

TEST_CASE("NormalizeL2: unit length; zero stays zero") {
  for (const std::size_t n : kLengths) {
    const auto y = SameBits(Random(n, 3), [](std::vector<float>& x) { kernels::NormalizeL2(x); });
    double sum = 0;
    for (const float v : y) sum += static_cast<double>(v) * v;
    CHECK(std::fabs(sum - 1) < 1e-6);
  }
  std::vector<float> zero(5);
  kernels::NormalizeL2(zero);
  CHECK(std::count(zero.begin(), zero.end(), 0.0f) == 5);
}

TEST_CASE("LayerNorm equals the definition") {
  for (const std::size_t n : kLengths) {
    CAPTURE(n);
    const auto x = Random(3 * n, 4, 5);
    const auto gamma = Random(n, 5);
    const auto beta = Random(n, 6);
    const auto y = SameBits(x, [&](std::vector<float>& v) {
      kernels::LayerNorm(v.data(), v.data(), 3, n, gamma.data(), beta.data(), 1e-5f);
    });
    for (std::size_t r = 0; r < 3; ++r) {
      double mean = 0, variance = 0;
      for (std::size_t i = 0; i < n; ++i) mean += x[r * n + i];
      mean /= static_cast<double>(n);
      for (std::size_t i = 0; i < n; ++i) variance += std::pow(x[r * n + i] - mean, 2);
      variance /= static_cast<double>(n);
      for (std::size_t i = 0; i < n; ++i) {
        const double want = (x[r * n + i] - mean) / std::sqrt(variance + 1e-5) * gamma[i] + beta[i];
        CHECK(std::fabs(y[r * n + i] - want) < 2e-5);
      }
    }
  }
}

TEST_CASE("Softmax: equals the definition, sums to one, survives large scores") {
  for (const std::size_t n : kLengths) {
    CAPTURE(n);
    for (const float spread : {1.0f, 30.0f, 1e4f}) {
      const auto x = Random(n, 8, spread);
      const auto y = SameBits(x, [](std::vector<float>& v) { kernels::Softmax(v, 0.25f); });
      double sum = 0;
      const double top = *std::max_element(x.begin(), x.end());
      for (const float v : x) sum += std::exp(0.25 * (v - top));
      for (std::size_t i = 0; i < n; ++i) {
        const double want = std::exp(0.25 * (x[i] - top)) / sum;
        CHECK(std::fabs(y[i] - want) <= 1e-6 * want * std::max(1.0f, spread / 8) + 1e-37);
      }
    }
  }
}

TEST_CASE("Gelu and GeluTanh: error bounds over the whole range") {
  std::vector<float> x;
  for (float v = -12; v <= 12; v += 0.00037f) x.push_back(v);
  x.insert(x.end(), {0.0f, -0.0f, 1e-30f, -1e-30f, 1e20f, -1e20f});
  const auto y = SameBits(x, [](std::vector<float>& v) { kernels::Gelu(v); });
  const auto z = SameBits(x, [](std::vector<float>& v) { kernels::GeluTanh(v); });
  double worst = 0, worst_tanh = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double v = x[i];
    const double want = 0.5 * v * std::erfc(-v / std::sqrt(2.0));
    const double u = std::sqrt(2 / 3.14159265358979323846) * (v + 0.044715 * v * v * v);
    const double want_tanh = 0.5 * v * (1 + std::tanh(u));
    const double ulp = std::max(1.0, std::fabs(v) / 8);
    worst = std::max(worst, std::fabs(y[i] - want) / ulp);
    worst_tanh = std::max(worst_tanh, std::fabs(z[i] - want_tanh) / ulp);
  }
  CAPTURE(worst);
  CAPTURE(worst_tanh);
  CHECK(worst < 5e-7);
  CHECK(worst_tanh < 2e-6);
}

TEST_CASE("NaN comes out where it went in") {
  AtEveryLevel([] {
    for (const std::size_t at : {0u, 15u, 16u, 18u}) {
      std::vector<float> x = Random(19, 9);
      x[at] = kNan;
      const std::vector<float> ones(19, 1.0f);
      CHECK(std::isnan(kernels::Dot(x, ones)));
      auto gelu = x;
      kernels::Gelu(gelu);
      for (std::size_t i = 0; i < x.size(); ++i) CHECK(std::isnan(gelu[i]) == (i == at));
      auto tanh = x;
      kernels::GeluTanh(tanh);
      CHECK(std::isnan(tanh[at]));
      auto soft = x;
      kernels::Softmax(soft, 1);
      CHECK(std::all_of(soft.begin(), soft.end(), [](float v) { return std::isnan(v); }));
      auto norm = x;
      kernels::LayerNorm(x.data(), norm.data(), 1, 19, ones.data(), ones.data(), 1e-5f);
      CHECK(std::all_of(norm.begin(), norm.end(), [](float v) { return std::isnan(v); }));
    }
  });
}

TEST_CASE("TopK: order, ties by index, NaN last, k beyond the size") {
  const std::vector<float> s = {1, 5, kNan, 5, -INFINITY, 7};
  CHECK(kernels::TopK(s, 10) == std::vector<std::uint32_t>{5, 1, 3, 0, 4, 2});
  CHECK(kernels::TopK(s, 2) == std::vector<std::uint32_t>{5, 1});
  CHECK(kernels::TopK(s, 0).empty());
  CHECK(kernels::TopK({}, 3).empty());
  std::mt19937 rng(10);
  std::vector<float> many(5000);
  for (float& v : many) v = static_cast<float>(rng() % 100);
  std::vector<std::uint32_t> order(many.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<std::uint32_t>(i);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::uint32_t a, std::uint32_t b) { return many[a] > many[b]; });
  order.resize(777);
  CHECK(kernels::TopK(many, 777) == order);
}
