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
#define OPTIM_LANES(V, T_, N_)                                                                  \
  struct V {                                                                                    \
    using T = T_;                                                                               \
    static constexpr std::size_t kLanes = N_;                                                   \
    T v[N_];                                                                                    \
    static inline V Set(T a) { OPTIM_EACH(V, a) }                                               \
    static inline V Load(const T* a) { OPTIM_EACH(V, a[i]) }                                    \
    inline void Store(T* a) const {                                                             \
      for (std::size_t i = 0; i < kLanes; ++i) a[i] = v[i];                                     \
    }                                                                                           \
    static inline V LoadFirst(const T* a, std::size_t n) { OPTIM_EACH(V, i < n ? a[i] : T{0}) } \
    inline void StoreFirst(T* a, std::size_t n) const {                                         \
      for (std::size_t i = 0; i < n; ++i) a[i] = v[i];                                          \
    }                                                                                           \
    inline V First(std::size_t n) const { OPTIM_EACH(V, i < n ? v[i] : T{0}) }                  \
  };                                                                                            \
  struct V##Mask {                                                                              \
    static constexpr std::size_t kLanes = N_;                                                   \
    bool v[N_];                                                                                 \
  };                                                                                            \
  inline V operator+(const V& a, const V& b) {                                                  \
    OPTIM_EACH(V, a.v[i] + b.v[i])                                                              \
  }                                                                                             \
  inline V operator-(const V& a, const V& b) {                                                  \
    OPTIM_EACH(V, a.v[i] - b.v[i])                                                              \
  }                                                                                             \
  inline V operator*(const V& a, const V& b) {                                                  \
    OPTIM_EACH(V, a.v[i] * b.v[i])                                                              \
  }                                                                                             \
  inline V operator/(const V& a, const V& b) {                                                  \
    OPTIM_EACH(V, a.v[i] / b.v[i])                                                              \
  }                                                                                             \
  inline V Fma(const V& a, const V& b, const V& c) {                                            \
    OPTIM_EACH(V, Fma1(a.v[i], b.v[i], c.v[i]))                                                 \
  }                                                                                             \
  inline V Sqrt(const V& a) {                                                                   \
    OPTIM_EACH(V, Sqrt1(a.v[i]))                                                                \
  }                                                                                             \
  inline V Abs(const V& a) {                                                                    \
    OPTIM_EACH(V, Abs1(a.v[i]))                                                                 \
  }                                                                                             \
  inline V Max(const V& a, const V& b) {                                                        \
    OPTIM_EACH(V, a.v[i] > b.v[i] ? a.v[i] : b.v[i])                                            \
  }                                                                                             \
  inline V Min(const V& a, const V& b) {                                                        \
    OPTIM_EACH(V, a.v[i] < b.v[i] ? a.v[i] : b.v[i])                                            \
  }                                                                                             \
  inline V##Mask Lt(const V& a, const V& b) {                                                   \
    OPTIM_EACH(V##Mask, a.v[i] < b.v[i])                                                        \
  }                                                                                             \
  inline V##Mask Le(const V& a, const V& b) {                                                   \
    OPTIM_EACH(V##Mask, a.v[i] <= b.v[i])                                                       \
  }                                                                                             \
  inline V##Mask Gt(const V& a, const V& b) {                                                   \
    OPTIM_EACH(V##Mask, a.v[i] > b.v[i])                                                        \
  }                                                                                             \
  inline V##Mask Ge(const V& a, const V& b) {                                                   \
    OPTIM_EACH(V##Mask, a.v[i] >= b.v[i])                                                       \
  }                                                                                             \
  inline V##Mask Eq(const V& a, const V& b) {                                                   \
    OPTIM_EACH(V##Mask, a.v[i] == b.v[i])                                                       \
  }                                                                                             \
  inline V##Mask And(const V##Mask& a, const V##Mask& b) {                                      \
    OPTIM_EACH(V##Mask, a.v[i] && b.v[i])                                                       \
  }                                                                                             \
  inline V##Mask Or(const V##Mask& a, const V##Mask& b) {                                       \
    OPTIM_EACH(V##Mask, a.v[i] || b.v[i])                                                       \
  }                                                                                             \
  inline V##Mask Not(const V##Mask& a) {                                                        \
    OPTIM_EACH(V##Mask, !a.v[i])                                                                \
  }                                                                                             \
  inline V Select(const V##Mask& m, const V& a, const V& b) {                                   \
    OPTIM_EACH(V, m.v[i] ? a.v[i] : b.v[i])                                                     \
  }                                                                                             \
  inline double SumLanes(V a) {                                                                 \
    for (std::size_t half = V::kLanes / 2; half >= 1; half /= 2) {                              \
      for (std::size_t i = 0; i < half; ++i) a.v[i] = a.v[i] + a.v[i + half];                   \
    }                                                                                           \
    return static_cast<double>(a.v[0]);                                                         \
  }

OPTIM_LANES(F32, float, 16)
OPTIM_LANES(F64, double, 8)

inline std::uint32_t BitsOf(float x) {
  std::uint32_t bits;
  __builtin_memcpy(&bits, &x, sizeof(bits));
  return bits;
}
inline float FromBits(std::uint32_t bits) {
  float x;
  __builtin_memcpy(&x, &bits, sizeof(x));
  return x;
}
inline void Widen(const F32& x, F64* low, F64* high) {
  for (std::size_t i = 0; i < F64::kLanes; ++i) {
    low->v[i] = static_cast<double>(x.v[i]);
    high->v[i] = static_cast<double>(x.v[F64::kLanes + i]);
  }
}
inline void AddWide(double* at, const F64& x) {
  for (std::size_t i = 0; i < F64::kLanes; ++i) at[i] += x.v[i];
}
inline void RaiseWide(double* at, const F64& x) {
  for (std::size_t i = 0; i < F64::kLanes; ++i) at[i] = at[i] > x.v[i] ? at[i] : x.v[i];
}
inline float RoundHalf1(float x) {
  std::uint32_t u;
  __builtin_memcpy(&u, &x, sizeof(u));
  u = (u & 0x7fffffffu) > 0x7f800000u ? u | 0x400000u : u + 0x7fffu + ((u >> 16) & 1u);
  u &= 0xffff0000u;
  __builtin_memcpy(&x, &u, sizeof(x));
  return x;
}
inline F32 RoundHalf(const F32& x) {
  OPTIM_EACH(F32, RoundHalf1(x.v[i]))
}
inline F32 LoadHalf(const unsigned short* p) {
  OPTIM_EACH(F32, FromBits(static_cast<std::uint32_t>(p[i]) << 16))
}
// What HalfRounding says, at sixteen places from `add` on.
inline void StoreHalf(unsigned short* p, const F32& x, const unsigned* add, unsigned key,
                      unsigned odd) {
  for (std::size_t i = 0; i < F32::kLanes; ++i) {
    const std::uint32_t u = BitsOf(x.v[i]);
    const std::uint32_t up = u + (add[i] ^ key) + ((u >> 16) & odd);
    const bool nan = (u & 0x7fffffffu) > 0x7f800000u;
    p[i] = static_cast<unsigned short>((nan ? u | 0x400000u : up) >> 16);
  }
}
inline F32 Narrow(const F64& low, const F64& high) {
  F32 o;
  for (std::size_t i = 0; i < F64::kLanes; ++i) {
    o.v[i] = static_cast<float>(low.v[i]);
    o.v[F64::kLanes + i] = static_cast<float>(high.v[i]);
  }
  return o;
}
inline std::uint64_t BitsOf(double x) {
  std::uint64_t bits;
  __builtin_memcpy(&bits, &x, sizeof(bits));
  return bits;
}
inline double OfBits(std::uint64_t bits) {
  double x;
  __builtin_memcpy(&x, &bits, sizeof(x));
  return x;
}
// A first guess at the inverse cube root of normal numbers, by a third of their bits.
inline F32 GuessInverseCubeRoot(const F32& x) {
  OPTIM_EACH(F32, FromBits(0x548c39cbu - (BitsOf(x.v[i]) >> 16) * 21845u))
}
inline F32 PowerOfTwo(const F32& k) {
  OPTIM_EACH(F32, FromBits(BitsOf(k.v[i] + (12582912.0f + 127.0f)) << 23))
}
inline F64 PowerOfTwo(const F64& k) {
  OPTIM_EACH(F64, OfBits(BitsOf(k.v[i] + (6755399441055744.0 + 1023.0)) << 52))
}
inline F32 SplitExponent(const F32& x, F32* k) {
  F32 m;
  for (std::size_t i = 0; i < F32::kLanes; ++i) {
    const std::uint32_t bits = BitsOf(x.v[i]);
    const std::uint32_t biased = (bits + 0x004afb0du) >> 23;
    k->v[i] = static_cast<float>(biased) - 127.0f;
    m.v[i] = FromBits(bits - ((biased - 127u) << 23));
  }
  return m;
}
inline F64 SplitExponent(const F64& x, F64* k) {
  F64 m;
  for (std::size_t i = 0; i < F64::kLanes; ++i) {
    const std::uint64_t bits = BitsOf(x.v[i]);
    const std::uint64_t biased = (bits + 0x00095f619980c433ull) >> 52;
    k->v[i] = static_cast<double>(biased) - 1023.0;
    m.v[i] = OfBits(bits - ((biased - 1023) << 52));
  }
  return m;
}
#undef OPTIM_LANES
#undef OPTIM_EACH

}  // namespace
}  // namespace malmoi::optim

#include "optim/functions-inl.h"
