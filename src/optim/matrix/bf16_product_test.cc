// Goal: bf16 products equal their definition at every processor level and around every block
// border; results that are symmetric are so bit for bit, and are those of the whole work.
// Method: double-precision sums with a bound from the roundings; memcmp.
#include "optim/matrix/bf16_product.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <cstring>

#include "optim/matrix/newton_schulz.h"
#include "os/cpu_info.h"

namespace malmoi::optim::matrix {
namespace {

// bf16 numbers between -1 and 1 without structure.
Matrix<float> Made(std::size_t rows, std::size_t cols, std::uint64_t seed) {
  Matrix<float> out(rows, cols);
  std::uint64_t state = seed * 2 + 1;
  for (float& x : out.data) {
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    x = RoundTo(Precision::kBf16, static_cast<float>(state >> 40) / 8388608.0F - 1.0F);
  }
  return out;
}

bool Same(const Matrix<float>& a, const Matrix<float>& b) {
  return a.rows == b.rows && a.cols == b.cols &&
         (a.size() == 0 || std::memcmp(a.data.data(), b.data.data(), 4 * a.size()) == 0);
}

template <class F>
void AtEveryLevelWithVectors(F f) {
  for (const os::CpuLevel level : os::AvailableCpuLevels()) {
    const os::CpuLevel before = os::SetCpuLevelForTest(level);
    CAPTURE(static_cast<int>(level));
    if (HasBf16Products()) f();
    os::SetCpuLevelForTest(before);
  }
}

void CheckProduct(std::size_t m, std::size_t k, std::size_t n) {
  const Matrix<float> a = Made(m, k, 1), b = Made(k, n, 2), c = Made(m, n, 3);
  Matrix<float> out = c;
  Bf16Product(-0.7, a, b, 1.5, &out);
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < m; ++i)
    for (std::size_t j = 0; j < n; ++j) {
      double sum = 0, size = 1;
      for (std::size_t l = 0; l < k; ++l) {
        const double product = static_cast<double>(a(i, l)) * static_cast<double>(b(l, j));
        sum += product, size += std::fabs(product);
      }
      const double want = 1.5 * static_cast<double>(c(i, j)) - 0.7 * sum;
      // Half a unit of bf16, and the roundings of the sum.
      const double bound = std::fabs(want) / 256 + size * 6e-8 * static_cast<double>(k + 8);
      if (!(std::fabs(static_cast<double>(out(i, j)) - want) <= bound)) ++wrong;
      if (out(i, j) != RoundTo(Precision::kBf16, out(i, j))) ++wrong;
    }
  CHECK(wrong == 0);
}

}  // namespace

TEST_CASE("bf16 products equal their definition around block borders") {
  AtEveryLevelWithVectors([] {
    for (const std::size_t m : {1u, 13u, 96u, 97u, 200u})
      for (const std::size_t n : {1u, 31u, 33u, 130u})
        for (const std::size_t k : {1u, 2u, 17u, 64u}) {
          CAPTURE(m);
          CAPTURE(n);
          CAPTURE(k);
          CheckProduct(m, k, n);
        }
    CheckProduct(0, 3, 5);
    CheckProduct(3, 0, 5);
  });
}

TEST_CASE("symmetric results by half the work have the bits of the whole") {
  AtEveryLevelWithVectors([] {
    for (const std::size_t n : {1u, 31u, 95u, 96u, 97u, 161u, 192u, 290u}) {
      CAPTURE(n);
      const Matrix<float> x = Made(n, 70, 4);
      const Matrix<float> gram = Bf16Gram(x);
      Matrix<float> whole(n, n);
      Bf16Product(1.0, x, Transpose(x), 0.0, &whole);
      CHECK(Same(gram, whole));
      CHECK(Same(gram, Transpose(gram)));
      Matrix<float> half = gram, all = gram;
      Bf16Product(2.0315, gram, gram, -4.775, &half, true);
      Bf16Product(2.0315, gram, gram, -4.775, &all);
      CHECK(Same(half, all));
      CHECK(Same(half, Transpose(half)));
    }
  });
}

TEST_CASE("Newton-Schulz of a large matrix brings the singular values near one") {
  for (const bool tall : {false, true}) {
    const Matrix<float> g = Made(tall ? 210 : 130, tall ? 130 : 210, 5);
    const Matrix<float> x = NewtonSchulz(g, {});
    const auto svd = SingularValues(x);
    REQUIRE(svd.ok());
    CHECK(svd.value().values.front() < 1.35F);
    CHECK(svd.value().values.back() > 0.4F);
  }
}

}  // namespace malmoi::optim::matrix
