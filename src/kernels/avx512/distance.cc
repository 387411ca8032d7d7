#if defined(__x86_64__)
#include <cstddef>

#include "kernels/avx512/v16-inl.h"
#include "kernels/distance_internal.h"
// The lanes above come first: the kernels are written over them.
#include "kernels/distance-inl.h"

namespace malmoi::kernels {
namespace {

void HalfKernel(const std::uint8_t* half, float* out, std::size_t n) {
  std::size_t i = 0;
  for (; i + 16 <= n; i += 16) {
    const __m256i h = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(half + 2 * i));
    _mm512_storeu_ps(out + i, _mm512_cvtph_ps(h));
  }
  for (; i < n; ++i) out[i] = HalfAsFloat(half + 2 * i);
}

// The sum of the lanes modulo 2^32: sums of 65,536 products of bytes need the sign bit, and the
// compiler's own reduction adds as signed numbers.
std::uint32_t AddUp(__m512i v) {
  const __m256i half = _mm256_add_epi32(_mm512_castsi512_si256(v), _mm512_extracti64x4_epi64(v, 1));
  __m128i sum = _mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
  sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0x4E));
  sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0xB1));
  return static_cast<std::uint32_t>(_mm_cvtsi128_si32(sum));
}

void BytesKernel(const std::uint8_t* row, const std::uint8_t* query, std::size_t n,
                 std::uint32_t* out) {
  __m512i dot = _mm512_setzero_si512(), squares = dot, squared = dot, absolute = dot;
  std::size_t i = 0;
  for (; i + 32 <= n; i += 32) {
    const __m256i a8 = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(row + i));
    const __m256i b8 = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(query + i));
    const __m512i a = _mm512_cvtepu8_epi16(a8);
    const __m512i b = _mm512_cvtepu8_epi16(b8);
    const __m512i d = _mm512_sub_epi16(a, b);
    dot = _mm512_add_epi32(dot, _mm512_madd_epi16(a, b));
    squares = _mm512_add_epi32(squares, _mm512_madd_epi16(a, a));
    squared = _mm512_add_epi32(squared, _mm512_madd_epi16(d, d));
    absolute = _mm512_add_epi32(absolute, _mm512_zextsi256_si512(_mm256_sad_epu8(a8, b8)));
  }
  out[0] = AddUp(dot);
  out[1] = AddUp(squares);
  out[2] = AddUp(squared);
  out[3] = AddUp(absolute);
  SumBytesTail(row + i, query + i, n - i, out);
}

}  // namespace

const DistanceTable kAvx512Distance = {SquaredRowsKernel, AbsoluteRowsKernel, HalfKernel,
                                       BytesKernel};

}  // namespace malmoi::kernels
#endif
