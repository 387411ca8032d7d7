#if defined(__x86_64__)
#include <cstddef>

#include "kernels/avx512/dots-inl.h"

namespace malmoi::kernels {
namespace {

// Pairs of bfloat16 into f32 (vdpbf16ps).
struct PairDot : FloatDot {
  using Weight = __m512i;
  using Input = __m512i;
  static constexpr std::size_t kUnit = 2;
  static constexpr bool kQuick = true;
  static Weight LoadWeight(const char* p) { return _mm512_loadu_si512(p); }
  static Input LoadInput(const char* p) {
    return _mm512_set1_epi32(*reinterpret_cast<const int*>(p));
  }
  static Acc Dot(Acc c, Input a, Weight b) { return _mm512_dpbf16_ps(c, (__m512bh)a, (__m512bh)b); }
};
using PairTiles = TileTable<PairDot, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12>;

}  // namespace

const GemmTable kNativeBf16 = {
    4, kBf16Form, 2, 2, 1, GemmKernel<PairDot, PairTiles>, PeakKernel<PairDot>};
// As the level below has it, with results rounded to bfloat16 by one instruction.
const GemmTable kNativeInt8 = {
    4, kByteForm, 4, 1, 1, GemmKernel<ByteDot, ByteTiles>, PeakKernel<ByteDot>};
void NativeBf16Attention(const RawAttention& r) {
  AttentionKernel<PairDot, PairTiles, true>(r);
}

}  // namespace malmoi::kernels
#endif
