#pragma once

#include <immintrin.h>

#include <cstddef>

// Sixteen f32 lanes for AVX-512. Same names and same results, bit for bit, as avx2/v16-inl.h and
// scalar/v16-inl.h; vector-inl.h is written against them.
namespace malmoi::kernels {
namespace {

struct V16 {
  __m512 v;
};

inline V16 Set(float x) {
  return {_mm512_set1_ps(x)};
}
inline V16 Load(const float* p) {
  return {_mm512_loadu_ps(p)};
}
inline void Store(float* p, V16 a) {
  _mm512_storeu_ps(p, a.v);
}
// The first n < 16 lanes; the others are `fill`, and are not read.
inline V16 LoadPart(const float* p, std::size_t n, V16 fill) {
  return {_mm512_mask_loadu_ps(fill.v, static_cast<__mmask16>((1u << n) - 1), p)};
}
inline void StorePart(float* p, std::size_t n, V16 a) {
  _mm512_mask_storeu_ps(p, static_cast<__mmask16>((1u << n) - 1), a.v);
}
// Lanes n and above become zero.
inline V16 KeepPart(V16 a, std::size_t n) {
  return {_mm512_maskz_mov_ps(static_cast<__mmask16>((1u << n) - 1), a.v)};
}
inline V16 Add(V16 a, V16 b) {
  return {_mm512_add_ps(a.v, b.v)};
}
inline V16 Sub(V16 a, V16 b) {
  return {_mm512_sub_ps(a.v, b.v)};
}
inline V16 Mul(V16 a, V16 b) {
  return {_mm512_mul_ps(a.v, b.v)};
}
inline V16 Div(V16 a, V16 b) {
  return {_mm512_div_ps(a.v, b.v)};
}
// a * b + c, rounded once.
inline V16 Fma(V16 a, V16 b, V16 c) {
  return {_mm512_fmadd_ps(a.v, b.v, c.v)};
}
// a > b ? a : b; b where either is NaN.
inline V16 Max(V16 a, V16 b) {
  return {_mm512_max_ps(a.v, b.v)};
}
// a < b ? a : b; b where either is NaN.
inline V16 Min(V16 a, V16 b) {
  return {_mm512_min_ps(a.v, b.v)};
}
inline V16 Abs(V16 a) {
  return {_mm512_abs_ps(a.v)};
}
// 2 to the power of the integer in the low bits of `shifted` - 1.5 * 2^23.
inline V16 Pow2(V16 shifted) {
  const __m512i bits =
      _mm512_add_epi32(_mm512_castps_si512(shifted.v), _mm512_set1_epi32(127 - 0x4b400000));
  return {_mm512_castsi512_ps(_mm512_slli_epi32(bits, 23))};
}
// table[i] for the i in the low four bits of each lane.
inline V16 Choose(const float* table, V16 index) {
  return {_mm512_permutexvar_ps(_mm512_castps_si512(index.v), _mm512_loadu_ps(table))};
}

// Halves are combined: lane i with i + 8, then i + 4, i + 2, i + 1.
inline float Sum(V16 a) {
  const __m256 s8 = _mm256_add_ps(_mm512_castps512_ps256(a.v), _mm512_extractf32x8_ps(a.v, 1));
  const __m128 s4 = _mm_add_ps(_mm256_castps256_ps128(s8), _mm256_extractf128_ps(s8, 1));
  const __m128 s2 = _mm_add_ps(s4, _mm_movehl_ps(s4, s4));
  return _mm_cvtss_f32(_mm_add_ss(s2, _mm_movehdup_ps(s2)));
}
inline float MaxLane(V16 a) {
  const __m256 s8 = _mm256_max_ps(_mm512_castps512_ps256(a.v), _mm512_extractf32x8_ps(a.v, 1));
  const __m128 s4 = _mm_max_ps(_mm256_castps256_ps128(s8), _mm256_extractf128_ps(s8, 1));
  const __m128 s2 = _mm_max_ps(s4, _mm_movehl_ps(s4, s4));
  return _mm_cvtss_f32(_mm_max_ss(s2, _mm_movehdup_ps(s2)));
}
inline float Sqrt(float x) {
  return _mm_cvtss_f32(_mm_sqrt_ss(_mm_set_ss(x)));
}

// Sixteen integers of 32 bits, converted.
inline V16 FromInts(const void* p) {
  return {_mm512_cvtepi32_ps(_mm512_loadu_si512(p))};
}
// Rounded to bfloat16, to nearest and ties to even; NaN stays NaN. The low halves are not cleared.
inline __m512i Bf16Bits(V16 a) {
  const __m512i u = _mm512_castps_si512(a.v);
  const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(u, 16), _mm512_set1_epi32(1));
  const __m512i up = _mm512_add_epi32(u, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
  const __mmask16 nan = _mm512_cmp_ps_mask(a.v, a.v, _CMP_UNORD_Q);
  return _mm512_mask_or_epi32(up, nan, u, _mm512_set1_epi32(0x400000));
}
inline void StoreBf16(void* p, V16 a) {
#ifdef __AVX512BF16__
  // The same but for denormals, which become zero; the products of this level read them as zero.
  const __m256i out = (__m256i)_mm512_cvtneps_pbh(a.v);
#else
  const __m256i out = _mm512_cvtepi32_epi16(_mm512_srli_epi32(Bf16Bits(a), 16));
#endif
  _mm256_storeu_si256(static_cast<__m256i*>(p), out);
}
inline V16 RoundBf16(V16 a) {
  return {_mm512_castsi512_ps(
      _mm512_and_si512(Bf16Bits(a), _mm512_set1_epi32(static_cast<int>(0xffff0000u))))};
}
// The low 8 or 16 bits of each lane.
inline void StoreBytes(void* p, V16 a) {
  _mm_storeu_si128(static_cast<__m128i*>(p), _mm512_cvtepi32_epi8(_mm512_castps_si512(a.v)));
}
inline void StoreShorts(void* p, V16 a) {
  _mm256_storeu_si256(static_cast<__m256i*>(p), _mm512_cvtepi32_epi16(_mm512_castps_si512(a.v)));
}

}  // namespace
}  // namespace malmoi::kernels
