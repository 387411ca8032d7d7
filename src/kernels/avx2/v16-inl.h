#pragma once

#include <immintrin.h>

#include <cstddef>

// Sixteen f32 lanes for AVX2 and FMA: two registers. See avx512/v16-inl.h for what each does.
namespace malmoi::kernels {
namespace {

struct V16 {
  __m256 lo, hi;
};

inline V16 Set(float x) {
  return {_mm256_set1_ps(x), _mm256_set1_ps(x)};
}
inline V16 Load(const float* p) {
  return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)};
}
inline void Store(float* p, V16 a) {
  _mm256_storeu_ps(p, a.lo);
  _mm256_storeu_ps(p + 8, a.hi);
}
// All ones in lanes below n, of lanes first .. first + 8.
inline __m256i LanesBelow(std::size_t n, int first) {
  const __m256i lane =
      _mm256_add_epi32(_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7), _mm256_set1_epi32(first));
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)), lane);
}
inline V16 LoadPart(const float* p, std::size_t n, V16 fill) {
  const __m256i lo = LanesBelow(n, 0);
  const __m256i hi = LanesBelow(n, 8);
  return {_mm256_blendv_ps(fill.lo, _mm256_maskload_ps(p, lo), _mm256_castsi256_ps(lo)),
          _mm256_blendv_ps(fill.hi, _mm256_maskload_ps(p + 8, hi), _mm256_castsi256_ps(hi))};
}
inline void StorePart(float* p, std::size_t n, V16 a) {
  _mm256_maskstore_ps(p, LanesBelow(n, 0), a.lo);
  _mm256_maskstore_ps(p + 8, LanesBelow(n, 8), a.hi);
}
inline V16 KeepPart(V16 a, std::size_t n) {
  return {_mm256_and_ps(a.lo, _mm256_castsi256_ps(LanesBelow(n, 0))),
          _mm256_and_ps(a.hi, _mm256_castsi256_ps(LanesBelow(n, 8)))};
}
inline V16 Add(V16 a, V16 b) {
  return {_mm256_add_ps(a.lo, b.lo), _mm256_add_ps(a.hi, b.hi)};
}
inline V16 Sub(V16 a, V16 b) {
  return {_mm256_sub_ps(a.lo, b.lo), _mm256_sub_ps(a.hi, b.hi)};
}
inline V16 Mul(V16 a, V16 b) {
  return {_mm256_mul_ps(a.lo, b.lo), _mm256_mul_ps(a.hi, b.hi)};
}
inline V16 Div(V16 a, V16 b) {
  return {_mm256_div_ps(a.lo, b.lo), _mm256_div_ps(a.hi, b.hi)};
}
inline V16 Fma(V16 a, V16 b, V16 c) {
  return {_mm256_fmadd_ps(a.lo, b.lo, c.lo), _mm256_fmadd_ps(a.hi, b.hi, c.hi)};
}
inline V16 Max(V16 a, V16 b) {
  return {_mm256_max_ps(a.lo, b.lo), _mm256_max_ps(a.hi, b.hi)};
}
inline V16 Min(V16 a, V16 b) {
  return {_mm256_min_ps(a.lo, b.lo), _mm256_min_ps(a.hi, b.hi)};
}
inline V16 Abs(V16 a) {
  const __m256 sign = _mm256_set1_ps(-0.0f);
  return {_mm256_andnot_ps(sign, a.lo), _mm256_andnot_ps(sign, a.hi)};
}
inline V16 Pow2(V16 shifted) {
  const __m256i offset = _mm256_set1_epi32(127 - 0x4b400000);
  const __m256i lo = _mm256_add_epi32(_mm256_castps_si256(shifted.lo), offset);
  const __m256i hi = _mm256_add_epi32(_mm256_castps_si256(shifted.hi), offset);
  return {_mm256_castsi256_ps(_mm256_slli_epi32(lo, 23)),
          _mm256_castsi256_ps(_mm256_slli_epi32(hi, 23))};
}
inline __m256 Choose8(const float* table, __m256 index) {
  const __m256i i = _mm256_castps_si256(index);
  return _mm256_blendv_ps(_mm256_permutevar8x32_ps(_mm256_loadu_ps(table), i),
                          _mm256_permutevar8x32_ps(_mm256_loadu_ps(table + 8), i),
                          _mm256_castsi256_ps(_mm256_slli_epi32(i, 28)));
}
inline V16 Choose(const float* table, V16 index) {
  return {Choose8(table, index.lo), Choose8(table, index.hi)};
}
inline float Sum(V16 a) {
  const __m256 s8 = _mm256_add_ps(a.lo, a.hi);
  const __m128 s4 = _mm_add_ps(_mm256_castps256_ps128(s8), _mm256_extractf128_ps(s8, 1));
  const __m128 s2 = _mm_add_ps(s4, _mm_movehl_ps(s4, s4));
  return _mm_cvtss_f32(_mm_add_ss(s2, _mm_movehdup_ps(s2)));
}
inline float MaxLane(V16 a) {
  const __m256 s8 = _mm256_max_ps(a.lo, a.hi);
  const __m128 s4 = _mm_max_ps(_mm256_castps256_ps128(s8), _mm256_extractf128_ps(s8, 1));
  const __m128 s2 = _mm_max_ps(s4, _mm_movehl_ps(s4, s4));
  return _mm_cvtss_f32(_mm_max_ss(s2, _mm_movehdup_ps(s2)));
}
inline float Sqrt(float x) {
  return _mm_cvtss_f32(_mm_sqrt_ss(_mm_set_ss(x)));
}

inline V16 FromInts(const void* p) {
  const auto* v = static_cast<const __m256i*>(p);
  return {_mm256_cvtepi32_ps(_mm256_loadu_si256(v)), _mm256_cvtepi32_ps(_mm256_loadu_si256(v + 1))};
}
inline __m256i Bf16Bits(__m256 a) {
  const __m256i u = _mm256_castps_si256(a);
  const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(u, 16), _mm256_set1_epi32(1));
  const __m256i up = _mm256_add_epi32(u, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
  const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(a, a, _CMP_UNORD_Q));
  return _mm256_blendv_epi8(up, _mm256_or_si256(u, _mm256_set1_epi32(0x400000)), nan);
}
// The low halves of the lanes of both, in order.
inline __m256i LowHalves(__m256i low, __m256i high) {
  const __m256i mask = _mm256_set1_epi32(0xffff);
  const __m256i packed =
      _mm256_packus_epi32(_mm256_and_si256(low, mask), _mm256_and_si256(high, mask));
  return _mm256_permute4x64_epi64(packed, 0xd8);
}
inline void StoreBf16(void* p, V16 a) {
  _mm256_storeu_si256(static_cast<__m256i*>(p), LowHalves(_mm256_srli_epi32(Bf16Bits(a.lo), 16),
                                                          _mm256_srli_epi32(Bf16Bits(a.hi), 16)));
}
inline V16 RoundBf16(V16 a) {
  const __m256i mask = _mm256_set1_epi32(static_cast<int>(0xffff0000u));
  return {_mm256_castsi256_ps(_mm256_and_si256(Bf16Bits(a.lo), mask)),
          _mm256_castsi256_ps(_mm256_and_si256(Bf16Bits(a.hi), mask))};
}
inline void StoreShorts(void* p, V16 a) {
  _mm256_storeu_si256(static_cast<__m256i*>(p),
                      LowHalves(_mm256_castps_si256(a.lo), _mm256_castps_si256(a.hi)));
}
inline void StoreBytes(void* p, V16 a) {
  const __m256i halves = _mm256_and_si256(
      LowHalves(_mm256_castps_si256(a.lo), _mm256_castps_si256(a.hi)), _mm256_set1_epi16(0xff));
  _mm_storeu_si128(static_cast<__m128i*>(p), _mm_packus_epi16(_mm256_castsi256_si128(halves),
                                                              _mm256_extracti128_si256(halves, 1)));
}

}  // namespace
}  // namespace malmoi::kernels
