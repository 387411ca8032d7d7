#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>

#include "base/result.h"
#include "kernels/row_scale.h"
#include "os/cpu_info.h"

namespace malmoi::kernels {

// What a product multiplies. Sums are f32 (int8: 32-bit integers, without saturation).
enum class Precision : unsigned char {
  kFloat32,
  kBfloat16,  // Weights and activations rounded to bfloat16.
  kInt8,      // Weights s8, one scale an output column; activations u8, scale and zero a row.
};
std::string_view PrecisionName(Precision precision);  // "float32", "bfloat16", "int8".
// Also takes "f32", "fp32", "bf16". Errors: kInvalidArgument naming the choices.
Result<Precision> ParsePrecision(std::string_view name);

// A weight matrix W [n, k] (row-major, torch's Linear layout) packed once for the CPU level that
// was active when it was packed. Immutable; shared by threads.
class PackedWeights {
 public:
  virtual ~PackedWeights() = default;
  virtual std::size_t n() const = 0;
  virtual std::size_t k() const = 0;
  virtual Precision precision() const = 0;
  virtual os::CpuLevel level() const = 0;         // That it was packed for.
  virtual os::CpuLevel kernel_level() const = 0;  // Of the code that runs: at most level().
};
// How W lies in memory: [n, k], or transposed, [k, n].
enum class WeightLayout : bool { kRows, kColumns };
// `k` up to 65,536 for kInt8 (MALMOI_CHECK). Cost: some 4 ns a value; for kBfloat16 .4 ns, so that
// factors which are used once can be packed too.
std::unique_ptr<PackedWeights> PackWeights(std::span<const float> w, std::size_t n, std::size_t k,
                                           Precision precision = Precision::kFloat32,
                                           WeightLayout layout = WeightLayout::kRows);

// Rows of activations in the form that products of one precision read at one level (a private
// matter: bfloat16, bytes, or wider where the level has no products of these). Rows are `stride`
// bytes apart, of which those past k are zero.
struct Activations {
  void* data = nullptr;
  std::size_t stride = 0;
  RowScale* scales = nullptr;  // One a row, for kInt8.

  Activations Rows(std::size_t first) const {
    return {static_cast<char*>(data) + first * stride, stride,
            scales == nullptr ? nullptr : scales + first};
  }
};
// Bytes a row of k values takes; a multiple of 64.
std::size_t ActivationStride(Precision precision, os::CpuLevel level, std::size_t k);

// x [rows, n] f32, rows ldx apart, into `out`. For kInt8 NaN counts as the row's least value, and
// column j is multiplied by factors[j] before it is rounded, where `factors` [n] is not null.
void Narrow(Precision precision, os::CpuLevel level, const float* x, std::size_t ldx,
            std::size_t rows, std::size_t n, const Activations& out,
            const float* factors = nullptr);
// x = layer_norm(x) * gamma + beta in place (see LayerNorm), and the result into `out` but for
// kFloat32, whose products read x itself. `factors`: of the copy, as for Narrow.
void LayerNormNarrow(Precision precision, os::CpuLevel level, float* x, std::size_t rows,
                     std::size_t n, const float* gamma, const float* beta, float eps,
                     const Activations& out, const float* factors = nullptr);

// What happens to a row of the product before it is stored.
enum class Epilogue : unsigned char {
  kNone,
  kBias,          // + bias[n]
  kBiasGelu,      // gelu(x + bias), erf form; to 5e-5 but for kFloat32
  kBiasGeluTanh,  // gelu(x + bias), tanh form
  kBiasResidual,  // x + bias + residual[m, n]
};

// C[m, n] = epilogue(A[m, k] . W^T); lda, ldc, ldr in elements, row-major.
//
// Each row of C depends on its row of A alone, with the same operations in the same order whatever
// m, the row's place and its neighbours are: the same text gives the same bits in any batch. Bits
// are equal on AVX2 and AVX-512 for kFloat32, and on all levels for kInt8; kBfloat16 has three
// kinds (f32 arithmetic below AVX512-BF16, its pairs, AMX), and the scalar level rounds more often.
// `c` may not overlap the activations; `residual` may be `c`. Runs the level that W was packed for.
// Single-threaded: callers split rows, or columns by `part`. Cost: 2mnk operations; W is streamed
// once per 96-row block.
struct GemmArgs {
  const float* a = nullptr;  // kFloat32
  std::size_t lda = 0;
  Activations narrow{};  // Other precisions.
  std::size_t m = 0;
  float* c = nullptr;
  std::size_t ldc = 0;
  Epilogue epilogue = Epilogue::kNone;
  const float* bias = nullptr;      // [n]; null: zero. Not read for kNone.
  const float* residual = nullptr;  // [m, n], for kBiasResidual.
  std::size_t ldr = 0;
  // Only the columns of part `part` of `parts` (cut between packed panels, so of near-equal width):
  // all parts together write the bits that one call writes.
  std::size_t part = 0;
  std::size_t parts = 1;
  // Where given, C goes here instead of `c`. kNext: in the form of the activations of W's precision
  // and level, which must be kBfloat16. kBf16: as bfloat16, for attention (AttentionTakesBf16).
  enum class Out : unsigned char { kFloat, kNext, kBf16 };
  Out out_form = Out::kFloat;
  void* out = nullptr;
  std::size_t out_stride = 0;  // Bytes.
};
void Gemm(const PackedWeights& w, const GemmArgs& args);

// Operations (two a multiply-add) a second that one thread reaches in `precision` at `level` with
// its operands in registers: what a product's speed can be compared with. Best of some runs; 20 ms.
double PeakRate(Precision precision, os::CpuLevel level);

// Whether this processor's tiles (AMX) passed their check against plain arithmetic, run once:
// "" without AMX, "ok", or what differed, in which case level kAmx runs the kernels of kAvx512Bf16.
std::string_view TileCheck();

}  // namespace malmoi::kernels
