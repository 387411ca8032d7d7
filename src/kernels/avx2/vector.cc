#if defined(__x86_64__)
#include <cstddef>

#include "kernels/avx2/v16-inl.h"
#include "kernels/vector_internal.h"
// The lanes above come first: the kernels are written over them.
#include "kernels/vector-inl.h"

namespace malmoi::kernels {

const VectorTable kAvx2Vector = {1,           DotKernel,       DotRowsKernel,
                                 ScaleKernel, LayerNormKernel, SoftmaxKernel,
                                 GeluKernel,  GeluTanhKernel};

}  // namespace malmoi::kernels
#endif
