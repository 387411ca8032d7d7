// Goal: rotations and short codes are what their contract says, with the same bits on every level.
// Method: each level that the machine has against plain sums and lookups, for every tail.
#include "kernels/rotation.h"

#include <doctest/doctest.h>

#include <bit>
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

TEST_CASE("Walsh-Hadamard on every level is the matrix of signs") {
  const RestoreLevel restore;
  std::mt19937 random(1);
  std::uniform_real_distribution<float> uniform(-2, 2);
  for (std::size_t n = 1; n <= 512; n *= 2) {
    CAPTURE(n);
    std::vector<float> x(n), first;
    for (float& v : x) v = uniform(random);
    for (const auto level : os::AvailableCpuLevels()) {
      os::SetCpuLevelForTest(level);
      std::vector<float> y = x;
      kernels::WalshHadamard(y);
      for (std::size_t r = 0; r < n; ++r) {
        double sum = 0;
        for (std::size_t c = 0; c < n; ++c) sum += std::popcount(r & c) % 2 == 0 ? x[c] : -x[c];
        CHECK(y[r] == doctest::Approx(sum).epsilon(1e-5).scale(10));
      }
      if (first.empty()) first = y;
      CHECK(y == first);
    }
  }
}

TEST_CASE("codes of 4, 8 and 16 bits are the numbers that they stand for, on every level") {
  const RestoreLevel restore;
  std::mt19937 random(2);
  std::normal_distribution<float> normal;
  kernels::Borders borders;
  kernels::Levels levels;
  for (std::size_t i = 0; i < 15; ++i) borders[i] = (static_cast<float>(i) - 7) / 3;
  for (std::size_t i = 0; i < 16; ++i) levels[i] = (static_cast<float>(i) - 7.5f) / 3;
  for (const std::size_t n : {1, 2, 7, 8, 15, 16, 17, 31, 32, 33, 100, 384}) {
    CAPTURE(n);
    std::vector<float> x(n);
    for (float& v : x) v = normal(random);
    x[0] = borders[3] / 2;  // On a border: the level below it.
    std::vector<std::uint8_t> bytes(2 * n);
    for (auto& b : bytes) b = static_cast<std::uint8_t>(random());
    for (const auto level : os::AvailableCpuLevels()) {
      os::SetCpuLevelForTest(level);
      std::vector<std::uint8_t> codes((n + 1) / 2, 0xEE);
      kernels::ToNibbles(x, 2, borders, codes.data());
      std::vector<float> four(n), eight(n), sixteen(n);
      kernels::FromNibbles(codes.data(), levels, 0.5f, four);
      kernels::FromInt8(bytes.data(), 0.25f, eight);
      kernels::FromInt16(bytes.data(), 0.25f, sixteen);
      for (std::size_t i = 0; i < n; ++i) {
        std::size_t below = 0;
        while (below < 15 && borders[below] < x[i] * 2) ++below;
        const std::size_t code = codes[i / 2] >> (4 * (i % 2)) & 15;
        CHECK(code == below);
        CHECK(four[i] == levels[below] * 0.5f);
        CHECK(eight[i] == static_cast<float>(static_cast<std::int8_t>(bytes[i])) / 4);
        const auto word = static_cast<std::uint16_t>(bytes[2 * i] | bytes[2 * i + 1] << 8);
        CHECK(sixteen[i] == static_cast<float>(static_cast<std::int16_t>(word)) / 4);
      }
      if (n % 2 == 1) CHECK(codes.back() < 16);
    }
  }
}
