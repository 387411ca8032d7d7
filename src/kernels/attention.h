#pragma once

#include <cstddef>

#include "kernels/gemm.h"
#include "os/cpu_info.h"

namespace malmoi::kernels {

// out = softmax(scale * Q K^T) V for one head of one sequence, every token attending to every
// token (an encoder). q, k and v are [tokens, head_dim], rows `ld` elements apart, as slices of one
// [tokens, 3 hidden] product; out's rows are `ldo` apart and overlap none of them. `scale` > 0.
//
// Elements are f32, or bfloat16 (with exponentials to 4e-6 and sums in f32) where
// AttentionTakesBf16. A row's bits depend on this sequence alone. Single-threaded. Blocked over 48
// queries, so memory is O(tokens) and the scores of a block stay in L2. Cost: 4 tokens^2 head_dim
// FLOP and tokens^2 exponentials.
struct AttentionArgs {
  const void* q = nullptr;
  const void* k = nullptr;
  const void* v = nullptr;
  std::size_t ld = 0;
  std::size_t tokens = 0;
  std::size_t head_dim = 0;
  float scale = 1;
  void* out = nullptr;
  std::size_t ldo = 0;
  bool bf16 = false;      // q, k and v are bfloat16.
  bool out_bf16 = false;  // Only with bf16.
};
// Whether a level has attention over bfloat16: products of pairs, and heads of whole pairs.
bool AttentionTakesBf16(os::CpuLevel level, std::size_t head_dim);
// Floats that `scratch` must have for sequences up to `tokens`, at any level.
std::size_t AttentionScratch(std::size_t tokens, std::size_t head_dim);
void Attention(os::CpuLevel level, const AttentionArgs& args, float* scratch);

}  // namespace malmoi::kernels
