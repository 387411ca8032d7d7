#pragma once

#include <immintrin.h>

#include <cstddef>

// The lanes of avx512/lanes-inl.h in two registers each.
namespace malmoi::optim {
namespace {

// All bits of the first n lanes, at and beyond lane `from`.
inline __m256i FirstOf(__m256, int n, int from) {
  const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(n - from), lane);
}
inline __m256i FirstOf(__m256d, int n, int from) {
  const __m256i lane = _mm256_setr_epi64x(0, 1, 2, 3);
  return _mm256_cmpgt_epi64(_mm256_set1_epi64x(n - from), lane);
}

#define OPTIM_LANES(V, T_, N_, R, S)                                                       \
  struct V {                                                                               \
    using T = T_;                                                                          \
    static constexpr std::size_t kLanes = N_;                                              \
    R a, b;                                                                                \
    static inline V Set(T x) { return {_mm256_set1_##S(x), _mm256_set1_##S(x)}; }          \
    static inline V Load(const T* p) {                                                     \
      return {_mm256_loadu_##S(p), _mm256_loadu_##S(p + N_ / 2)};                          \
    }                                                                                      \
    inline void Store(T* p) const {                                                        \
      _mm256_storeu_##S(p, a);                                                             \
      _mm256_storeu_##S(p + N_ / 2, b);                                                    \
    }                                                                                      \
    static inline V LoadFirst(const T* p, std::size_t n) {                                 \
      const int k = static_cast<int>(n);                                                   \
      return {_mm256_maskload_##S(p, FirstOf(R(), k, 0)),                                  \
              _mm256_maskload_##S(p + N_ / 2, FirstOf(R(), k, N_ / 2))};                   \
    }                                                                                      \
    inline void StoreFirst(T* p, std::size_t n) const {                                    \
      const int k = static_cast<int>(n);                                                   \
      _mm256_maskstore_##S(p, FirstOf(R(), k, 0), a);                                      \
      _mm256_maskstore_##S(p + N_ / 2, FirstOf(R(), k, N_ / 2), b);                        \
    }                                                                                      \
    inline V First(std::size_t n) const {                                                  \
      const int k = static_cast<int>(n);                                                   \
      return {_mm256_and_##S(a, _mm256_castsi256_##S(FirstOf(R(), k, 0))),                 \
              _mm256_and_##S(b, _mm256_castsi256_##S(FirstOf(R(), k, N_ / 2)))};           \
    }                                                                                      \
  };                                                                                       \
  struct V##Mask {                                                                         \
    R a, b;                                                                                \
  };                                                                                       \
  OPTIM_BOTH(V, S, operator+, add)                                                         \
  OPTIM_BOTH(V, S, operator-, sub)                                                         \
  OPTIM_BOTH(V, S, operator*, mul)                                                         \
  OPTIM_BOTH(V, S, operator/, div)                                                         \
  OPTIM_BOTH(V, S, Max, max)                                                               \
  OPTIM_BOTH(V, S, Min, min)                                                               \
  OPTIM_COMPARE(V, S, Lt, _CMP_LT_OQ)                                                      \
  OPTIM_COMPARE(V, S, Le, _CMP_LE_OQ)                                                      \
  OPTIM_COMPARE(V, S, Gt, _CMP_GT_OQ)                                                      \
  OPTIM_COMPARE(V, S, Ge, _CMP_GE_OQ)                                                      \
  OPTIM_COMPARE(V, S, Eq, _CMP_EQ_OQ)                                                      \
  inline V Fma(V x, V y, V z) {                                                            \
    return {_mm256_fmadd_##S(x.a, y.a, z.a), _mm256_fmadd_##S(x.b, y.b, z.b)};             \
  }                                                                                        \
  inline V Sqrt(V x) {                                                                     \
    return {_mm256_sqrt_##S(x.a), _mm256_sqrt_##S(x.b)};                                   \
  }                                                                                        \
  inline V Abs(V x) {                                                                      \
    const R sign = _mm256_set1_##S(static_cast<T_>(-0.0));                                 \
    return {_mm256_andnot_##S(sign, x.a), _mm256_andnot_##S(sign, x.b)};                   \
  }                                                                                        \
  inline V##Mask And(V##Mask x, V##Mask y) {                                               \
    return {_mm256_and_##S(x.a, y.a), _mm256_and_##S(x.b, y.b)};                           \
  }                                                                                        \
  inline V##Mask Or(V##Mask x, V##Mask y) {                                                \
    return {_mm256_or_##S(x.a, y.a), _mm256_or_##S(x.b, y.b)};                             \
  }                                                                                        \
  inline V##Mask Not(V##Mask x) {                                                          \
    const R ones = _mm256_cmp_##S(_mm256_setzero_##S(), _mm256_setzero_##S(), _CMP_EQ_OQ); \
    return {_mm256_xor_##S(x.a, ones), _mm256_xor_##S(x.b, ones)};                         \
  }                                                                                        \
  inline V Select(V##Mask m, V x, V y) {                                                   \
    return {_mm256_blendv_##S(y.a, x.a, m.a), _mm256_blendv_##S(y.b, x.b, m.b)};           \
  }
#define OPTIM_BOTH(V, S, Name, op)                                     \
  inline V Name(V x, V y) {                                            \
    return {_mm256_##op##_##S(x.a, y.a), _mm256_##op##_##S(x.b, y.b)}; \
  }
#define OPTIM_COMPARE(V, S, Name, how)                                     \
  inline V##Mask Name(V x, V y) {                                          \
    return {_mm256_cmp_##S(x.a, y.a, how), _mm256_cmp_##S(x.b, y.b, how)}; \
  }

OPTIM_LANES(F32, float, 16, __m256, ps)
OPTIM_LANES(F64, double, 8, __m256d, pd)
#undef OPTIM_LANES
#undef OPTIM_BOTH
#undef OPTIM_COMPARE

inline double SumLanes(F32 x) {
  const __m256 s8 = _mm256_add_ps(x.a, x.b);
  const __m128 s4 = _mm_add_ps(_mm256_castps256_ps128(s8), _mm256_extractf128_ps(s8, 1));
  const __m128 s2 = _mm_add_ps(s4, _mm_movehl_ps(s4, s4));
  return static_cast<double>(_mm_cvtss_f32(_mm_add_ss(s2, _mm_movehdup_ps(s2))));
}
inline double SumLanes(F64 x) {
  const __m256d s4 = _mm256_add_pd(x.a, x.b);
  const __m128d s2 = _mm_add_pd(_mm256_castpd256_pd128(s4), _mm256_extractf128_pd(s4, 1));
  return _mm_cvtsd_f64(_mm_add_sd(s2, _mm_unpackhi_pd(s2, s2)));
}

inline void Widen(F32 x, F64* low, F64* high) {
  *low = {_mm256_cvtps_pd(_mm256_castps256_ps128(x.a)),
          _mm256_cvtps_pd(_mm256_extractf128_ps(x.a, 1))};
  *high = {_mm256_cvtps_pd(_mm256_castps256_ps128(x.b)),
           _mm256_cvtps_pd(_mm256_extractf128_ps(x.b, 1))};
}
inline void AddTo(double* at, __m256d x) {
  _mm256_storeu_pd(at, _mm256_add_pd(_mm256_loadu_pd(at), x));
}
inline void AddWide(double* at, F64 x) {
  AddTo(at, x.a);
  AddTo(at + 4, x.b);
}
inline void RaiseAt(double* at, __m256d x) {
  _mm256_storeu_pd(at, _mm256_max_pd(_mm256_loadu_pd(at), x));
}
inline void RaiseWide(double* at, F64 x) {
  RaiseAt(at, x.a);
  RaiseAt(at + 4, x.b);
}
// Halves are bf16.
inline F32 LoadHalf(const unsigned short* p) {
  const auto part = [](const unsigned short* at) {
    const __m128i b = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(b), 16));
  };
  return {part(p), part(p + 8)};
}
// To nearest even.
inline F32 RoundHalf(F32 x) {
  const auto round = [](__m256 v) {
    const __m256i u = _mm256_castps_si256(v);
    const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(u, 16), _mm256_set1_epi32(1));
    const __m256i up = _mm256_add_epi32(u, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
    const __m256i quiet = _mm256_or_si256(u, _mm256_set1_epi32(0x400000));
    const __m256 nan = _mm256_cmp_ps(v, v, _CMP_UNORD_Q);
    const __m256i picked = _mm256_blendv_epi8(up, quiet, _mm256_castps_si256(nan));
    return _mm256_castsi256_ps(
        _mm256_and_si256(picked, _mm256_set1_epi32(static_cast<int>(0xffff0000u))));
  };
  return {round(x.a), round(x.b)};
}
// What HalfRounding says, at sixteen places from `add` on.
inline void StoreHalf(unsigned short* p, F32 x, const unsigned* add, unsigned key, unsigned odd) {
  const auto high = [&](__m256 v, const unsigned* at) {
    const __m256i u = _mm256_castps_si256(v);
    const __m256i bits = _mm256_xor_si256(_mm256_set1_epi32(static_cast<int>(key)),
                                          _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at)));
    __m256i up = _mm256_add_epi32(u, bits);
    if (odd != 0) {
      up = _mm256_add_epi32(up, _mm256_and_si256(_mm256_srli_epi32(u, 16), _mm256_set1_epi32(1)));
    }
    const __m256i quiet = _mm256_or_si256(u, _mm256_set1_epi32(0x400000));
    const __m256 nan = _mm256_cmp_ps(v, v, _CMP_UNORD_Q);
    return _mm256_srli_epi32(_mm256_blendv_epi8(up, quiet, _mm256_castps_si256(nan)), 16);
  };
  const __m256i r = high(x.a, add), s = high(x.b, add + 8);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p),
                      _mm256_permute4x64_epi64(_mm256_packus_epi32(r, s), 0xd8));
}
inline F32 Narrow(F64 low, F64 high) {
  return {_mm256_set_m128(_mm256_cvtpd_ps(low.b), _mm256_cvtpd_ps(low.a)),
          _mm256_set_m128(_mm256_cvtpd_ps(high.b), _mm256_cvtpd_ps(high.a))};
}
// 2^k of whole numbers in the range of normal exponents.
inline __m256d PowerOfTwo1(__m256d k) {
  const __m256d biased = _mm256_add_pd(k, _mm256_set1_pd(6755399441055744.0 + 1023.0));
  return _mm256_castsi256_pd(_mm256_slli_epi64(_mm256_castpd_si256(biased), 52));
}
// A first guess at the inverse cube root of normal numbers, by a third of their bits.
inline F32 GuessInverseCubeRoot(F32 x) {
  const auto part = [](__m256 v) {
    const __m256i high = _mm256_srli_epi32(_mm256_castps_si256(v), 16);
    const __m256i third = _mm256_mullo_epi32(high, _mm256_set1_epi32(21845));
    return _mm256_castsi256_ps(_mm256_sub_epi32(_mm256_set1_epi32(0x548c39cb), third));
  };
  return {part(x.a), part(x.b)};
}
inline F32 PowerOfTwo(F32 k) {
  const auto part = [](__m256 v) {
    const __m256 biased = _mm256_add_ps(v, _mm256_set1_ps(12582912.0f + 127.0f));
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_castps_si256(biased), 23));
  };
  return {part(k.a), part(k.b)};
}
inline F64 PowerOfTwo(F64 k) {
  return {PowerOfTwo1(k.a), PowerOfTwo1(k.b)};
}
// m of x = 2^k m, 1/sqrt(2) <= m < sqrt(2), for positive normal x.
inline __m256 SplitExponent1(__m256 x, __m256* k) {
  const __m256i bits = _mm256_castps_si256(x);
  const __m256i over = _mm256_add_epi32(bits, _mm256_set1_epi32(0x004afb0d));
  const __m256i exponent = _mm256_sub_epi32(_mm256_srli_epi32(over, 23), _mm256_set1_epi32(127));
  *k = _mm256_cvtepi32_ps(exponent);
  return _mm256_castsi256_ps(_mm256_sub_epi32(bits, _mm256_slli_epi32(exponent, 23)));
}
inline F32 SplitExponent(F32 x, F32* k) {
  F32 m;
  m.a = SplitExponent1(x.a, &k->a);
  m.b = SplitExponent1(x.b, &k->b);
  return m;
}
inline __m256d SplitExponent1(__m256d x, __m256d* k) {
  const __m256i bits = _mm256_castpd_si256(x);
  const __m256i over = _mm256_add_epi64(bits, _mm256_set1_epi64x(0x00095f619980c433ll));
  const __m256i biased = _mm256_srli_epi64(over, 52);
  const __m256d two52 = _mm256_set1_pd(4503599627370496.0);
  const __m256d as_double =
      _mm256_castsi256_pd(_mm256_or_si256(biased, _mm256_castpd_si256(two52)));
  *k = _mm256_sub_pd(as_double, _mm256_set1_pd(4503599627370496.0 + 1023.0));
  const __m256i shift = _mm256_slli_epi64(_mm256_sub_epi64(biased, _mm256_set1_epi64x(1023)), 52);
  return _mm256_castsi256_pd(_mm256_sub_epi64(bits, shift));
}
inline F64 SplitExponent(F64 x, F64* k) {
  F64 m;
  m.a = SplitExponent1(x.a, &k->a);
  m.b = SplitExponent1(x.b, &k->b);
  return m;
}

}  // namespace
}  // namespace malmoi::optim

#include "optim/functions-inl.h"
