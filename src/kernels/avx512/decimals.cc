#if defined(__x86_64__)
#include <immintrin.h>

#include <cstddef>

#include "kernels/decimals-inl.h"
#include "kernels/decimals_internal.h"

namespace malmoi::kernels {
namespace {

unsigned long long Commas(const char* at) {
  return _mm512_cmpeq_epi8_mask(_mm512_loadu_si512(at), _mm512_set1_epi8(','));
}

// The 16 characters before each end, less `before`.
__m512i Characters(const char* at, const Four& four, int before) {
  const auto load = [&](int i) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(at + four.end[i] - 16 - before));
  };
  __m512i v = _mm512_castsi128_si512(load(0));
  v = _mm512_inserti32x4(v, load(1), 1);
  v = _mm512_inserti32x4(v, load(2), 2);
  return _mm512_inserti32x4(v, load(3), 3);
}

// The digits of each number as one integer, below 10^16. False: something else stands among them.
bool Digits(const char* at, const Four& four, __m256i* out) {
  unsigned long long behind = 0;  // The characters behind the points, of 16 each.
  for (int i = 0; i < 4; ++i) behind |= (0xFFFFull << (16 - four.some[i]) & 0xFFFF) << 16 * i;
  const unsigned long long points = behind >> 1 & ~behind;
  __m512i v = Characters(at, four, 0);
  if ((_mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8('.')) & points) != points) return false;
  // The digit before the point moves onto its place.
  v = _mm512_mask_mov_epi8(v, points, Characters(at, four, 1));
  v = _mm512_maskz_sub_epi8(behind | points, v, _mm512_set1_epi8('0'));
  if (_mm512_cmpgt_epu8_mask(v, _mm512_set1_epi8(9)) != 0) return false;
  v = _mm512_maddubs_epi16(v, _mm512_set1_epi16(10 | 1 << 8));
  v = _mm512_madd_epi16(v, _mm512_set1_epi32(100 | 1 << 16));
  v = _mm512_packus_epi32(v, v);
  v = _mm512_madd_epi16(v, _mm512_set1_epi32(10'000 | 1 << 16));  // Eight digits, eight, and again.
  v = _mm512_add_epi64(_mm512_mul_epu32(v, _mm512_set1_epi64(100'000'000)),
                       _mm512_srli_epi64(v, 32));
  *out = _mm512_castsi512_si256(_mm512_maskz_compress_epi64(0x55, v));
  return true;
}

}  // namespace

std::size_t Avx512Decimals(const char* begin, const char** at_io, const char* end, float* out,
                           std::size_t room) {
  const char* at = *at_io;
  std::size_t count = 0;
  const __m256i low = _mm256_set1_epi64x(0x1FFFFFFF);  // What a float lacks of a double.
  const __m256i middle = _mm256_set1_epi64x(kMiddle);
  while (count + 4 <= room && end - at >= 128 && at - begin >= 17) {
    Four four;
    __m256i digits;
    if (!Find(at, &four, Commas) || !Digits(at, four, &digits)) break;
    const __m256d tenths = _mm256_set_pd(kTenths[four.some[3]], kTenths[four.some[2]],
                                         kTenths[four.some[1]], kTenths[four.some[0]]);
    const __m256d values = _mm256_mul_pd(_mm256_cvtepu64_pd(digits), tenths);
    const __m256i rest =
        _mm256_sub_epi64(_mm256_and_si256(_mm256_castpd_si256(values), low), middle);
    if (_mm256_cmple_epu64_mask(rest, _mm256_set1_epi64x(kAround)) != 0) break;
    if (four.longer && _mm256_cmp_pd_mask(values, _mm256_set1_pd(kLongLeast), _CMP_LT_OQ) != 0) {
      break;
    }
    const __m128 floats = _mm256_cvtpd_ps(values);
    _mm_storeu_ps(out + count, _mm_mask_xor_ps(floats, static_cast<__mmask8>(four.negative), floats,
                                               _mm_set1_ps(-0.0f)));
    count += 4;
    at += four.comma[3] + 1;
  }
  *at_io = at;
  return count;
}

}  // namespace malmoi::kernels
#endif
