#include "kernels/attention.h"

#include "base/check.h"
#include "kernels/gemm_internal.h"

namespace malmoi::kernels {

bool AttentionTakesBf16(os::CpuLevel level, std::size_t head_dim) {
#if defined(__x86_64__)
  return level >= os::CpuLevel::kAvx512Bf16 && head_dim % 2 == 0;
#else
  return false;
#endif
}

std::size_t AttentionScratch(std::size_t tokens, std::size_t head_dim) {
  // Keys, values, the scores of 48 queries and, for bfloat16, their probabilities.
  const auto padded = [](std::size_t n) { return (n + 31) / 32 * 32; };
  constexpr std::size_t kQueries = 48;
  return padded(tokens) * head_dim + (tokens + 1) * padded(head_dim) +
         kQueries * padded(tokens) * 3 / 2;
}

void Attention(os::CpuLevel level, const AttentionArgs& args, float* scratch) {
  RawAttention r{};
  r.q = reinterpret_cast<const char*>(args.q);
  r.k = reinterpret_cast<const char*>(args.k);
  r.v = reinterpret_cast<const char*>(args.v);
  r.ld = args.ld * sizeof(float);
  r.tokens = args.tokens;
  r.head_dim = args.head_dim;
  r.scale = args.scale;
  r.out = reinterpret_cast<char*>(args.out);
  r.ldo = args.ldo * sizeof(float);
  r.out_form = kFloatForm;
  r.before = args.before;
  r.after = args.after;
  r.by_distance = args.by_distance;
  r.bias = args.bias;
  r.add_bias = [](const void* bias, std::size_t row, std::size_t rows, std::size_t key,
                  std::size_t keys, float* scores, std::size_t ld) {
    static_cast<const ScoreBias*>(bias)->Add(row, rows, key, keys, scores, ld);
  };
  r.scratch = reinterpret_cast<char*>(scratch);
  RowsOfLevel(static_cast<int>(level)).attention(r);
}

void AttentionBf16(os::CpuLevel level, const Bf16AttentionArgs& args, float* scratch) {
  MALMOI_CHECK(AttentionTakesBf16(level, args.head_dim));
  RawAttention r{};
  r.q = static_cast<const char*>(args.q);
  r.k = static_cast<const char*>(args.k);
  r.v = static_cast<const char*>(args.v);
  r.ld = args.ld * 2;
  r.tokens = args.tokens;
  r.head_dim = args.head_dim;
  r.scale = args.scale;
  r.out = static_cast<char*>(args.out);
  r.ldo = args.ldo * (args.out_bf16 ? 2 : 4);
  r.out_form = args.out_bf16 ? kBf16Form : kFloatForm;
  r.before = r.after = kAllTokens;
  r.scratch = reinterpret_cast<char*>(scratch);
#if defined(__x86_64__)
  NativeBf16Attention(r);
#endif
}

}  // namespace malmoi::kernels
