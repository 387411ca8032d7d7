#if defined(__x86_64__)
#include <cstddef>

#include "kernels/avx512/dots-inl.h"

namespace malmoi::kernels {

const GemmTable kVnniInt8 = {
    3, kByteForm, 4, 1, 1, GemmKernel<ByteDot, ByteTiles>, PeakKernel<ByteDot>};

}  // namespace malmoi::kernels
#endif
