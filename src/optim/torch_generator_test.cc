// Goal: normals in f32 are those of their uniform numbers, whatever the level and the pool.
// Method: f64 draws the same way from other bits, so the formula is repeated here in double from
// the uniform numbers that a second generator of the same seed gives.
#include "optim/torch_generator.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

#include "os/cpu_info.h"
#include "os/thread_pool.h"

namespace malmoi::optim {

namespace {

std::vector<double> Expected(std::uint64_t seed, std::size_t n) {
  TorchGenerator generator(seed);
  std::vector<double> u(n);
  for (double& v : u) v = static_cast<double>(generator.Random() & 0xffffffU) * 0x1p-24;
  for (std::size_t g = 0; g + 16 <= n; g += 16) {
    for (std::size_t j = g; j < g + 8; ++j) {
      const double radius = std::sqrt(-2.0 * std::log(1.0 - u[j]));
      const double angle = 2.0 * std::numbers::pi * u[j + 8];
      u[j] = radius * std::cos(angle), u[j + 8] = radius * std::sin(angle);
    }
  }
  return u;
}

}  // namespace

TEST_CASE("normals are those of Box and Muller, equal at every level and with a pool") {
  constexpr std::size_t kN = 1 << 20;
  const std::vector<double> expected = Expected(5, kN);
  std::vector<float> first;
  os::ThreadPool pool(2, "normals");
  for (const os::CpuLevel level : os::AvailableCpuLevels()) {
    CAPTURE(static_cast<int>(level));
    const os::CpuLevel before = os::SetCpuLevelForTest(level);
    std::vector<float> x(kN), pooled(kN);
    TorchGenerator(5).Normal(x);
    TorchGenerator(5).Normal(pooled, &pool);
    os::SetCpuLevelForTest(before);
    CHECK(x == pooled);
    if (first.empty()) first = x;
    CHECK(x == first);
  }
  double worst = 0;
  for (std::size_t i = 0; i < kN; ++i) {
    worst = std::max(worst, std::fabs(static_cast<double>(first[i]) - expected[i]));
  }
  // The angle is rounded to f32 first, at most 2.4e-7 off, and radii reach 5.8: 1.4e-6, which the C
  // library's functions do not stay below either; the rest is their last places.
  CHECK(worst <= 3e-6);
}

TEST_CASE("normals of a low precision draw no numbers that their tail replaces") {
  // 31 of them: those of one group, of which 15 stay, then those of the next.
  std::vector<float> two(32), low(31);
  TorchGenerator plain(7), other(7);
  plain.Normal(two);
  other.NormalOfLow(low);
  for (std::size_t i = 0; i < 15; ++i) CHECK(low[i] == two[i]);
  for (std::size_t i = 0; i < 16; ++i) CHECK(low[15 + i] == two[16 + i]);
  CHECK(plain.Random() == other.Random());
  // Without a tail, and where there are fewer than a group, they are the same.
  for (const std::size_t n : {7U, 48U}) {
    std::vector<float> a(n), b(n);
    TorchGenerator(3).Normal(a);
    TorchGenerator(3).NormalOfLow(b);
    CHECK(a == b);
  }
}

}  // namespace malmoi::optim
