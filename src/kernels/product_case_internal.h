#pragma once

// What the tests of products share.
#include <doctest/doctest.h>

#include <cstddef>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "os/cpu_info.h"

namespace malmoi::kernels {

inline std::vector<float> Random(std::size_t n, unsigned seed) {
  std::mt19937 rng(seed);
  std::normal_distribution<float> normal(0, 1);
  std::vector<float> out(n);
  for (float& x : out) x = normal(rng);
  return out;
}

inline bool SameBits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

// f(level) at each level of this machine, made active for it.
template <class F>
void AtEveryLevel(F f) {
  for (const os::CpuLevel level : os::AvailableCpuLevels()) {
    const os::CpuLevel before = os::SetCpuLevelForTest(level);
    CAPTURE(std::string(os::CpuLevelName(level)));
    f(level);
    os::SetCpuLevelForTest(before);
  }
}

// C [m, n] = A [m, k] W^T + bias, or + residual.
struct ProductCase {
  std::size_t m, n, k;
  std::vector<float> a, w, bias, residual;
  ProductCase(std::size_t m_, std::size_t n_, std::size_t k_)
      : m(m_),
        n(n_),
        k(k_),
        a(Random(m * k, 1)),
        w(Random(n * k, 2)),
        bias(Random(n, 3)),
        residual(Random(m * n, 4)) {}
};

}  // namespace malmoi::kernels
