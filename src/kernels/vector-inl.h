#pragma once

#include "kernels/prefetch-inl.h"

// The vector kernels, written once over V16. Include after a v16-inl.h; each level's file has its
// own copy (anonymous namespace), compiled with its own flags.
//
// Every level performs the same operations on the same sixteen virtual lanes in the same order, so
// results are equal bit for bit: element i belongs to lane i mod 16, a tail is one more step with
// neutral lanes, lanes are combined by halves.
namespace malmoi::kernels {
namespace {

inline float DotKernel(const float* a, const float* b, std::size_t n) {
  V16 sum = Set(0);
  std::size_t i = 0;
  for (; i + 16 <= n; i += 16) sum = Fma(Load(a + i), Load(b + i), sum);
  if (i < n) {
    sum = Fma(LoadPart(a + i, n - i, Set(0)), LoadPart(b + i, n - i, Set(0)), sum);
  }
  return Sum(sum);
}

// Four rows at a time: one chain of FMAs would wait for its own latency.
inline void DotRowsKernel(const float* rows, std::size_t stride, const float* query,
                          std::size_t dim, float* out, std::size_t count) {
  std::size_t r = 0;
  for (; r + 4 <= count; r += 4) {
    const float* p = rows + r * stride;
    const float* ahead = RowsAhead<4>(p, stride, r, count);
    V16 s0 = Set(0), s1 = Set(0), s2 = Set(0), s3 = Set(0);
    std::size_t i = 0;
    for (; i + 16 <= dim; i += 16) {
      PrefetchRows<4>(ahead, i);
      const V16 q = Load(query + i);
      s0 = Fma(Load(p + i), q, s0);
      s1 = Fma(Load(p + stride + i), q, s1);
      s2 = Fma(Load(p + 2 * stride + i), q, s2);
      s3 = Fma(Load(p + 3 * stride + i), q, s3);
    }
    if (i < dim) {
      const std::size_t n = dim - i;
      const V16 q = LoadPart(query + i, n, Set(0));
      s0 = Fma(LoadPart(p + i, n, Set(0)), q, s0);
      s1 = Fma(LoadPart(p + stride + i, n, Set(0)), q, s1);
      s2 = Fma(LoadPart(p + 2 * stride + i, n, Set(0)), q, s2);
      s3 = Fma(LoadPart(p + 3 * stride + i, n, Set(0)), q, s3);
    }
    out[r] = Sum(s0);
    out[r + 1] = Sum(s1);
    out[r + 2] = Sum(s2);
    out[r + 3] = Sum(s3);
  }
  for (; r < count; ++r) out[r] = DotKernel(rows + r * stride, query, dim);
}

// x[i] = f(x[i]) for whole vectors and the tail.
template <class F>
inline void MapInPlace(float* x, std::size_t n, F f) {
  std::size_t i = 0;
  for (; i + 16 <= n; i += 16) Store(x + i, f(Load(x + i)));
  if (i < n) StorePart(x + i, n - i, f(LoadPart(x + i, n - i, Set(0))));
}

inline void ScaleKernel(float* x, std::size_t n, float factor) {
  const V16 f = Set(factor);
  MapInPlace(x, n, [&](V16 v) { return Mul(v, f); });
}

inline void LayerNormRow(const float* x, float* y, std::size_t dim, const float* gamma,
                         const float* beta, float eps) {
  const float size = static_cast<float>(dim);
  const std::size_t whole = dim / 16 * 16;
  const std::size_t tail = dim - whole;
  // Two chains each, that one does not wait for the other's latency.
  V16 sum = Set(0), other = Set(0);
  std::size_t at = 0;
  for (; at + 32 <= whole; at += 32) {
    sum = Add(sum, Load(x + at));
    other = Add(other, Load(x + at + 16));
  }
  if (at < whole) sum = Add(sum, Load(x + at));
  if (tail > 0) other = Add(other, LoadPart(x + whole, tail, Set(0)));
  const V16 mean = Set(Sum(Add(sum, other)) / size);

  V16 squares = Set(0), others = Set(0);
  for (at = 0; at + 32 <= whole; at += 32) {
    const V16 d = Sub(Load(x + at), mean), e = Sub(Load(x + at + 16), mean);
    squares = Fma(d, d, squares);
    others = Fma(e, e, others);
  }
  if (at < whole) {
    const V16 d = Sub(Load(x + at), mean);
    squares = Fma(d, d, squares);
  }
  if (tail > 0) {
    const V16 d = KeepPart(Sub(LoadPart(x + whole, tail, Set(0)), mean), tail);
    others = Fma(d, d, others);
  }
  squares = Add(squares, others);
  const V16 scale = Set(1.0f / Sqrt(Sum(squares) / size + eps));

  for (std::size_t i = 0; i < whole; i += 16) {
    const V16 d = Mul(Sub(Load(x + i), mean), scale);
    Store(y + i, Fma(d, Load(gamma + i), Load(beta + i)));
  }
  if (tail > 0) {
    const V16 zero = Set(0);
    const V16 d = Mul(Sub(LoadPart(x + whole, tail, zero), mean), scale);
    StorePart(y + whole, tail,
              Fma(d, LoadPart(gamma + whole, tail, zero), LoadPart(beta + whole, tail, zero)));
  }
}

inline void LayerNormKernel(const float* x, float* y, std::size_t rows, std::size_t dim,
                            const float* gamma, const float* beta, float eps) {
  for (std::size_t r = 0; r < rows; ++r) {
    LayerNormRow(x + r * dim, y + r * dim, dim, gamma, beta, eps);
  }
}

// e^x for x in [-87, 88], clamped to it; NaN stays NaN. x = n ln 2 + r with |r| <= ln 2 / 2 in two
// parts (Cody and Waite), then the Taylor polynomial of degree 7 for e^r, whose remainder is below
// 1e-8. Relative error < 2e-7.
inline V16 Exp(V16 x) {
  x = Max(Set(-87.0f), Min(Set(88.0f), x));
  const V16 magic = Set(12582912.0f);  // 1.5 * 2^23: adding it rounds to an integer.
  const V16 shifted = Fma(x, Set(1.44269504f), magic);
  const V16 n = Sub(shifted, magic);
  V16 r = Fma(n, Set(-0.693359375f), x);
  r = Fma(n, Set(2.12194440e-4f), r);
  V16 p = Set(1.0f / 5040);
  p = Fma(p, r, Set(1.0f / 720));
  p = Fma(p, r, Set(1.0f / 120));
  p = Fma(p, r, Set(1.0f / 24));
  p = Fma(p, r, Set(1.0f / 6));
  p = Fma(p, r, Set(0.5f));
  p = Fma(p, r, Set(1.0f));
  p = Fma(p, r, Set(1.0f));
  return Mul(p, Pow2(shifted));
}

inline void SoftmaxKernel(float* x, std::size_t n, float scale) {
  if (n == 0) return;
  const V16 lowest = Set(-3.402823466e38f);
  const std::size_t whole = n / 16 * 16;
  const std::size_t tail = n - whole;
  const V16 factor = Set(scale);
  V16 top = lowest;
  for (std::size_t i = 0; i < whole; i += 16) top = Max(Mul(Load(x + i), factor), top);
  if (tail > 0) {
    const V16 scaled = Mul(LoadPart(x + whole, tail, Set(0)), factor);
    float part[16];
    Store(part, scaled);
    top = Max(LoadPart(part, tail, lowest), top);
  }
  const V16 shift = Set(-MaxLane(top));
  V16 sum = Set(0);
  for (std::size_t i = 0; i < whole; i += 16) {
    const V16 e = Exp(Fma(Load(x + i), factor, shift));
    sum = Add(sum, e);
    Store(x + i, e);
  }
  if (tail > 0) {
    const V16 e = KeepPart(Exp(Fma(LoadPart(x + whole, tail, Set(0)), factor, shift)), tail);
    sum = Add(sum, e);
    StorePart(x + whole, tail, e);
  }
  ScaleKernel(x, n, 1.0f / Sum(sum));
}

// x * Phi(x), with Phi(-|x|) from Abramowitz and Stegun 7.1.26 (|error of erf| <= 1.5e-7) so that
// the negative tail has no cancellation: max(x, 0) - |x| Phi(-|x|).
inline V16 Gelu(V16 x) {
  const V16 a = Abs(x);
  const V16 z = Mul(a, Set(0.70710678f));
  const V16 t = Div(Set(1.0f), Fma(z, Set(0.3275911f), Set(1.0f)));
  V16 p = Set(1.061405429f);
  p = Fma(p, t, Set(-1.453152027f));
  p = Fma(p, t, Set(1.421413741f));
  p = Fma(p, t, Set(-0.284496736f));
  p = Fma(p, t, Set(0.254829592f));
  p = Mul(Mul(p, t), Set(0.5f));
  const V16 tail = Mul(p, Exp(Mul(Mul(z, z), Set(-1.0f))));
  const V16 positive = Mul(Add(x, a), Set(0.5f));
  return Sub(positive, Mul(a, tail));
}

// x * Phi(x) with Phi(x) - 1/2 = x P(x^2) for |x| <= 4.3, where P makes Phi exactly 0 or 1: a
// least-maximum fit of this file's own. Absolute error < 5e-5. NaN stays NaN.
inline V16 GeluQuick(V16 x) {
  const V16 z = Max(Set(-4.3f), Min(Set(4.3f), x));
  const V16 s = Mul(z, z);
  V16 p = Set(5.19792346e-11f);
  p = Fma(p, s, Set(-5.09673037e-09f));
  p = Fma(p, s, Set(2.2023676e-07f));
  p = Fma(p, s, Set(-5.58108022e-06f));
  p = Fma(p, s, Set(9.35611624e-05f));
  p = Fma(p, s, Set(-0.00111398599f));
  p = Fma(p, s, Set(0.00985380791f));
  p = Fma(p, s, Set(-0.0664497733f));
  p = Fma(p, s, Set(0.398998455f));
  // Rounding leaves Phi(-4.3) a little off zero, which a large x would magnify.
  const V16 phi = Max(Set(0), Fma(z, p, Set(0.5f)));
  return Mul(x, Min(Set(1), phi));
}

// Gelu in pieces, for results that become one of 256 integers: a parabola for each half between
// -3.5 and 3.5, fitted at Chebyshev's points by this file, and lines outside. Absolute error <
// 6e-4. NaN stays NaN.
alignas(64) inline constexpr float kGeluConstant[16] = {
    -0.000407100888f, -0.116027616f, -0.263025224f, -0.406182259f,
    -0.398482859f,    -0.215059489f, -0.043257568f, -0.000186652833f,
    -0.000186652833f, -0.043257568f, -0.215059489f, -0.398482859f,
    -0.406182259f,    -0.263025224f, -0.116027616f, -0.000407100888f};
alignas(64) inline constexpr float kGeluLinear[16] = {
    0.000000000f, -0.0638904944f, -0.162611708f, -0.276835144f, -0.265487641f, -0.01446814f,
    0.331111401f, 0.493524253f,   0.506475747f,  0.668888628f,  1.01446819f,   1.26548767f,
    1.27683508f,  1.16261172f,    1.06389046f,   1.000000000f};
alignas(64) inline constexpr float kGeluSquare[16] = {
    0.000000000f,   -0.0088512972f, -0.0254348852f, -0.0482374057f, -0.0444813184f, 0.0415437445f,
    0.216214404f,   0.371908814f,   0.371908814f,   0.216214404f,   0.0415437445f,  -0.0444813184f,
    -0.0482374057f, -0.0254348852f, -0.0088512972f, 0.000000000f};
inline V16 GeluCoarse(V16 x) {
  const V16 piece = Max(Min(Fma(x, Set(2), Set(7.5f)), Set(15)), Set(0));
  const V16 index = Add(piece, Set(12582912.0f));  // 1.5 * 2^23: rounded, in the low bits.
  const V16 slope = Fma(Choose(kGeluSquare, index), x, Choose(kGeluLinear, index));
  return Fma(slope, x, Choose(kGeluConstant, index));
}

// x / (1 + exp(-2 u)), u = sqrt(2 / pi) (x + 0.044715 x^3): equal to 0.5 x (1 + tanh(u)).
inline V16 GeluTanh(V16 x) {
  const V16 x2 = Mul(x, x);
  const V16 u = Mul(x, Fma(x2, Set(-2 * 0.7978845608f * 0.044715f), Set(-2 * 0.7978845608f)));
  return Div(x, Add(Set(1.0f), Exp(u)));
}

inline void GeluKernel(float* x, std::size_t n) {
  MapInPlace(x, n, [](V16 v) { return Gelu(v); });
}
inline void GeluTanhKernel(float* x, std::size_t n) {
  MapInPlace(x, n, [](V16 v) { return GeluTanh(v); });
}

}  // namespace
}  // namespace malmoi::kernels
