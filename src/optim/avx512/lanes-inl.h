#pragma once

#include <immintrin.h>

#include <cstddef>

// Sixteen f32 lanes and eight f64 lanes for AVX-512. Same names and same results, bit for bit, as
// avx2/lanes-inl.h and scalar/lanes-inl.h. Fma rounds once; Max and Min give the second operand
// where either is NaN; LoadFirst, StoreFirst and First see n lanes, of which the others are 0.
namespace malmoi::optim {
namespace {

#define OPTIM_LANES(V, T_, N_, R, M, S)                                                   \
  struct V {                                                                              \
    using T = T_;                                                                         \
    static constexpr std::size_t kLanes = N_;                                             \
    R v;                                                                                  \
    static inline V Set(T a) { return {_mm512_set1_##S(a)}; }                             \
    static inline V Load(const T* a) { return {_mm512_loadu_##S(a)}; }                    \
    inline void Store(T* a) const { _mm512_storeu_##S(a, v); }                            \
    static inline M OfFirst(std::size_t n) { return static_cast<M>((1u << n) - 1); }      \
    static inline V LoadFirst(const T* a, std::size_t n) {                                \
      return {_mm512_maskz_loadu_##S(OfFirst(n), a)};                                     \
    }                                                                                     \
    inline void StoreFirst(T* a, std::size_t n) const {                                   \
      _mm512_mask_storeu_##S(a, OfFirst(n), v);                                           \
    }                                                                                     \
    inline V First(std::size_t n) const { return {_mm512_maskz_mov_##S(OfFirst(n), v)}; } \
  };                                                                                      \
  struct V##Mask {                                                                        \
    M m;                                                                                  \
  };                                                                                      \
  inline V operator+(V a, V b) {                                                          \
    return {_mm512_add_##S(a.v, b.v)};                                                    \
  }                                                                                       \
  inline V operator-(V a, V b) {                                                          \
    return {_mm512_sub_##S(a.v, b.v)};                                                    \
  }                                                                                       \
  inline V operator*(V a, V b) {                                                          \
    return {_mm512_mul_##S(a.v, b.v)};                                                    \
  }                                                                                       \
  inline V operator/(V a, V b) {                                                          \
    return {_mm512_div_##S(a.v, b.v)};                                                    \
  }                                                                                       \
  inline V Fma(V a, V b, V c) {                                                           \
    return {_mm512_fmadd_##S(a.v, b.v, c.v)};                                             \
  }                                                                                       \
  inline V Sqrt(V a) {                                                                    \
    return {_mm512_sqrt_##S(a.v)};                                                        \
  }                                                                                       \
  inline V Abs(V a) {                                                                     \
    return {_mm512_abs_##S(a.v)};                                                         \
  }                                                                                       \
  inline V Max(V a, V b) {                                                                \
    return {_mm512_max_##S(a.v, b.v)};                                                    \
  }                                                                                       \
  inline V Min(V a, V b) {                                                                \
    return {_mm512_min_##S(a.v, b.v)};                                                    \
  }                                                                                       \
  inline V##Mask Lt(V a, V b) {                                                           \
    return {_mm512_cmp_##S##_mask(a.v, b.v, _CMP_LT_OQ)};                                 \
  }                                                                                       \
  inline V##Mask Le(V a, V b) {                                                           \
    return {_mm512_cmp_##S##_mask(a.v, b.v, _CMP_LE_OQ)};                                 \
  }                                                                                       \
  inline V##Mask Gt(V a, V b) {                                                           \
    return {_mm512_cmp_##S##_mask(a.v, b.v, _CMP_GT_OQ)};                                 \
  }                                                                                       \
  inline V##Mask Ge(V a, V b) {                                                           \
    return {_mm512_cmp_##S##_mask(a.v, b.v, _CMP_GE_OQ)};                                 \
  }                                                                                       \
  inline V##Mask Eq(V a, V b) {                                                           \
    return {_mm512_cmp_##S##_mask(a.v, b.v, _CMP_EQ_OQ)};                                 \
  }                                                                                       \
  inline V##Mask And(V##Mask a, V##Mask b) {                                              \
    return {static_cast<M>(a.m & b.m)};                                                   \
  }                                                                                       \
  inline V##Mask Or(V##Mask a, V##Mask b) {                                               \
    return {static_cast<M>(a.m | b.m)};                                                   \
  }                                                                                       \
  inline V##Mask Not(V##Mask a) {                                                         \
    return {static_cast<M>(~a.m)};                                                        \
  }                                                                                       \
  inline V Select(V##Mask m, V a, V b) {                                                  \
    return {_mm512_mask_mov_##S(b.v, m.m, a.v)};                                          \
  }

OPTIM_LANES(F32, float, 16, __m512, __mmask16, ps)
OPTIM_LANES(F64, double, 8, __m512d, __mmask8, pd)
#undef OPTIM_LANES

// Lane i with i + 8, then i + 4, i + 2, i + 1.
inline double SumLanes(F32 a) {
  const __m256 s8 = _mm256_add_ps(_mm512_castps512_ps256(a.v), _mm512_extractf32x8_ps(a.v, 1));
  const __m128 s4 = _mm_add_ps(_mm256_castps256_ps128(s8), _mm256_extractf128_ps(s8, 1));
  const __m128 s2 = _mm_add_ps(s4, _mm_movehl_ps(s4, s4));
  return static_cast<double>(_mm_cvtss_f32(_mm_add_ss(s2, _mm_movehdup_ps(s2))));
}
inline double SumLanes(F64 a) {
  const __m256d s4 = _mm256_add_pd(_mm512_castpd512_pd256(a.v), _mm512_extractf64x4_pd(a.v, 1));
  const __m128d s2 = _mm_add_pd(_mm256_castpd256_pd128(s4), _mm256_extractf128_pd(s4, 1));
  return _mm_cvtsd_f64(_mm_add_sd(s2, _mm_unpackhi_pd(s2, s2)));
}

// Half i to the top of lane i, and back.
inline F32 LoadHalf(const unsigned short* p) {
  const __m512i place = _mm512_set_epi32(0x0f0000, 0x0e0000, 0x0d0000, 0x0c0000, 0x0b0000, 0x0a0000,
                                         0x090000, 0x080000, 0x070000, 0x060000, 0x050000, 0x040000,
                                         0x030000, 0x020000, 0x010000, 0x000000);
  const __m512i b = _mm512_castsi256_si512(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  return {_mm512_castsi512_ps(_mm512_maskz_permutexvar_epi16(0xaaaaaaaau, place, b))};
}
// Thirty-two halves in order.
inline void WidenHalves(__m512i halves, F32* low, F32* high) {
  const __m512i place = _mm512_set_epi32(0x0f0000, 0x0e0000, 0x0d0000, 0x0c0000, 0x0b0000, 0x0a0000,
                                         0x090000, 0x080000, 0x070000, 0x060000, 0x050000, 0x040000,
                                         0x030000, 0x020000, 0x010000, 0x000000);
  const __m512i above = _mm512_add_epi32(place, _mm512_set1_epi32(0x100000));
  low->v = _mm512_castsi512_ps(_mm512_maskz_permutexvar_epi16(0xaaaaaaaau, place, halves));
  high->v = _mm512_castsi512_ps(_mm512_maskz_permutexvar_epi16(0xaaaaaaaau, above, halves));
}
// What HalfRounding says, at sixteen places from `add` on.
inline void StoreHalf(unsigned short* p, F32 x, const unsigned* add, unsigned key, unsigned odd) {
  const __m512i place = _mm512_set_epi32(0, 0, 0, 0, 0, 0, 0, 0, 0x1f001d, 0x1b0019, 0x170015,
                                         0x130011, 0x0f000d, 0x0b0009, 0x070005, 0x030001);
  const __m512i u = _mm512_castps_si512(x.v);
  const __m512i bits =
      _mm512_xor_si512(_mm512_set1_epi32(static_cast<int>(key)), _mm512_loadu_si512(add));
  __m512i up = _mm512_add_epi32(u, bits);
  if (odd != 0)
    up = _mm512_add_epi32(up, _mm512_and_si512(_mm512_srli_epi32(u, 16), _mm512_set1_epi32(1)));
  const __mmask16 nan = _mm512_cmp_ps_mask(x.v, x.v, _CMP_UNORD_Q);
  const __m512i picked = _mm512_mask_or_epi32(up, nan, u, _mm512_set1_epi32(0x400000));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p),
                      _mm512_castsi512_si256(_mm512_permutexvar_epi16(place, picked)));
}
inline void Widen(F32 x, F64* low, F64* high) {
  low->v = _mm512_cvtps_pd(_mm512_castps512_ps256(x.v));
  high->v = _mm512_cvtps_pd(_mm512_extractf32x8_ps(x.v, 1));
}
inline void AddWide(double* at, F64 x) {
  _mm512_storeu_pd(at, _mm512_add_pd(_mm512_loadu_pd(at), x.v));
}
inline void RaiseWide(double* at, F64 x) {
  _mm512_storeu_pd(at, _mm512_max_pd(_mm512_loadu_pd(at), x.v));
}
inline F32 RoundHalf(F32 x) {
  const __m512i u = _mm512_castps_si512(x.v);
  const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(u, 16), _mm512_set1_epi32(1));
  const __m512i up = _mm512_add_epi32(u, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
  const __m512i quiet = _mm512_or_si512(u, _mm512_set1_epi32(0x400000));
  const __mmask16 nan = _mm512_cmp_ps_mask(x.v, x.v, _CMP_UNORD_Q);
  const __m512i picked = _mm512_mask_mov_epi32(up, nan, quiet);
  return {_mm512_castsi512_ps(
      _mm512_and_si512(picked, _mm512_set1_epi32(static_cast<int>(0xffff0000u))))};
}
inline F32 Narrow(F64 low, F64 high) {
  const __m512 l = _mm512_castps256_ps512(_mm512_cvtpd_ps(low.v));
  return {_mm512_insertf32x8(l, _mm512_cvtpd_ps(high.v), 1)};
}
// A first guess at the inverse cube root of normal numbers, by a third of their bits.
inline F32 GuessInverseCubeRoot(F32 x) {
  const __m512i high = _mm512_srli_epi32(_mm512_castps_si512(x.v), 16);
  const __m512i third = _mm512_mullo_epi32(high, _mm512_set1_epi32(21845));
  return {_mm512_castsi512_ps(_mm512_sub_epi32(_mm512_set1_epi32(0x548c39cb), third))};
}
// 2^k of whole numbers in the range of normal exponents.
inline F32 PowerOfTwo(F32 k) {
  const __m512 biased = _mm512_add_ps(k.v, _mm512_set1_ps(12582912.0f + 127.0f));
  return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_castps_si512(biased), 23))};
}
inline F64 PowerOfTwo(F64 k) {
  const __m512d biased = _mm512_add_pd(k.v, _mm512_set1_pd(6755399441055744.0 + 1023.0));
  return {_mm512_castsi512_pd(_mm512_slli_epi64(_mm512_castpd_si512(biased), 52))};
}
// m of x = 2^k m, 1/sqrt(2) <= m < sqrt(2), for positive normal x.
inline F32 SplitExponent(F32 x, F32* k) {
  const __m512i bits = _mm512_castps_si512(x.v);
  const __m512i over = _mm512_add_epi32(bits, _mm512_set1_epi32(0x004afb0d));
  const __m512i exponent = _mm512_sub_epi32(_mm512_srli_epi32(over, 23), _mm512_set1_epi32(127));
  k->v = _mm512_cvtepi32_ps(exponent);
  return {_mm512_castsi512_ps(_mm512_sub_epi32(bits, _mm512_slli_epi32(exponent, 23)))};
}
inline F64 SplitExponent(F64 x, F64* k) {
  const __m512i bits = _mm512_castpd_si512(x.v);
  const __m512i over = _mm512_add_epi64(bits, _mm512_set1_epi64(0x00095f619980c433ll));
  const __m512i biased = _mm512_srli_epi64(over, 52);
  const __m512d two52 = _mm512_set1_pd(4503599627370496.0);
  const __m512d as_double =
      _mm512_castsi512_pd(_mm512_or_si512(biased, _mm512_castpd_si512(two52)));
  k->v = _mm512_sub_pd(as_double, _mm512_set1_pd(4503599627370496.0 + 1023.0));
  const __m512i shift = _mm512_slli_epi64(_mm512_sub_epi64(biased, _mm512_set1_epi64(1023)), 52);
  return {_mm512_castsi512_pd(_mm512_sub_epi64(bits, shift))};
}

}  // namespace
}  // namespace malmoi::optim

#include "optim/functions-inl.h"
