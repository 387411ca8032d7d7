#pragma once

// Attention of one head, written once over the policy of gemm-inl.h; include after it. Queries,
// keys and values are f32 or bfloat16 (P::kInputBytes is 4 either way: one value or two).
//
// Keys and values are packed as weights are. Blocks of queries then go through both products: the
// scores of a block stay in L2. Probabilities are not normalised before the second product, its
// result is.
namespace malmoi::kernels {
namespace {

constexpr std::size_t kQueries = 48;  // A multiple of most levels' tile height.

using Four = float __attribute__((vector_size(16)));

constexpr std::size_t RoundUp32(std::size_t n) {
  return (n + 31) / 32 * 32;
}

// to[k * kPanel + i] = from[i][k] for i, k < 4, in units of 4 bytes.
inline void Transpose4x4(const char* from, std::size_t ld, char* to) {
  Four r[4];
  for (std::size_t i = 0; i < 4; ++i) __builtin_memcpy(&r[i], from + i * ld, 16);
  const Four a = __builtin_shufflevector(r[0], r[1], 0, 4, 1, 5);
  const Four b = __builtin_shufflevector(r[0], r[1], 2, 6, 3, 7);
  const Four c = __builtin_shufflevector(r[2], r[3], 0, 4, 1, 5);
  const Four d = __builtin_shufflevector(r[2], r[3], 2, 6, 3, 7);
  const Four out[4] = {
      __builtin_shufflevector(a, c, 0, 1, 4, 5), __builtin_shufflevector(a, c, 2, 3, 6, 7),
      __builtin_shufflevector(b, d, 0, 1, 4, 5), __builtin_shufflevector(b, d, 2, 3, 6, 7)};
  for (std::size_t k = 0; k < 4; ++k) __builtin_memcpy(to + 4 * k * kPanel, &out[k], 16);
}

// Keys [n rows of `steps` units] into panels of 16 keys; keys past n are zero.
inline void PackKeys(const char* from, std::size_t ld, std::size_t n, std::size_t steps, char* to) {
  for (std::size_t key = 0; key < RoundUp32(n); key += 4) {
    char* panel = to + (key / kPanel * steps * kPanel + key % kPanel) * 4;
    const char* row = from + key * ld;
    std::size_t k = 0;
    if (key + 4 <= n) {
      for (; k + 4 <= steps; k += 4) Transpose4x4(row + 4 * k, ld, panel + 4 * k * kPanel);
    }
    for (; k < steps; ++k) {
      for (std::size_t i = 0; i < 4; ++i) {
        char* unit = panel + 4 * (k * kPanel + i);
        if (key + i < n) {
          __builtin_memcpy(unit, row + i * ld + 4 * k, 4);
        } else {
          __builtin_memset(unit, 0, 4);
        }
      }
    }
  }
}

// Two rows of `columns` bfloat16 side by side: a step of pairs. Whole panels are moved in
// registers.
inline void PackPair(const char* row, const char* next, std::size_t columns, char* to) {
  using Shorts = unsigned short __attribute__((vector_size(32)));
  Shorts a{}, b{};
  if (columns == kPanel) {
    __builtin_memcpy(&a, row, sizeof(a));
    if (next != nullptr) __builtin_memcpy(&b, next, sizeof(b));
  } else {
    __builtin_memcpy(&a, row, 2 * columns);
    if (next != nullptr) __builtin_memcpy(&b, next, 2 * columns);
  }
  const Shorts low =
      __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
  const Shorts high =
      __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
  __builtin_memcpy(to, &low, sizeof(low));
  __builtin_memcpy(to + sizeof(low), &high, sizeof(high));
}

// Values [n, dim] into panels of 16 columns; a step is one row, or two whose halves alternate.
template <bool kPairs>
inline void PackValues(const char* from, std::size_t ld, std::size_t n, std::size_t dim, char* to) {
  const std::size_t steps = kPairs ? (n + 1) / 2 : n;
  for (std::size_t column = 0; column < RoundUp32(dim); column += kPanel) {
    const std::size_t left = column < dim ? dim - column : 0;
    const std::size_t columns = left < kPanel ? left : kPanel;
    for (std::size_t s = 0; s < steps; ++s, to += 4 * kPanel) {
      if constexpr (kPairs) {
        const char* row = from + 2 * s * ld + 2 * column;
        PackPair(row, 2 * s + 1 < n ? row + ld : nullptr, columns, to);
      } else if (columns == kPanel) {
        __builtin_memcpy(to, from + s * ld + 4 * column, 4 * kPanel);
      } else {
        __builtin_memset(to, 0, 4 * kPanel);
        __builtin_memcpy(to, from + s * ld + 4 * column, 4 * columns);
      }
    }
  }
}

// p = exp(scale * s - the row's greatest), as f32 over s or as bfloat16 padded with zeros to 16;
// returns one over their sum. Pairs take it by 2^x of their policy, which what is rounded to
// bfloat16 does not notice.
template <class P, bool kPairs>
inline float Exponentials(float* s, std::size_t n, float scale, char* p) {
  if constexpr (kPairs) scale *= 1.44269504f;
  const V16 factor = Set(scale), lowest = Set(-3.402823466e38f);
  const std::size_t whole = n / 16 * 16;
  V16 top = lowest;
  for (std::size_t i = 0; i < whole; i += 16) top = Max(Load(s + i), top);
  if (whole < n) top = Max(LoadPart(s + whole, n - whole, lowest), top);
  const V16 shift = Set(-MaxLane(top) * scale);
  V16 sum = Set(0);
  for (std::size_t i = 0; i < n; i += 16) {
    const bool part = i == whole;
    V16 e = Fma(part ? LoadPart(s + i, n - i, lowest) : Load(s + i), factor, shift);
    if constexpr (kPairs) {
      e = P::Exp2(e);
    } else {
      e = Exp(e);
    }
    if (part) e = KeepPart(e, n - i);
    sum = Add(sum, e);
    if constexpr (kPairs) {
      StoreBf16(p + 2 * i, e);
    } else if (part) {
      StorePart(s + i, n - i, e);
    } else {
      Store(s + i, e);
    }
  }
  return 1.0f / Sum(sum);
}

template <class P, class Table, bool kPairs>
struct AttentionBlock {
  const RawAttention& r;
  std::size_t key_begin, key_end;  // The keys that are packed.
  std::size_t key_steps, value_steps, stride;
  char *keys, *values, *scores, *probabilities;
  float inverse[kQueries];

  explicit AttentionBlock(const RawAttention& args) : r(args) {
    key_steps = r.head_dim * (kPairs ? 2 : 4) / 4;
    keys = r.scratch;
    values = keys + RoundUp32(r.tokens) * key_steps * 4;
    const std::size_t steps = kPairs ? (r.tokens + 1) / 2 : r.tokens;
    scores = values + steps * RoundUp32(r.head_dim) * 4;
    stride = RoundUp32(r.tokens) * 4;
    probabilities = kPairs ? scores + kQueries * stride : scores;
  }

  void PackRange(std::size_t begin, std::size_t end) {
    key_begin = begin;
    key_end = end;
    value_steps = kPairs ? (end - begin + 1) / 2 : end - begin;
    PackKeys(r.k + begin * r.ld, r.ld, end - begin, key_steps, keys);
    PackValues<kPairs>(r.v + begin * r.ld, r.ld, end - begin, r.head_dim, values);
  }

  void Score(std::size_t row, std::size_t rows) {
    for (std::size_t key = 0; key < key_end - key_begin; key += P::kColumns) {
      for (std::size_t at = 0; at < rows;) {
        const std::size_t height = NextHeight(rows - at, P::kTileRows);
        Table::kTiles[height](r.q + (row + at) * r.ld, r.ld, key_steps, keys + key * key_steps * 4,
                              key_steps * kPanel * 4, scores + at * stride + 4 * key, stride);
        at += height;
      }
    }
    const bool biased = r.by_distance != nullptr || r.bias != nullptr;
    if (biased) AddBias(row, rows);
    for (std::size_t at = 0; at < rows; ++at) {
      auto* s = reinterpret_cast<float*>(scores + at * stride);
      inverse[at] = Soften(row + at, s, biased ? 1.0f : r.scale, probabilities + at * stride / 2);
    }
  }

  void AddBias(std::size_t row, std::size_t rows) {
    const std::size_t count = key_end - key_begin;
    auto* first = reinterpret_cast<float*>(scores);
    for (std::size_t at = 0; at < rows; ++at) {
      float* s = first + at * stride / 4;
      for (std::size_t j = 0; j < count; ++j) s[j] *= r.scale;
      if (r.by_distance == nullptr) continue;
      const float* distance = r.by_distance + static_cast<std::ptrdiff_t>(key_begin) -
                              static_cast<std::ptrdiff_t>(row + at);
      for (std::size_t j = 0; j < count; ++j) s[j] += distance[j];
    }
    if (r.bias != nullptr) r.add_bias(r.bias, row, rows, key_begin, count, first, stride / 4);
  }

  // Scores of query i become unnormalised probabilities, zero for keys it cannot see.
  float Soften(std::size_t i, float* s, float scale, char* p) {
    const std::size_t first = r.before < i ? i - r.before : 0;
    const std::size_t left = r.tokens - i - 1;
    const std::size_t last = r.after < left ? i + r.after + 1 : r.tokens;
    for (std::size_t j = key_begin; j < first; ++j) s[j - key_begin] = 0;
    for (std::size_t j = last; j < key_end; ++j) s[j - key_begin] = 0;
    return Exponentials<P, kPairs>(s + (first - key_begin), last - first, scale, p);
  }

  void Mix(std::size_t row, std::size_t rows) {
    alignas(64) char sums[P::kTileRows * kSumsStride];
    const std::size_t ldp = kPairs ? stride / 2 : stride;
    const std::size_t out_size = r.out_form == kBf16Form ? 2 : 4;
    for (std::size_t column = 0; column < r.head_dim; column += P::kColumns) {
      for (std::size_t at = 0; at < rows;) {
        const std::size_t height = NextHeight(rows - at, P::kTileRows);
        Table::kTiles[height](probabilities + at * ldp, ldp, value_steps,
                              values + column * value_steps * 4, value_steps * kPanel * 4, sums,
                              kSumsStride);
        for (std::size_t i = 0; i < height; ++i) {
          char* out = r.out + (row + at + i) * r.ldo;
          const auto* f = reinterpret_cast<const float*>(sums + i * kSumsStride);
          for (std::size_t j = 0; j < P::kColumns && column + j < r.head_dim; j += 16) {
            StoreColumns(out + (column + j) * out_size, r.out_form, r.head_dim - column - j,
                         Mul(Load(f + j), Set(inverse[at + i])));
          }
        }
        at += height;
      }
    }
  }
};

template <class P, class Table, bool kPairs>
inline void AttentionKernel(const RawAttention& r) {
  AttentionBlock<P, Table, kPairs> block(r);
  // A window on both sides: pack what a block sees, so that the work is linear in tokens.
  const bool window = r.before < r.tokens && r.after < r.tokens && r.before > 0;
  if (!window) block.PackRange(0, r.tokens);
  for (std::size_t row = 0; row < r.tokens; row += kQueries) {
    const std::size_t rows = r.tokens - row < kQueries ? r.tokens - row : kQueries;
    if (window) {
      const std::size_t end = row + rows + r.after;
      block.PackRange(r.before < row ? row - r.before : 0, end < r.tokens ? end : r.tokens);
    }
    block.Score(row, rows);
    block.Mix(row, rows);
  }
}

}  // namespace
}  // namespace malmoi::kernels
