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

// The keys begin .. end that a block of queries is multiplied with, packed.
struct Keys {
  std::size_t begin, end;
  float* keys;    // Of k, as the columns of the first product.
  float* values;  // Of v, as the rows of the second.
};

void Pack(const GemmTable& table, const AttentionArgs& args, const Keys& to) {
  const std::size_t count = to.end - to.begin;
  table.pack(args.k + to.begin * args.ld, args.ld, count, args.head_dim, to.keys);
  table.pack_transposed(args.v + to.begin * args.ld, args.ld, args.head_dim, count, to.values);
}

// Scores of query i over keys.begin .. keys.end become probabilities, zero for keys it cannot see.
void SoftmaxRow(const GemmTable& table, const AttentionArgs& args, const Keys& keys, std::size_t i,
                float* scores) {
  const std::size_t first = args.before < i ? i - args.before : 0;
  const std::size_t left = args.tokens - i - 1;
  const std::size_t last = args.after < left ? i + args.after + 1 : args.tokens;
  std::fill(scores, scores + (first - keys.begin), 0.0f);
  std::fill(scores + (last - keys.begin), scores + (keys.end - keys.begin), 0.0f);
  float* seen = scores + (first - keys.begin);
  const bool scaled = args.by_distance != nullptr || args.bias != nullptr;
  table.softmax(seen, last - first, scaled ? 1.0f : args.scale);
}

void AddBias(const AttentionArgs& args, const Keys& keys, std::size_t row, std::size_t rows,
             float* scores, std::size_t ld) {
  const std::size_t count = keys.end - keys.begin;
  for (std::size_t r = 0; r < rows; ++r) {
    float* s = scores + r * ld;
    for (std::size_t j = 0; j < count; ++j) s[j] *= args.scale;
    if (args.by_distance == nullptr) continue;
    const float* distance = args.by_distance + static_cast<std::ptrdiff_t>(keys.begin) -
                            static_cast<std::ptrdiff_t>(row + r);
    for (std::size_t j = 0; j < count; ++j) s[j] += distance[j];
  }
  if (args.bias != nullptr) args.bias->Add(row, rows, keys.begin, count, scores, ld);
}

void Block(const GemmTable& table, const AttentionArgs& args, const Keys& keys, std::size_t row,
           std::size_t rows, float* scores) {
  const std::size_t count = keys.end - keys.begin;
  const std::size_t score_ld = RoundUp(args.tokens);
  RawGemm qk{};
  qk.a = args.q + row * args.ld;
  qk.lda = args.ld;
  qk.m = rows;
  qk.packed = keys.keys;
  qk.k = args.head_dim;
  qk.column_end = count;
  qk.c = scores;
  qk.ldc = score_ld;
  table.gemm(qk);
  if (args.by_distance != nullptr || args.bias != nullptr) {
    AddBias(args, keys, row, rows, scores, score_ld);
  }
  for (std::size_t r = 0; r < rows; ++r) {
    SoftmaxRow(table, args, keys, row + r, scores + r * score_ld);
  }
  RawGemm pv{};
  pv.a = scores;
  pv.lda = score_ld;
  pv.m = rows;
  pv.packed = keys.values;
  pv.k = count;
  pv.column_end = args.head_dim;
  pv.c = args.out + row * args.ldo;
  pv.ldc = args.ldo;
  table.gemm(pv);
}

}  // namespace

std::size_t AttentionScratch(std::size_t tokens, std::size_t head_dim) {
  return RoundUp(tokens) * head_dim + tokens * RoundUp(head_dim) + kQueries * RoundUp(tokens);
}

void Attention(os::CpuLevel level, const AttentionArgs& args, float* scratch) {
  const GemmTable& table = GemmOfLevel(static_cast<int>(level));
  Keys keys{0, args.tokens, scratch, scratch + RoundUp(args.tokens) * args.head_dim};
  float* scores = keys.values + args.tokens * RoundUp(args.head_dim);
  // A window on both sides: pack what a block sees, so that the work is linear in tokens.
  const bool window = args.before < args.tokens && args.after < args.tokens && args.before > 0;
  if (!window) Pack(table, args, keys);
  for (std::size_t row = 0; row < args.tokens; row += kQueries) {
    const std::size_t rows = std::min(kQueries, args.tokens - row);
    if (window) {
      keys.begin = args.before < row ? row - args.before : 0;
      keys.end = std::min(args.tokens, row + rows + args.after);
      Pack(table, args, keys);
    }
    Block(table, args, keys, row, rows, scores);
  }
}

}  // namespace malmoi::kernels
