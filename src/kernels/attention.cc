#include "kernels/attention.h"

#include <algorithm>

#include "kernels/gemm_internal.h"

namespace malmoi::kernels {
namespace {

constexpr std::size_t kQueries = 48;  // A multiple of every level's tile height.
constexpr std::size_t kPanelMax = 32;

constexpr std::size_t RoundUp(std::size_t n) {
  return (n + kPanelMax - 1) / kPanelMax * kPanelMax;
}

}  // namespace

std::size_t AttentionScratch(std::size_t tokens, std::size_t head_dim) {
  return RoundUp(tokens) * head_dim + tokens * RoundUp(head_dim) + kQueries * RoundUp(tokens);
}

void Attention(os::CpuLevel level, const AttentionArgs& args, float* scratch) {
  const GemmTable& table = GemmOfLevel(static_cast<int>(level));
  float* keys = scratch;
  float* values = keys + RoundUp(args.tokens) * args.head_dim;
  float* scores = values + args.tokens * RoundUp(args.head_dim);
  const std::size_t score_ld = RoundUp(args.tokens);
  table.pack(args.k, args.ld, args.tokens, args.head_dim, keys);
  table.pack_transposed(args.v, args.ld, args.head_dim, args.tokens, values);

  for (std::size_t row = 0; row < args.tokens; row += kQueries) {
    const std::size_t rows = std::min(kQueries, args.tokens - row);
    RawGemm qk{};
    qk.a = args.q + row * args.ld;
    qk.lda = args.ld;
    qk.m = rows;
    qk.packed = keys;
    qk.k = args.head_dim;
    qk.column_end = args.tokens;
    qk.c = scores;
    qk.ldc = score_ld;
    table.gemm(qk);
    for (std::size_t r = 0; r < rows; ++r) {
      table.softmax(scores + r * score_ld, args.tokens, args.scale);
    }
    RawGemm pv{};
    pv.a = scores;
    pv.lda = score_ld;
    pv.m = rows;
    pv.packed = values;
    pv.k = args.tokens;
    pv.column_end = args.head_dim;
    pv.c = args.out + row * args.ldo;
    pv.ldc = args.ldo;
    table.gemm(pv);
  }
}

}  // namespace malmoi::kernels
