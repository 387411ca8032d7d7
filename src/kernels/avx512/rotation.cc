#if defined(__x86_64__)
#include <immintrin.h>

#include <cstddef>

#include "kernels/rotation_internal.h"
// The integer types come first.
#include "kernels/rotation-inl.h"

namespace malmoi::kernels {
namespace {

// Sixteen codes are 64 bits: each lane shifts its own down, and the permutation looks at the low
// four bits alone.
void FromNibblesKernel(const std::uint8_t* codes, const float* levels, float scale, float* out,
                       std::size_t n) {
  const __m512i shifts =
      _mm512_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28, 0, 4, 8, 12, 16, 20, 24, 28);
  const __m512 table = _mm512_loadu_ps(levels);
  const __m512 by = _mm512_set1_ps(scale);
  std::size_t i = 0;
  for (; i + 16 <= n; i += 16) {
    int words[2];
    __builtin_memcpy(words, codes + i / 2, 8);
    const __m512i both = _mm512_mask_set1_epi32(_mm512_set1_epi32(words[0]), 0xFF00, words[1]);
    const __m512i code = _mm512_srlv_epi32(both, shifts);
    _mm512_storeu_ps(out + i, _mm512_mul_ps(_mm512_permutexvar_ps(code, table), by));
  }
  FromNibblesTail(codes, levels, scale, out, i, n);
}

}  // namespace

const RotationTable kAvx512Rotation = {WalshHadamardKernel, ToNibblesKernel, FromNibblesKernel,
                                       FromInt8Kernel, FromInt16Kernel};

}  // namespace malmoi::kernels
#endif
