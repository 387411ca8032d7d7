#if defined(__x86_64__)
#include <cstddef>

#include "kernels/avx512/dots-inl.h"

namespace malmoi::kernels {

const GemmTable kAvx512Float = {
    2, kFloatForm, 1, 4, 1, GemmKernel<FloatDot, FloatTiles>, PeakKernel<FloatDot>};
const GemmTable kAvx512Bf16 = {
    2, kRoundedForm, 2, 2, 1, GemmKernel<RoundedDot, RoundedTiles>, PeakKernel<RoundedDot>};
const GemmTable kAvx512Int8 = {
    2, kShortForm, 2, 1, 1, GemmKernel<ShortDot, ShortTiles>, PeakKernel<ShortDot>};
const RowTable kAvx512Rows = {2, NarrowKernel, AttentionKernel<FloatDot, FloatTiles, false>};

}  // namespace malmoi::kernels
#endif
