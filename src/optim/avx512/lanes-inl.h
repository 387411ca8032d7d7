#pragma once

#include <immintrin.h>

#include <cstddef>

// Sixteen f32 lanes and eight f64 lanes for AVX-512. Same names and same results, bit for bit, as
// avx2/lanes-inl.h and scalar/lanes-inl.h. Fma rounds once; Max and Min give the second operand
// where either is NaN; Call applies a libm function lane by lane.
namespace malmoi::optim {
namespace {

#define OPTIM_LANES(V, T_, N_, R, M, S)                                \
  struct V {                                                           \
    using T = T_;                                                      \
    static constexpr std::size_t kLanes = N_;                          \
    R v;                                                               \
    static inline V Set(T a) { return {_mm512_set1_##S(a)}; }          \
    static inline V Load(const T* a) { return {_mm512_loadu_##S(a)}; } \
    inline void Store(T* a) const { _mm512_storeu_##S(a, v); }         \
  };                                                                   \
  struct V##Mask {                                                     \
    M m;                                                               \
  };                                                                   \
  inline V operator+(V a, V b) {                                       \
    return {_mm512_add_##S(a.v, b.v)};                                 \
  }                                                                    \
  inline V operator-(V a, V b) {                                       \
    return {_mm512_sub_##S(a.v, b.v)};                                 \
  }                                                                    \
  inline V operator*(V a, V b) {                                       \
    return {_mm512_mul_##S(a.v, b.v)};                                 \
  }                                                                    \
  inline V operator/(V a, V b) {                                       \
    return {_mm512_div_##S(a.v, b.v)};                                 \
  }                                                                    \
  inline V Fma(V a, V b, V c) {                                        \
    return {_mm512_fmadd_##S(a.v, b.v, c.v)};                          \
  }                                                                    \
  inline V Sqrt(V a) {                                                 \
    return {_mm512_sqrt_##S(a.v)};                                     \
  }                                                                    \
  inline V Abs(V a) {                                                  \
    return {_mm512_abs_##S(a.v)};                                      \
  }                                                                    \
  inline V Max(V a, V b) {                                             \
    return {_mm512_max_##S(a.v, b.v)};                                 \
  }                                                                    \
  inline V Min(V a, V b) {                                             \
    return {_mm512_min_##S(a.v, b.v)};                                 \
  }                                                                    \
  inline V##Mask Lt(V a, V b) {                                        \
    return {_mm512_cmp_##S##_mask(a.v, b.v, _CMP_LT_OQ)};              \
  }                                                                    \
  inline V##Mask Le(V a, V b) {                                        \
    return {_mm512_cmp_##S##_mask(a.v, b.v, _CMP_LE_OQ)};              \
  }                                                                    \
  inline V##Mask Gt(V a, V b) {                                        \
    return {_mm512_cmp_##S##_mask(a.v, b.v, _CMP_GT_OQ)};              \
  }                                                                    \
  inline V##Mask Ge(V a, V b) {                                        \
    return {_mm512_cmp_##S##_mask(a.v, b.v, _CMP_GE_OQ)};              \
  }                                                                    \
  inline V##Mask Eq(V a, V b) {                                        \
    return {_mm512_cmp_##S##_mask(a.v, b.v, _CMP_EQ_OQ)};              \
  }                                                                    \
  inline V##Mask And(V##Mask a, V##Mask b) {                           \
    return {static_cast<M>(a.m & b.m)};                                \
  }                                                                    \
  inline V##Mask Or(V##Mask a, V##Mask b) {                            \
    return {static_cast<M>(a.m | b.m)};                                \
  }                                                                    \
  inline V##Mask Not(V##Mask a) {                                      \
    return {static_cast<M>(~a.m)};                                     \
  }                                                                    \
  inline V Select(V##Mask m, V a, V b) {                               \
    return {_mm512_mask_mov_##S(b.v, m.m, a.v)};                       \
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

}  // namespace
}  // namespace malmoi::optim

#include "optim/functions-inl.h"
