#if defined(__x86_64__)
#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "ann/scores_internal.h"

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

// Four sums of two products, at most 30,720 in all, fit 16 bits: those of two blocks are
// widened at once.
inline __m256i Pairs(__m256i s, const std::uint8_t* code, __m256i low, __m256i high) {
  const __m256i mask = _mm256_set1_epi8(15);
  const __m256i c = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(code));
  const __m256i a = _mm256_maddubs_epi16(_mm256_and_si256(c, mask), low);
  const __m256i b = _mm256_maddubs_epi16(_mm256_and_si256(_mm256_srli_epi16(c, 4), mask), high);
  return _mm256_add_epi16(_mm256_add_epi16(s, a), b);
}
inline Sum Widened(Sum s, __m256i pairs) {
  return _mm256_add_epi32(s, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

#define MALMOI_ANN_ROWS4
inline __attribute__((always_inline)) void Rows4(const std::int8_t* plane, std::size_t blocks,
                                                 const std::uint8_t* r0, const std::uint8_t* r1,
                                                 const std::uint8_t* r2, const std::uint8_t* r3,
                                                 std::int32_t* out) {
  Sum s0 = Zero(), s1 = Zero(), s2 = Zero(), s3 = Zero();
  for (std::size_t b = 0; b < blocks; b += 2) {
    __m256i p0 = Zero(), p1 = Zero(), p2 = Zero(), p3 = Zero();
    const std::size_t end = b + 2 < blocks ? b + 2 : blocks;
    for (std::size_t at = b * 64; at < end * 64; at += kStep) {
      const std::int8_t* q = plane + at / 64 * 128 + at % 64;
      const __m256i low = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(q));
      const __m256i high = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(q + 64));
      p0 = Pairs(p0, r0 + at, low, high);
      p1 = Pairs(p1, r1 + at, low, high);
      p2 = Pairs(p2, r2 + at, low, high);
      p3 = Pairs(p3, r3 + at, low, high);
    }
    s0 = Widened(s0, p0);
    s1 = Widened(s1, p1);
    s2 = Widened(s2, p2);
    s3 = Widened(s3, p3);
  }
  Total4(s0, s1, s2, s3, out);
}

#define MALMOI_ANN_JOIN
std::int32_t Join(const std::uint8_t* first, const std::uint8_t* second, std::size_t blocks,
                  std::int8_t* plane) {
  const __m256i low = _mm256_set1_epi8(15), top = _mm256_set1_epi8(-128);
  const auto at = [](const void* p) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); };
  __m256i sum = Zero();
  for (std::size_t i = 0; i < blocks * 64; i += kStep) {
    const __m256i f = at(first + i), s = at(second + i);
    const __m256i near =
        _mm256_or_si256(_mm256_slli_epi16(_mm256_and_si256(f, low), 4), _mm256_and_si256(s, low));
    const __m256i far = _mm256_or_si256(_mm256_andnot_si256(low, f),
                                        _mm256_and_si256(_mm256_srli_epi16(s, 4), low));
    sum = _mm256_add_epi64(sum, _mm256_sad_epu8(near, Zero()));
    sum = _mm256_add_epi64(sum, _mm256_sad_epu8(far, Zero()));
    auto* out = reinterpret_cast<__m256i*>(plane + i / 64 * 128 + i % 64);
    _mm256_storeu_si256(out, _mm256_xor_si256(near, top));
    _mm256_storeu_si256(out + 2, _mm256_xor_si256(far, top));
  }
  std::int64_t lanes[4];
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(lanes), sum);
  return static_cast<std::int32_t>(lanes[0] + lanes[1] + lanes[2] + lanes[3]) -
         static_cast<std::int32_t>(blocks) * 128 * 128;
}

// Counts of bits by a table of nibbles, which holds the plane's weight too.
template <std::size_t Stride>
inline __attribute__((always_inline)) std::int32_t SignSum(const SignQuery& query,
                                                           std::size_t stride,
                                                           const std::uint8_t* row) {
  const auto at = [](const void* p) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); };
  const __m256i low = _mm256_set1_epi8(15);
  const __m256i counts = _mm256_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4, 0, 1, 1,
                                          2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4);
  __m256i sum = Zero();
  for (std::size_t i = 0; i < stride; i += kStep) {
    const __m256i bits = at(row + i);
    __m256i of[4];
    for (int p = 0; p < 4; ++p) {
      const __m256i x = _mm256_and_si256(bits, at(query.planes + p * stride + i));
      const __m256i a = _mm256_shuffle_epi8(counts, _mm256_and_si256(x, low));
      const __m256i b = _mm256_shuffle_epi8(counts, _mm256_and_si256(_mm256_srli_epi16(x, 4), low));
      of[p] = _mm256_add_epi8(a, b);
    }
    // At most 8 in a byte of each plane: 8 + 16 + 32, and 64.
    const __m256i two = _mm256_add_epi8(of[2], of[2]);
    const __m256i up = _mm256_add_epi8(
        of[0], _mm256_add_epi8(_mm256_add_epi8(of[1], of[1]), _mm256_add_epi8(two, two)));
    const __m256i down = _mm256_slli_epi64(_mm256_sad_epu8(of[3], Zero()), 3);
    sum = _mm256_add_epi64(sum, _mm256_sub_epi64(_mm256_sad_epu8(up, Zero()), down));
  }
  const __m128i half = _mm_add_epi64(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
  return static_cast<std::int32_t>(_mm_cvtsi128_si64(half) + _mm_extract_epi64(half, 1));
}

}  // namespace
}  // namespace malmoi::ann

#include "ann/hop-inl.h"
#include "ann/query-inl.h"
#include "ann/scores-inl.h"
#include "ann/sift-inl.h"

namespace malmoi::ann {

const ScoreTable kAvx2Scores = {"avx2", Four, Eight, Offer,  WalkAll, Rotate,
                                Split,  Join, Pick,  Marked, Sift};

}  // namespace malmoi::ann
#endif
