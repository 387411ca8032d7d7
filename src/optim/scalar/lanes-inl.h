#pragma once

#include <cstddef>
#include <cstdint>

// The lanes of avx512/lanes-inl.h in plain C++, for any processor.
namespace malmoi::optim {
namespace {

// a * b + c rounded once, without an FMA instruction: the product is exact in double, the sum is
// rounded to odd (Boldo and Melquiond 2008), so that only the last rounding, to float, counts.
inline float Fma1(float a, float b, float c) {
  const double p = static_cast<double>(a) * static_cast<double>(b);
  const double s = p + static_cast<double>(c);
  const double bb = s - p;
  const double error = (p - (s - bb)) + (static_cast<double>(c) - bb);
  std::uint64_t bits;
  __builtin_memcpy(&bits, &s, sizeof(bits));
  const bool inexact = error > 0 || error < 0;
  if (inexact && (bits & 1) == 0) {
    bits = ((error > 0) == (s > 0)) ? bits + 1 : bits - 1;
  }
  double odd;
  __builtin_memcpy(&odd, &bits, sizeof(odd));
  return static_cast<float>(odd);
}
inline double Fma1(double a, double b, double c) {
  return __builtin_fma(a, b, c);
}
inline float Sqrt1(float a) {
  return __builtin_sqrtf(a);
}
inline double Sqrt1(double a) {
  return __builtin_sqrt(a);
}
inline float Abs1(float a) {
  return __builtin_fabsf(a);
}
inline double Abs1(double a) {
  return __builtin_fabs(a);
}

#define OPTIM_EACH(V, expr)                                  \
  V o;                                                       \
  for (std::size_t i = 0; i < V::kLanes; ++i) o.v[i] = expr; \
  return o;
#define OPTIM_LANES(V, T_, N_)                                                \
  struct V {                                                                  \
    using T = T_;                                                             \
    static constexpr std::size_t kLanes = N_;                                 \
    T v[N_];                                                                  \
    static inline V Set(T a) { OPTIM_EACH(V, a) }                             \
    static inline V Load(const T* a) { OPTIM_EACH(V, a[i]) }                  \
    inline void Store(T* a) const {                                           \
      for (std::size_t i = 0; i < kLanes; ++i) a[i] = v[i];                   \
    }                                                                         \
  };                                                                          \
  struct V##Mask {                                                            \
    static constexpr std::size_t kLanes = N_;                                 \
    bool v[N_];                                                               \
  };                                                                          \
  inline V operator+(const V& a, const V& b) {                                \
    OPTIM_EACH(V, a.v[i] + b.v[i])                                            \
  }                                                                           \
  inline V operator-(const V& a, const V& b) {                                \
    OPTIM_EACH(V, a.v[i] - b.v[i])                                            \
  }                                                                           \
  inline V operator*(const V& a, const V& b) {                                \
    OPTIM_EACH(V, a.v[i] * b.v[i])                                            \
  }                                                                           \
  inline V operator/(const V& a, const V& b) {                                \
    OPTIM_EACH(V, a.v[i] / b.v[i])                                            \
  }                                                                           \
  inline V Fma(const V& a, const V& b, const V& c) {                          \
    OPTIM_EACH(V, Fma1(a.v[i], b.v[i], c.v[i]))                               \
  }                                                                           \
  inline V Sqrt(const V& a) {                                                 \
    OPTIM_EACH(V, Sqrt1(a.v[i]))                                              \
  }                                                                           \
  inline V Abs(const V& a) {                                                  \
    OPTIM_EACH(V, Abs1(a.v[i]))                                               \
  }                                                                           \
  inline V Max(const V& a, const V& b) {                                      \
    OPTIM_EACH(V, a.v[i] > b.v[i] ? a.v[i] : b.v[i])                          \
  }                                                                           \
  inline V Min(const V& a, const V& b) {                                      \
    OPTIM_EACH(V, a.v[i] < b.v[i] ? a.v[i] : b.v[i])                          \
  }                                                                           \
  inline V##Mask Lt(const V& a, const V& b) {                                 \
    OPTIM_EACH(V##Mask, a.v[i] < b.v[i])                                      \
  }                                                                           \
  inline V##Mask Le(const V& a, const V& b) {                                 \
    OPTIM_EACH(V##Mask, a.v[i] <= b.v[i])                                     \
  }                                                                           \
  inline V##Mask Gt(const V& a, const V& b) {                                 \
    OPTIM_EACH(V##Mask, a.v[i] > b.v[i])                                      \
  }                                                                           \
  inline V##Mask Ge(const V& a, const V& b) {                                 \
    OPTIM_EACH(V##Mask, a.v[i] >= b.v[i])                                     \
  }                                                                           \
  inline V##Mask Eq(const V& a, const V& b) {                                 \
    OPTIM_EACH(V##Mask, a.v[i] == b.v[i])                                     \
  }                                                                           \
  inline V##Mask And(const V##Mask& a, const V##Mask& b) {                    \
    OPTIM_EACH(V##Mask, a.v[i] && b.v[i])                                     \
  }                                                                           \
  inline V##Mask Or(const V##Mask& a, const V##Mask& b) {                     \
    OPTIM_EACH(V##Mask, a.v[i] || b.v[i])                                     \
  }                                                                           \
  inline V##Mask Not(const V##Mask& a) {                                      \
    OPTIM_EACH(V##Mask, !a.v[i])                                              \
  }                                                                           \
  inline V Select(const V##Mask& m, const V& a, const V& b) {                 \
    OPTIM_EACH(V, m.v[i] ? a.v[i] : b.v[i])                                   \
  }                                                                           \
  inline double SumLanes(V a) {                                               \
    for (std::size_t half = V::kLanes / 2; half >= 1; half /= 2) {            \
      for (std::size_t i = 0; i < half; ++i) a.v[i] = a.v[i] + a.v[i + half]; \
    }                                                                         \
    return static_cast<double>(a.v[0]);                                       \
  }

OPTIM_LANES(F32, float, 16)
OPTIM_LANES(F64, double, 8)
#undef OPTIM_LANES
#undef OPTIM_EACH

}  // namespace
}  // namespace malmoi::optim

#include "optim/functions-inl.h"
