#if defined(__x86_64__)
#include <immintrin.h>

#include <cstddef>
#include <cstdint>

namespace malmoi::ann {
namespace {

using Sum = __m256i;
constexpr std::size_t kStep = 32;

inline Sum Zero() {
  return _mm256_setzero_si256();
}
// A product pair is at most 2 * 15 * 128, two of them 7,680: inside 16 bits.
inline Sum Accumulate(Sum s, const std::uint8_t* code, const std::int8_t* low,
                      const std::int8_t* high) {
  const __m256i mask = _mm256_set1_epi8(15);
  const __m256i c = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(code));
  const __m256i a = _mm256_maddubs_epi16(_mm256_and_si256(c, mask),
                                         _mm256_loadu_si256(reinterpret_cast<const __m256i*>(low)));
  const __m256i b =
      _mm256_maddubs_epi16(_mm256_and_si256(_mm256_srli_epi16(c, 4), mask),
                           _mm256_loadu_si256(reinterpret_cast<const __m256i*>(high)));
  return _mm256_add_epi32(s, _mm256_madd_epi16(_mm256_add_epi16(a, b), _mm256_set1_epi16(1)));
}
inline void Total4(Sum a, Sum b, Sum c, Sum d, std::int32_t* out) {
  const __m256i t = _mm256_hadd_epi32(_mm256_hadd_epi32(a, b), _mm256_hadd_epi32(c, d));
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

#include "ann/scores-inl.h"

namespace malmoi::ann {

const ScoreTable kAvx2Scores = {"avx2", Four, Eight, Hadamard};

}  // namespace malmoi::ann
#endif
