#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "os/cpu_info.h"

// Vector kernels over f32, dispatched once a call on the active CPU level. All use a fixed number
// of virtual lanes (16) and fused multiply-add, so that their results do not depend on the level,
// the thread count or the alignment: bit for bit the same on every machine. NaN propagates.
// Thread-safe: no state.
namespace malmoi::kernels {

// The level of the code that the next call here runs, as that code says: for tests and doctor.
os::CpuLevel VectorLevel();

// Sum of a[i] * b[i]. Spans of equal length.
float Dot(std::span<const float> a, std::span<const float> b);

// out[r] = dot(rows[r * stride ...], query) for r < out.size(): the exact scan. `stride` >= dim.
void DotRows(const float* rows, std::size_t stride, std::span<const float> query,
             std::span<float> out);

// x / |x|_2 in place; a zero vector stays zero.
void NormalizeL2(std::span<float> x);

// y = layer_norm(x) * gamma + beta for each row of x [rows, dim]; y may be x. Mean and variance in
// f32 by two passes; eps inside the square root (torch.nn.LayerNorm).
void LayerNorm(const float* x, float* y, std::size_t rows, std::size_t dim, const float* gamma,
               const float* beta, float eps);

// Softmax of `scale * x` in place, maximum subtracted. Exponents below -87 count as -87 (1.6e-38).
void Softmax(std::span<float> x, float scale);

// x * Phi(x), the erf form of GELU (Hendrycks and Gimpel 2016), in place; absolute error < 5e-7.
void Gelu(std::span<float> x);
// Its tanh approximation ("gelu_new", "gelu_pytorch_tanh"), in place; absolute error < 2e-6.
void GeluTanh(std::span<float> x);

// Indices of the `k` largest scores, best first, ties by smaller index; NaN last.
std::vector<std::uint32_t> TopK(std::span<const float> scores, std::size_t k);

}  // namespace malmoi::kernels
