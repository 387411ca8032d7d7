#include <cstddef>

#include "kernels/gemm_internal.h"
#include "kernels/scalar/v16-inl.h"
// The lanes above come first: the kernels are written over them.
#include "kernels/vector-inl.h"

namespace malmoi::kernels {
namespace {

// Four lanes are what every 64-bit processor has; multiply and add are separate roundings. 4 x 8
// needs 8 accumulators, 2 weights and 1 broadcast of 16 registers.
using Reg = float __attribute__((vector_size(16)));
constexpr std::size_t kRegLanes = 4;
constexpr std::size_t kTileRows = 4;

inline Reg SetReg(float x) {
  return Reg{x, x, x, x};
}
inline Reg LoadReg(const float* p) {
  Reg r;
  __builtin_memcpy(&r, p, sizeof(r));
  return r;
}
inline void StoreReg(float* p, Reg r) {
  __builtin_memcpy(p, &r, sizeof(r));
}
inline Reg AddReg(Reg a, Reg b) {
  return a + b;
}
inline Reg MulAddReg(Reg a, Reg b, Reg c) {
  return a * b + c;
}

}  // namespace
}  // namespace malmoi::kernels

// The register above comes first: the product is written over it.
#include "kernels/gemm-inl.h"

namespace malmoi::kernels {

const GemmTable kScalarGemm = {
    0, kPanel, PackKernel, PackTransposedKernel, GemmKernel<TileTable<1, 2, 3, 4>>, SoftmaxKernel};

}  // namespace malmoi::kernels
