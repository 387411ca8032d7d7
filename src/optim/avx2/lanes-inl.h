#pragma once

#include <immintrin.h>

#include <cstddef>

// The lanes of avx512/lanes-inl.h in two registers each.
namespace malmoi::optim {
namespace {

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

}  // namespace
}  // namespace malmoi::optim

#include "optim/functions-inl.h"
