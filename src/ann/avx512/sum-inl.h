#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

// What the two AVX-512 levels share: 64 bytes a step, sums of sixteen 32-bit lanes.
namespace malmoi::ann {
namespace {

using Sum = __m512i;
constexpr std::size_t kStep = 64;

inline Sum Zero() {
  return _mm512_setzero_si512();
}
inline __m256i Halves(Sum s) {
  return _mm256_add_epi32(_mm512_castsi512_si256(s), _mm512_extracti64x4_epi64(s, 1));
}
inline void Total4(Sum a, Sum b, Sum c, Sum d, std::int32_t* out) {
  const __m256i t = _mm256_hadd_epi32(_mm256_hadd_epi32(Halves(a), Halves(b)),
                                      _mm256_hadd_epi32(Halves(c), Halves(d)));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(out),
                   _mm_add_epi32(_mm256_castsi256_si128(t), _mm256_extracti128_si256(t, 1)));
}
inline std::int32_t Total(Sum s) {
  std::int32_t out[4];
  Total4(s, s, s, s, out);
  return out[0];
}

}  // namespace
}  // namespace malmoi::ann
