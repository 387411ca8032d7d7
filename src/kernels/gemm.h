#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>

#include "os/cpu_info.h"

namespace malmoi::kernels {

// A weight matrix W [n, k] (row-major, torch's Linear layout) packed once for the CPU level that
// was active when it was packed. Immutable; shared by threads.
class PackedWeights {
 public:
  virtual ~PackedWeights() = default;
  virtual std::size_t n() const = 0;
  virtual std::size_t k() const = 0;
  virtual os::CpuLevel level() const = 0;
};
std::unique_ptr<PackedWeights> PackWeights(std::span<const float> w, std::size_t n, std::size_t k);

// What happens to a row of the product before it is stored.
enum class Epilogue : unsigned char {
  kNone,
  kBias,          // + bias[n]
  kBiasGelu,      // gelu(x + bias), erf form
  kBiasGeluTanh,  // gelu(x + bias), tanh form
  kBiasResidual,  // x + bias + residual[m, n]
};

// C[m, n] = epilogue(A[m, k] . W^T), f32, row-major; lda, ldc, ldr in elements.
//
// Each row of C depends on its row of A alone, with the same operations in the same order whatever
// m, the row's place and its neighbours are: the same text gives the same bits in any batch. AVX2
// and AVX-512 give the same bits; the scalar level differs by rounding. `c` may not overlap `a`;
// `residual` may be `c`. Runs the level that W was packed for.
// Single-threaded: callers split rows, or columns by `part`. Cost: 2mnk FLOP; W is streamed once
// per 96-row block.
struct GemmArgs {
  const float* a = nullptr;
  std::size_t lda = 0;
  std::size_t m = 0;
  float* c = nullptr;
  std::size_t ldc = 0;
  Epilogue epilogue = Epilogue::kNone;
  const float* bias = nullptr;      // [n], needed by all but kNone.
  const float* residual = nullptr;  // [m, n], for kBiasResidual.
  std::size_t ldr = 0;
  // Only the columns of part `part` of `parts` (cut between packed panels, so of near-equal width):
  // all parts together write the bits that one call writes.
  std::size_t part = 0;
  std::size_t parts = 1;
};
void Gemm(const PackedWeights& w, const GemmArgs& args);

}  // namespace malmoi::kernels
