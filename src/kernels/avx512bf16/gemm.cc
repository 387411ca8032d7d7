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
  // 2^x for any x; relative error < 8e-5 (a least-maximum cubic for the fraction). Small powers
  // become denormal or zero by themselves, so nothing has to be clamped. NaN stays NaN.
  static V16 Exp2(V16 x) {
    const V16 n = {_mm512_roundscale_ps(x.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
    const V16 f = Sub(x, n);
    V16 p = Set(0.05517167f);
    p = Fma(p, f, Set(0.24261113f));
    p = Fma(p, f, Set(0.69326099f));
    p = Fma(p, f, Set(0.99992807f));
    return {_mm512_scalef_ps(p.v, n.v)};
  }
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
