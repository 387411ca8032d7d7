#if defined(__x86_64__)
#include <cstddef>

#include "kernels/avx512/v16-inl.h"
#include "kernels/gemm_internal.h"
// The lanes above come first: the kernels are written over them.
#include "kernels/vector-inl.h"

namespace malmoi::kernels {
namespace {

// 12 x 32: 24 accumulators and 2 weights of 32 registers; a panel of 32 columns fits one head of
// the small models in attention.
using Reg = __m512;
constexpr std::size_t kRegLanes = 16;
constexpr std::size_t kTileRows = 12;

inline Reg SetReg(float x) {
  return _mm512_set1_ps(x);
}
inline Reg LoadReg(const float* p) {
  return _mm512_loadu_ps(p);
}
inline void StoreReg(float* p, Reg r) {
  _mm512_storeu_ps(p, r);
}
inline Reg AddReg(Reg a, Reg b) {
  return _mm512_add_ps(a, b);
}
inline Reg MulAddReg(Reg a, Reg b, Reg c) {
  return _mm512_fmadd_ps(a, b, c);
}

}  // namespace
}  // namespace malmoi::kernels

// The register above comes first: the product is written over it.
#include "kernels/gemm-inl.h"

namespace malmoi::kernels {

const GemmTable kAvx512Gemm = {2,
                               kPanel,
                               PackKernel,
                               PackTransposedKernel,
                               GemmKernel<TileTable<1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12>>,
                               SoftmaxKernel};

}  // namespace malmoi::kernels
#endif
