#include "optim/matrix/torch_order.h"

#include <cmath>
#include <vector>

#include "optim/matrix/bf16_product.h"
#include "optim/torch_norm.h"

namespace malmoi::optim::matrix {
namespace {

// Up to so many multiply-adds a bf16 product takes torch's own loops, beyond it oneDNN's.
constexpr std::size_t kOwnLoops = 16 * 16 * 16;
// Beyond so many multiply-adds the order is not followed.
constexpr std::size_t kFollowed = std::size_t{1} << 20;

// A product of two bf16 or f16 numbers is exact in f32: `s += a * b` rounds once, as an fma does.

// Four partial sums, then one after the other: torch's loop over rows of b.
float FourSums(const Matrix<float>& a, std::size_t row, const Matrix<float>& b,
               std::size_t column) {
  float part[4] = {};
  std::size_t k = 0;
  for (; k + 4 <= a.cols; k += 4)
    for (std::size_t l = 0; l < 4; ++l) part[l] += a(row, k + l) * b(k + l, column);
  for (; k < a.cols; ++k) part[0] += a(row, k) * b(k, column);
  return ((part[0] + part[1]) + part[2]) + part[3];
}

float Halve(float* x, std::size_t n) {
  for (n /= 2; n > 0; n /= 2)
    for (std::size_t i = 0; i < n; ++i) x[i] += x[n + i];
  return x[0];
}

// Its dot product of two rows: eight registers of eight numbers, then one, then a number at a time.
float Dot(const float* a, const float* b, std::size_t n) {
  constexpr std::size_t kLanes = 8, kBlock = 64;
  float wide[kBlock] = {}, narrow[kLanes] = {};
  std::size_t i = 0;
  for (; i + kBlock <= n; i += kBlock)
    for (std::size_t l = 0; l < kBlock; ++l) wide[l] += a[i + l] * b[i + l];
  float sum = Halve(wide, kBlock);
  for (; i + 2 * kLanes <= n; i += 2 * kLanes)
    for (std::size_t l = 0; l < 2 * kLanes; ++l) narrow[l % kLanes] += a[i + l] * b[i + l];
  sum += Halve(narrow, kLanes);
  for (; i < n; ++i) sum += a[i] * b[i];
  return sum;
}

// x^T x of rows x, which torch takes for x x^T of a turned view: one term after the other.
float OneSum(const Matrix<float>& a, std::size_t row, const Matrix<float>& b, std::size_t column) {
  float sum = 0;
  for (std::size_t k = 0; k < a.cols; ++k) sum += a(row, k) * b(k, column);
  return sum;
}

enum class Sums : unsigned char { kFour, kDots, kOne };

// oneDNN's, by the processor's instruction for pairs of bf16: the odd one of a pair first.
void Pairs(const Matrix<float>& a, const Matrix<float>& b, Matrix<float>* out) {
  const std::size_t n = b.cols;
  for (std::size_t i = 0; i < a.rows; ++i) {
    float* c = &out->data[i * n];
    for (std::size_t k = 0; k < a.cols; k += 2) {
      const float* even = &b.data[k * n];
      if (k + 1 < a.cols) {
        const float* odd = even + n;
        for (std::size_t j = 0; j < n; ++j) c[j] += a(i, k + 1) * odd[j];
      }
      for (std::size_t j = 0; j < n; ++j) c[j] += a(i, k) * even[j];
    }
  }
}

// a b in the reference's order; false where it is not followed.
bool Ordered(Precision precision, const Matrix<float>& a, const Matrix<float>& b, Sums sums,
             Matrix<float>* out) {
  const std::size_t size = a.rows * a.cols * b.cols;
  if (precision == Precision::kF32 || size > kFollowed) return false;
  *out = Matrix<float>(a.rows, b.cols);
  if (precision == Precision::kBf16 && size > kOwnLoops) {
    Pairs(a, b, out);
    return true;
  }
  if (sums != Sums::kDots) {
    const auto sum = sums == Sums::kFour ? FourSums : OneSum;
    for (std::size_t i = 0; i < a.rows; ++i)
      for (std::size_t j = 0; j < b.cols; ++j) (*out)(i, j) = sum(a, i, b, j);
    return true;
  }
  const Matrix<float> columns = Transpose(b);
  for (std::size_t i = 0; i < a.rows; ++i)
    for (std::size_t j = 0; j < b.cols; ++j)
      (*out)(i, j) = Dot(&a.data[i * a.cols], &columns.data[j * a.cols], a.cols);
  return true;
}

}  // namespace

void LowProduct(Precision precision, double alpha, const Matrix<float>& a, const Matrix<float>& b,
                double beta, Matrix<float>* c, Layout layout_b, bool symmetric) {
  const auto scale = static_cast<float>(alpha), keep = static_cast<float>(beta);
  Matrix<float> sums;
  const Sums order = layout_b == Layout::kColumns ? Sums::kDots : Sums::kFour;
  if (Ordered(precision, a, b, order, &sums)) {
    for (std::size_t i = 0; i < c->size(); ++i)
      c->data[i] = std::fma(keep, c->data[i], scale * sums.data[i]);
  } else if (precision == Precision::kBf16 && HasBf16Products()) {
    return Bf16Product(alpha, a, b, beta, c, symmetric);
  } else {
    MultiplyAdd(scale, a, Op::kNone, b, Op::kNone, keep, c);
  }
  RoundTo(precision, c->data);
}

Matrix<float> LowGram(Precision precision, const Matrix<float>& x, Layout layout) {
  const bool small = precision != Precision::kF32 && x.rows * x.cols * x.rows <= kFollowed;
  if (!small && precision == Precision::kBf16 && HasBf16Products()) return Bf16Gram(x);
  Matrix<float> out;
  // The second factor is a view of the first, turned: columns where x lies in rows.
  const Sums order = layout == Layout::kRows ? Sums::kDots : Sums::kOne;
  if (!small || !Ordered(precision, x, Transpose(x), order, &out)) out = Gram(x);
  RoundTo(precision, out.data);
  return out;
}

float NormF32(std::span<const float> x) {
  if (x.size() > kTorchNormMax) return static_cast<float>(FrobeniusNorm<float>(x));
  return TorchNorm(x);
}

}  // namespace malmoi::optim::matrix
