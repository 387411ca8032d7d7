#pragma once

#include <cstddef>

#include "os/cpu_info.h"

namespace malmoi::kernels {

inline constexpr std::size_t kAllTokens = static_cast<std::size_t>(-1);

// What an attention layer adds to its scaled scores beyond what distance alone decides.
class ScoreBias {
 public:
  virtual ~ScoreBias() = default;
  // Adds to scores [rows, keys] (rows ld apart) of queries row .. row + rows and keys
  // key .. key + keys.
  virtual void Add(std::size_t row, std::size_t rows, std::size_t key, std::size_t keys,
                   float* scores, std::size_t ld) const = 0;
};

// out = softmax(scale * Q K^T + bias) V for one head of one sequence. q, k and v are
// [tokens, head_dim], rows `ld` apart, as slices of one product; out's rows are `ldo` apart and
// overlap none of them. A query at i sees the keys i - before .. i + after: all of them, unless
// said otherwise; after = 0 is causal attention, both equal a sliding window. `scale` > 0.
//
// A row's bits depend on this sequence alone. Single-threaded. Blocked over 48 queries, so the
// scores of a block stay in L2 and memory is linear in `tokens`; with a window the work is too.
// Cost: 4 tokens^2 head_dim FLOP and tokens^2 exponentials (a window's keys in place of tokens).
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
  std::size_t before = kAllTokens;
  std::size_t after = kAllTokens;
  // Points at distance 0: by_distance[j - i] is added for query i and key j. Null: nothing is.
  const float* by_distance = nullptr;
  const ScoreBias* bias = nullptr;
};
// Floats that `scratch` must have for sequences up to `tokens`, at any level.
std::size_t AttentionScratch(std::size_t tokens, std::size_t head_dim);
void Attention(os::CpuLevel level, const AttentionArgs& args, float* scratch);

// The same over bfloat16 (16 bits an element), every token attending to every token, with
// exponentials to 4e-6 and sums in f32. `out` is bfloat16 or f32; ld and ldo count elements.
struct Bf16AttentionArgs {
  const void* q = nullptr;
  const void* k = nullptr;
  const void* v = nullptr;
  std::size_t ld = 0;
  std::size_t tokens = 0;
  std::size_t head_dim = 0;
  float scale = 1;
  void* out = nullptr;
  std::size_t ldo = 0;
  bool out_bf16 = false;
};
// Whether a level has it: products of pairs, and heads of whole pairs. Else MALMOI_CHECK.
bool AttentionTakesBf16(os::CpuLevel level, std::size_t head_dim);
void AttentionBf16(os::CpuLevel level, const Bf16AttentionArgs& args, float* scratch);

}  // namespace malmoi::kernels
