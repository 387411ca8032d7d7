#if defined(__x86_64__)
#include <cstddef>

#include "kernels/avx2/v16-inl.h"
#include "kernels/gemm_internal.h"
// The lanes above come first: the kernels are written over them.
#include "kernels/vector-inl.h"

namespace malmoi::kernels {
namespace {

// 6 x 16: 12 accumulators, 2 weights and 1 broadcast of 16 registers.
using Reg = __m256;
constexpr std::size_t kRegLanes = 8;
constexpr std::size_t kTileRows = 6;

inline Reg SetReg(float x) {
  return _mm256_set1_ps(x);
}
inline Reg LoadReg(const float* p) {
  return _mm256_loadu_ps(p);
}
inline void StoreReg(float* p, Reg r) {
  _mm256_storeu_ps(p, r);
}
inline Reg AddReg(Reg a, Reg b) {
  return _mm256_add_ps(a, b);
}
inline Reg MulAddReg(Reg a, Reg b, Reg c) {
  return _mm256_fmadd_ps(a, b, c);
}

}  // namespace
}  // namespace malmoi::kernels

// The register above comes first: the product is written over it.
#include "kernels/gemm-inl.h"

namespace malmoi::kernels {

const GemmTable kAvx2Gemm = {1,
                             kPanel,
                             PackKernel,
                             PackTransposedKernel,
                             GemmKernel<TileTable<1, 2, 3, 4, 5, 6>>,
                             SoftmaxKernel};

}  // namespace malmoi::kernels
#endif
