#include <cstddef>

#include "kernels/rotation_internal.h"
// The integer types come first.
#include "kernels/rotation-inl.h"

namespace malmoi::kernels {
namespace {

void FromNibblesKernel(const std::uint8_t* codes, const float* levels, float scale, float* out,
                       std::size_t n) {
  FromNibblesTail(codes, levels, scale, out, 0, n);
}

}  // namespace

const RotationTable kScalarRotation = {WalshHadamardKernel, ToNibblesKernel, FromNibblesKernel,
                                       FromInt8Kernel, FromInt16Kernel};

}  // namespace malmoi::kernels
