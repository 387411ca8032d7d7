// Goal: every level computes distances of f32, f16 and byte rows for every tail, all the same bits.
// Method: each level that the machine has against a plain sum in double (f32, relative error) or
// integers (bytes), and against the scalar level's bits.
#include "kernels/distance.h"

#include <doctest/doctest.h>

#include <cmath>
#include <random>
#include <vector>

#include "os/cpu_info.h"

using namespace malmoi;

namespace {

struct RestoreLevel {
  ~RestoreLevel() { os::SetCpuLevelForTest(level); }
  os::CpuLevel level = os::ActiveCpuLevel();
};

}  // namespace

TEST_CASE("distances of floats and halves on every level and tail") {
  const RestoreLevel restore;
  std::mt19937 random(1);
  std::uniform_real_distribution<float> uniform(-2, 2);
  for (const std::size_t dim : {1, 2, 7, 8, 15, 16, 17, 31, 33, 100, 384}) {
    CAPTURE(dim);
    constexpr std::size_t kRows = 5;
    std::vector<float> rows(kRows * dim), query(dim);
    for (float& x : rows) x = uniform(random);
    for (float& x : query) x = uniform(random);
    std::vector<float> first_squared, first_absolute;
    for (const auto level : os::AvailableCpuLevels()) {
      os::SetCpuLevelForTest(level);
      std::vector<float> squared(kRows), absolute(kRows);
      kernels::SquaredDistanceRows(rows.data(), query, squared);
      kernels::AbsoluteDistanceRows(rows.data(), query, absolute);
      for (std::size_t r = 0; r < kRows; ++r) {
        double s = 0, a = 0;
        for (std::size_t i = 0; i < dim; ++i) {
          const double d = static_cast<double>(rows[r * dim + i]) - query[i];
          s += d * d;
          a += std::abs(d);
        }
        CHECK(squared[r] == doctest::Approx(s).epsilon(1e-5));
        CHECK(absolute[r] == doctest::Approx(a).epsilon(1e-5));
      }
      if (first_squared.empty()) {
        first_squared = squared;
        first_absolute = absolute;
      }
      CHECK(squared == first_squared);
      CHECK(absolute == first_absolute);
    }
  }
}

TEST_CASE("all halves become the floats that they are, on every level") {
  const RestoreLevel restore;
  std::vector<std::uint16_t> halves(65536);
  for (std::size_t i = 0; i < halves.size(); ++i) halves[i] = static_cast<std::uint16_t>(i);
  for (const auto level : os::AvailableCpuLevels()) {
    os::SetCpuLevelForTest(level);
    std::vector<float> out(halves.size());
    kernels::HalfToFloat(halves.data(), out);
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < out.size(); ++i) {
      const int exponent = static_cast<int>(i >> 10 & 31);
      const double fraction = static_cast<double>(i & 1023) / 1024;
      const double sign = (i & 0x8000) != 0 ? -1 : 1;
      if (exponent == 31) {
        wrong += std::isfinite(out[i]) ? 1 : 0;
        continue;
      }
      const double value =
          exponent == 0 ? std::ldexp(fraction, -14) : std::ldexp(1 + fraction, exponent - 15);
      wrong += out[i] == static_cast<float>(sign * value) ? 0 : 1;
    }
    CHECK(wrong == 0);
  }
}

TEST_CASE("sums of bytes are exact on every level, at the largest size too") {
  const RestoreLevel restore;
  std::mt19937 random(2);
  for (const std::size_t n : {0, 1, 15, 16, 17, 31, 32, 33, 63, 384, 4099, 65536}) {
    CAPTURE(n);
    std::vector<std::uint8_t> a(n), b(n);
    for (auto& x : a) x = static_cast<std::uint8_t>(n == 65536 ? 255 : random());
    for (auto& x : b) x = static_cast<std::uint8_t>(n == 65536 ? 0 : random());
    std::uint64_t dot = 0, squares = 0, squared = 0, absolute = 0;
    for (std::size_t i = 0; i < n; ++i) {
      const int d = a[i] - b[i];
      dot += static_cast<std::uint64_t>(a[i]) * b[i];
      squares += static_cast<std::uint64_t>(a[i]) * a[i];
      squared += static_cast<std::uint64_t>(d * d);
      absolute += static_cast<std::uint64_t>(std::abs(d));
    }
    for (const auto level : os::AvailableCpuLevels()) {
      os::SetCpuLevelForTest(level);
      const auto sums = kernels::SumBytes(a.data(), b.data(), n);
      CHECK(sums.dot == dot);
      CHECK(sums.row_squares == squares);
      CHECK(sums.squared_distance == squared);
      CHECK(sums.absolute_distance == absolute);
    }
  }
}
