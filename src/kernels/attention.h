#pragma once

#include <cstddef>

#include "os/cpu_info.h"

namespace malmoi::kernels {

// out = softmax(scale * Q K^T) V for one head of one sequence, every token attending to every
// token (an encoder). q, k and v are [tokens, head_dim], rows `ld` apart, as slices of one
// [tokens, 3 hidden] product; out's rows are `ldo` apart and overlap none of them.
//
// A row's bits depend on this sequence alone. Single-threaded. Blocked over 48 queries, so the
// scores of a block stay in L2. Cost: 4 tokens^2 head_dim FLOP and tokens^2 exponentials.
struct AttentionArgs {
  const float* q = nullptr;
  const float* k = nullptr;
  const float* v = nullptr;
  std::size_t ld = 0;
  std::size_t tokens = 0;
  std::size_t head_dim = 0;
  float scale = 1;
  float* out = nullptr;
  std::size_t ldo = 0;
};
// Floats that `scratch` must have for sequences up to `tokens`, at any level.
std::size_t AttentionScratch(std::size_t tokens, std::size_t head_dim);
void Attention(os::CpuLevel level, const AttentionArgs& args, float* scratch);

}  // namespace malmoi::kernels
