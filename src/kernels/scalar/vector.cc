#include <cstddef>

#include "kernels/scalar/v16-inl.h"
#include "kernels/vector_internal.h"
// The lanes above come first: the kernels are written over them.
#include "kernels/vector-inl.h"

namespace malmoi::kernels {

const VectorTable kScalarVector = {0,           DotKernel,       DotRowsKernel,
                                   ScaleKernel, LayerNormKernel, SoftmaxKernel,
                                   GeluKernel,  GeluTanhKernel};

}  // namespace malmoi::kernels
