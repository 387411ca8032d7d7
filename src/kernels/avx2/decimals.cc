#if defined(__x86_64__)
#include <immintrin.h>

#include <cstddef>

#include "kernels/decimals-inl.h"
#include "kernels/decimals_internal.h"

namespace malmoi::kernels {
namespace {

unsigned CommasOf32(const char* at) {
  const __m256i v = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at));
  return static_cast<unsigned>(_mm256_movemask_epi8(_mm256_cmpeq_epi8(v, _mm256_set1_epi8(','))));
}

unsigned long long Commas(const char* at) {
  return CommasOf32(at) | static_cast<unsigned long long>(CommasOf32(at + 32)) << 32;
}

// From element n on, 16 bytes of which the last n are ones.
constexpr unsigned char kLastOnes[32] = {
    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,
    0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF};

// 16 bytes from either place.
__m256i Two(const void* low, const void* high) {
  const __m128i first = _mm_loadu_si128(static_cast<const __m128i*>(low));
  return _mm256_inserti128_si256(_mm256_castsi128_si256(first),
                                 _mm_loadu_si128(static_cast<const __m128i*>(high)), 1);
}

// Numbers i and j as four times four digits each, of 32 bits. *wrong is not zero where something
// else stands among them.
__m256i FourDigits(const char* at, const Four& four, int i, int j, __m256i* wrong) {
  const __m256i behind = Two(kLastOnes + four.some[i], kLastOnes + four.some[j]);
  const __m256i with_point = Two(kLastOnes + four.some[i] + 1, kLastOnes + four.some[j] + 1);
  const __m256i point = _mm256_andnot_si256(behind, with_point);
  const char* const ends[] = {at + four.end[i] - 16, at + four.end[j] - 16};
  __m256i v = Two(ends[0], ends[1]);
  const __m256i dots = _mm256_cmpeq_epi8(v, _mm256_set1_epi8('.'));
  *wrong = _mm256_or_si256(*wrong, _mm256_andnot_si256(dots, point));
  // The digit before the point moves onto its place.
  v = _mm256_blendv_epi8(v, Two(ends[0] - 1, ends[1] - 1), point);
  v = _mm256_and_si256(_mm256_sub_epi8(v, _mm256_set1_epi8('0')), with_point);
  *wrong = _mm256_or_si256(*wrong, _mm256_subs_epu8(v, _mm256_set1_epi8(9)));
  v = _mm256_maddubs_epi16(v, _mm256_set1_epi16(10 | 1 << 8));
  return _mm256_madd_epi16(v, _mm256_set1_epi32(100 | 1 << 16));
}

// The digits of each number as one integer below 10^16, rounded to a double once. False: something
// else stands among them.
bool Digits(const char* at, const Four& four, __m256d* out) {
  __m256i wrong = _mm256_setzero_si256();
  const __m256i even = FourDigits(at, four, 0, 2, &wrong);
  const __m256i odd = FourDigits(at, four, 1, 3, &wrong);
  if (!_mm256_testz_si256(wrong, wrong)) return false;
  // Packing goes by halves: the digits of 0, 1 and of 2, 3.
  const __m256i v =
      _mm256_madd_epi16(_mm256_packus_epi32(even, odd), _mm256_set1_epi32(10'000 | 1 << 16));
  // Eight digits, eight, and again: first all of the front.
  const __m256i parts = _mm256_permutevar8x32_epi32(v, _mm256_setr_epi32(0, 2, 4, 6, 1, 3, 5, 7));
  const __m256d front = _mm256_cvtepi32_pd(_mm256_castsi256_si128(parts));
  const __m256d back = _mm256_cvtepi32_pd(_mm256_extracti128_si256(parts, 1));
  *out = _mm256_fmadd_pd(front, _mm256_set1_pd(1e8), back);
  return true;
}

}  // namespace

std::size_t Avx2Decimals(const char* begin, const char** at_io, const char* end, float* out,
                         std::size_t room) {
  const char* at = *at_io;
  std::size_t count = 0;
  const __m256i low = _mm256_set1_epi64x(0x1FFFFFFF);  // What a float lacks of a double.
  const __m256i middle = _mm256_set1_epi64x(kMiddle);
  const __m128i lanes = _mm_setr_epi32(1, 2, 4, 8);
  while (count + 4 <= room && end - at >= 128 && at - begin >= 17) {
    Four four;
    __m256d digits;
    if (!Find(at, &four, Commas) || !Digits(at, four, &digits)) break;
    const __m256d tenths = _mm256_set_pd(kTenths[four.some[3]], kTenths[four.some[2]],
                                         kTenths[four.some[1]], kTenths[four.some[0]]);
    const __m256d values = _mm256_mul_pd(digits, tenths);
    const __m256i rest =
        _mm256_sub_epi64(_mm256_and_si256(_mm256_castpd_si256(values), low), middle);
    const __m256i outside = _mm256_or_si256(_mm256_cmpgt_epi64(_mm256_setzero_si256(), rest),
                                            _mm256_cmpgt_epi64(rest, _mm256_set1_epi64x(kAround)));
    if (_mm256_movemask_pd(_mm256_castsi256_pd(outside)) != 0xF) break;
    const __m256d small = _mm256_cmp_pd(values, _mm256_set1_pd(kLongLeast), _CMP_LT_OQ);
    if (four.longer && _mm256_movemask_pd(small) != 0) break;
    const __m128i minus = _mm_cmpeq_epi32(
        _mm_and_si128(_mm_set1_epi32(static_cast<int>(four.negative)), lanes), lanes);
    const __m128 sign = _mm_and_ps(_mm_castsi128_ps(minus), _mm_set1_ps(-0.0f));
    _mm_storeu_ps(out + count, _mm_xor_ps(_mm256_cvtpd_ps(values), sign));
    count += 4;
    at += four.comma[3] + 1;
  }
  *at_io = at;
  return count;
}

}  // namespace malmoi::kernels
#endif
