#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

// Vector kernels over f32, dispatched once a call on the active CPU level. Reductions use a fixed
// number of virtual lanes (16) and fused multiply-add, so that their result does not depend on the
// level, the thread count or the alignment.
namespace malmoi::kernels {

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

// Softmax of `scale * x` in place, maximum subtracted.
void Softmax(std::span<float> x, float scale);

// Indices of the `k` largest scores, best first, ties by smaller index; NaN last.
std::vector<std::uint32_t> TopK(std::span<const float> scores, std::size_t k);

}  // namespace malmoi::kernels
