// Goal: products and norms of low precision have torch's bits, and singular vectors torch's signs
// (LAPACK's own choice of way gives others for three of the four shapes).
// Method: inputs made by a formula that Python can repeat; a hash of all bits of torch 2.15's
// results for them (CPU, AVX-512), at inputs where a sum in another order rounds differently.
#include "optim/matrix/torch_order.h"

#include <doctest/doctest.h>

#include <bit>
#include <cstdint>
#include <string>

namespace malmoi::optim::matrix {
namespace {

Matrix<float> Made(std::size_t rows, std::size_t cols, std::uint64_t seed, Precision precision) {
  Matrix<float> out(rows, cols);
  for (std::uint64_t i = 0; i < out.size(); ++i) {
    std::uint64_t x = ((i + seed * 7919) * 2654435761U + 12345) % (std::uint64_t{1} << 32);
    x = (x * 40503 + (x >> 7)) % (1U << 24);
    out.data[i] = RoundTo(precision, static_cast<float>(x) / static_cast<float>(1U << 23) - 1.0F);
  }
  return out;
}

// An f16 number's bits; those of results here are normal numbers or zero.
std::uint64_t HalfBits(float x) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  const std::uint32_t sign = bits >> 31 << 15;
  if ((bits & 0x7fffffffU) == 0) return sign;
  return sign | ((((bits >> 23) & 0xffU) - 112) << 10) | ((bits >> 13) & 0x3ffU);
}

std::uint64_t Hash(const Matrix<float>& a) {
  std::uint64_t hash = 0;
  for (const float x : a.data)
    hash = (hash * 1000003 + HalfBits(x)) & ((std::uint64_t{1} << 61) - 1);
  return hash;
}

Matrix<float> Product(const Matrix<float>& a, const Matrix<float>& b) {
  Matrix<float> c(a.rows, b.cols);
  LowProduct(Precision::kF16, 1.0, a, b, 0.0, &c);
  return c;
}

TEST_CASE("f16 products and Gram matrices have torch's bits") {
  const auto f16 = Precision::kF16;
  CHECK(Hash(Product(Made(7, 80, 2, f16), Made(80, 7, 52, f16))) == 350676484047268221U);
  CHECK(Hash(Product(Made(20, 30, 2, f16), Made(30, 20, 52, f16))) == 2299448569377713738U);
  CHECK(Hash(LowGram(f16, Made(7, 80, 2, f16))) == 1083854519248841801U);
  CHECK(Hash(LowGram(f16, Made(20, 30, 2, f16))) == 1408273620545633747U);
  CHECK(Hash(LowGram(f16, Made(9, 48, 129, f16))) == 2282571225749393154U);
}

TEST_CASE("bf16 products in pairs: the odd one first") {
  // 2^24 + 1 is no f32: what is added first decides.
  Matrix<float> a(1, 4098), b(4098, 1);
  a(0, 0) = 1, b(0, 0) = 1.0F;
  a(0, 1) = 1, b(1, 0) = 16777216.0F;
  a(0, 2) = 1, b(2, 0) = 1.0F;
  a(0, 3) = 1, b(3, 0) = -16777216.0F;
  Matrix<float> c(1, 1);
  LowProduct(Precision::kBf16, 1.0, a, b, 0.0, &c);
  CHECK(c(0, 0) == 1.0F);  // ((2^24 + 1) - 2^24) + 1, with 2^24 + 1 rounded to 2^24.
}

TEST_CASE("the norm has torch's bits") {
  const Matrix<float> x = Made(9, 21, 5, Precision::kF32);
  CHECK(NormF32(x.data) == 0x1.fc62a00000000p+2F);
  CHECK(static_cast<float>(FrobeniusNorm<float>(x.data)) == 0x1.fc62a20000000p+2F);
}

TEST_CASE("singular vectors have torch's signs whatever the shape") {
  struct {
    std::size_t rows, cols;
    const char* first_row;
  } const cases[] = {
      {9, 20, "+-++++-+-"}, {12, 8, "+-++++--"}, {10, 9, "+--++++-+"}, {6, 11, "+-+--+"}};
  for (const auto& c : cases) {
    CAPTURE(c.rows);
    Matrix<float> a(c.rows, c.cols);
    for (std::size_t i = 0; i < a.size(); ++i) {
      const auto residue = static_cast<double>((i * i * 37 + i * 101 + 3 * 977) % 2039);
      a.data[i] = static_cast<float>((residue - 1019) / 512);
    }
    const auto svd = SingularValues(a);
    REQUIRE(svd.ok());
    std::string signs;
    for (std::size_t j = 0; j < svd.value().u.cols; ++j)
      signs += svd.value().u(0, j) > 0 ? '+' : '-';
    CHECK(signs == c.first_row);
    // And they are the decomposition.
    for (std::size_t i = 0; i < a.rows; ++i)
      for (std::size_t j = 0; j < a.cols; ++j) {
        double sum = 0;
        for (std::size_t k = 0; k < svd.value().values.size(); ++k)
          sum += static_cast<double>(svd.value().u(i, k) * svd.value().values[k]) *
                 static_cast<double>(svd.value().vt(k, j));
        CHECK(sum == doctest::Approx(static_cast<double>(a(i, j))).epsilon(1e-4).scale(1.0));
      }
  }
}

}  // namespace
}  // namespace malmoi::optim::matrix
