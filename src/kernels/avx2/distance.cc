#if defined(__x86_64__)
#include <cstddef>

#include "kernels/avx2/v16-inl.h"
#include "kernels/distance_internal.h"
// The lanes above come first: the kernels are written over them.
#include "kernels/distance-inl.h"

namespace malmoi::kernels {
namespace {

void HalfKernel(const std::uint8_t* half, float* out, std::size_t n) {
  std::size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    const __m128i h = _mm_loadu_si128(reinterpret_cast<const __m128i*>(half + 2 * i));
    _mm256_storeu_ps(out + i, _mm256_cvtph_ps(h));
  }
  for (; i < n; ++i) out[i] = HalfAsFloat(half + 2 * i);
}

std::uint32_t AddUp(__m256i v) {
  std::uint32_t parts[8];
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(parts), v);
  std::uint32_t sum = 0;
  for (const std::uint32_t p : parts) sum += p;
  return sum;
}

void BytesKernel(const std::uint8_t* row, const std::uint8_t* query, std::size_t n,
                 std::uint32_t* out) {
  __m256i dot = _mm256_setzero_si256(), squares = dot, squared = dot, absolute = dot;
  std::size_t i = 0;
  for (; i + 16 <= n; i += 16) {
    const __m128i a8 = _mm_loadu_si128(reinterpret_cast<const __m128i*>(row + i));
    const __m128i b8 = _mm_loadu_si128(reinterpret_cast<const __m128i*>(query + i));
    const __m256i a = _mm256_cvtepu8_epi16(a8);
    const __m256i b = _mm256_cvtepu8_epi16(b8);
    const __m256i d = _mm256_sub_epi16(a, b);
    dot = _mm256_add_epi32(dot, _mm256_madd_epi16(a, b));
    squares = _mm256_add_epi32(squares, _mm256_madd_epi16(a, a));
    squared = _mm256_add_epi32(squared, _mm256_madd_epi16(d, d));
    absolute = _mm256_add_epi32(absolute, _mm256_castsi128_si256(_mm_sad_epu8(a8, b8)));
  }
  out[0] = AddUp(dot);
  out[1] = AddUp(squares);
  out[2] = AddUp(squared);
  out[3] = AddUp(_mm256_and_si256(absolute, _mm256_set_epi64x(0, 0, -1, -1)));
  SumBytesTail(row + i, query + i, n - i, out);
}

}  // namespace

const DistanceTable kAvx2Distance = {SquaredRowsKernel, AbsoluteRowsKernel, HalfKernel,
                                     BytesKernel};

}  // namespace malmoi::kernels
#endif
