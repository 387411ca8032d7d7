#if defined(__x86_64__)
#include <immintrin.h>

#include <cstddef>

#include "kernels/rotation_internal.h"
// The integer types come first.
#include "kernels/rotation-inl.h"

namespace malmoi::kernels {
namespace {

// Eight codes are 32 bits: each lane shifts its own down; a permutation looks at three bits of it,
// the fourth picks one of the two halves of the levels.
void FromNibblesKernel(const std::uint8_t* codes, const float* levels, float scale, float* out,
                       std::size_t n) {
  const __m256i shifts = _mm256_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28);
  const __m256 low = _mm256_loadu_ps(levels), high = _mm256_loadu_ps(levels + 8);
  const __m256 by = _mm256_set1_ps(scale);
  std::size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    int word;
    __builtin_memcpy(&word, codes + i / 2, 4);
    const __m256i code = _mm256_srlv_epi32(_mm256_set1_epi32(word), shifts);
    const __m256 upper = _mm256_castsi256_ps(_mm256_slli_epi32(code, 28));
    const __m256 level = _mm256_blendv_ps(_mm256_permutevar8x32_ps(low, code),
                                          _mm256_permutevar8x32_ps(high, code), upper);
    _mm256_storeu_ps(out + i, _mm256_mul_ps(level, by));
  }
  FromNibblesTail(codes, levels, scale, out, i, n);
}

}  // namespace

const RotationTable kAvx2Rotation = {WalshHadamardKernel, ToNibblesKernel, FromNibblesKernel,
                                     FromInt8Kernel, FromInt16Kernel};

}  // namespace malmoi::kernels
#endif
