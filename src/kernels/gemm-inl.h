#pragma once

// Matrix product with packed weights, written once over a dot-product policy P. Include after
// vector-inl.h and gemm_internal.h. P names its registers and how one step (`unit` values of k)
// enters them:
//   Acc, Weight, Input    accumulator, loaded weights, broadcast activations
//   kRegs, kColumns       registers across a tile and their columns: 16 or 32
//   kTileRows             rows of a full tile
//   kInputBytes           of A in a step
//   kLaneBytes            of weights for one column in a step
//   kUnit                 values of k in a step
//   kInts                 accumulates integers that the row's and the column's scale turn into f32
//   kQuick                GELU to 4e-5 will do, since what follows is rounded far more
//   Zero, LoadWeight, LoadInput, Dot, Store
//   Exp2                  for attention over pairs: 2^x to what bfloat16 notices
//
// Each element of C is one chain of Dots over k. It does not depend on the tile's height, so a
// row's bits do not depend on its neighbours.
#include <utility>

namespace malmoi::kernels {
namespace {

// Rows of A that pass over a panel before the next panel is read: A's block stays in L2.
constexpr std::size_t kBlockRows = 96;
// How far before its use a panel's line is asked for: weights come from L3 or memory once a block
// (for one short text: once). Past a panel's end this reaches into the next one's beginning.
constexpr std::size_t kAhead = 1024;
constexpr std::size_t kSumsStride = 32 * 4;  // Bytes between a tile's rows of sums.

using TileFunction = void (*)(const char* a, std::size_t lda, std::size_t steps, const char* w,
                              std::size_t panel_bytes, char* sums, std::size_t stride);

// A value that the compiler may neither foresee nor put aside.
template <class T>
inline void KeepInRegister(T& value) {
#if defined(__x86_64__)
  __asm__ volatile("" : "+v"(value));
#else
  __asm__ volatile("" : "+w"(value));
#endif
}

// An address that the compiler may not derive from others.
inline void KeepAddress(const char*& address) {
  __asm__ volatile("" : "+r"(address));
}

// Rows are reached from a base every four: a multiple of lda for each of twelve rows is more than
// there are general registers, and what the compiler moves aside into vector registers takes a turn
// of the multipliers in every step.
constexpr int kRowsOfBase = 4;

template <class P, int kRows>
inline void Tile(const char* a, std::size_t lda, std::size_t steps, const char* w,
                 std::size_t panel_bytes, char* sums, std::size_t stride) {
  constexpr int kPerPanel = P::kRegs * static_cast<int>(kPanel) / P::kColumns;
  constexpr std::size_t kRegBytes = kPanel / kPerPanel * P::kLaneBytes;
  constexpr int kBases = (kRows + kRowsOfBase - 1) / kRowsOfBase;
  const char* base[kBases];
#pragma GCC unroll 4
  for (int b = 0; b < kBases; ++b) {
    base[b] = a + static_cast<std::size_t>(b * kRowsOfBase) * lda;
    KeepAddress(base[b]);
  }
  typename P::Acc acc[kRows][P::kRegs];
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (int j = 0; j < P::kRegs; ++j) acc[r][j] = P::Zero();
  }
#pragma GCC unroll 2
  for (std::size_t s = 0; s < steps; ++s) {
    typename P::Weight weight[P::kRegs];
#pragma GCC unroll 4
    for (int j = 0; j < P::kRegs; ++j) {
      const char* at = w + static_cast<std::size_t>(j / kPerPanel) * panel_bytes +
                       static_cast<std::size_t>(j % kPerPanel) * kRegBytes +
                       s * kPanel * P::kLaneBytes;
      if (j % kPerPanel == 0) __builtin_prefetch(at + kAhead);
      weight[j] = P::LoadWeight(at);
    }
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      const typename P::Input x =
          P::LoadInput(base[r / kRowsOfBase] + static_cast<std::size_t>(r % kRowsOfBase) * lda +
                       s * P::kInputBytes);
#pragma GCC unroll 4
      for (int j = 0; j < P::kRegs; ++j) acc[r][j] = P::Dot(acc[r][j], x, weight[j]);
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (int j = 0; j < P::kRegs; ++j) {
      P::Store(sums + static_cast<std::size_t>(r) * stride +
                   static_cast<std::size_t>(j) * sizeof(typename P::Acc),
               acc[r][j]);
    }
  }
}

// Tile functions by height; entry 0 is unused.
template <class P, int... kHeights>
struct TileTable {
  static constexpr TileFunction kTiles[] = {nullptr, Tile<P, kHeights>...};
};

inline V16 LoadColumns(const float* p, std::size_t n) {
  return n >= 16 ? Load(p) : LoadPart(p, n, Set(0));
}

inline void StoreColumns(char* c, int form, std::size_t n, V16 v) {
  if (form == kBf16Form) {
    if (n >= 16) {
      StoreBf16(c, v);
    } else {
      char whole[32];
      StoreBf16(whole, v);
      for (std::size_t i = 0; i < 2 * n; ++i) c[i] = whole[i];
    }
    return;
  }
  if (form == kRoundedForm) v = RoundBf16(v);
  auto* f = reinterpret_cast<float*>(c);
  if (n >= 16) {
    Store(f, v);
  } else {
    StorePart(f, n, v);
  }
}

// What a column adds to its sums: integers' scale and their part of the row's least value, the
// bias.
struct ColumnTerms {
  V16 scales, sums, bias;
};

template <bool kInts>
inline ColumnTerms TermsOf(const RawGemm& g, std::size_t column, std::size_t n) {
  ColumnTerms t{Set(0), Set(0), Set(0)};
  if constexpr (kInts) {
    t.scales = Load(g.column_scales + column);
    t.sums = Load(g.column_sums + column);
  }
  if (g.bias != nullptr) t.bias = LoadColumns(g.bias + column, n);
  return t;
}

// 16 sums of one row, all but the residual added and applied.
template <bool kInts, bool kQuick, int kActivation>
inline V16 Finished(const RawGemm& g, const ColumnTerms& t, const char* sums, std::size_t row) {
  V16 v;
  if constexpr (kInts) {
    const RowScale scale = g.row_scales[row];
    v = Fma(Mul(FromInts(sums), Set(scale.scale)), t.scales, Fma(Set(scale.least), t.sums, t.bias));
  } else {
    v = Add(Load(reinterpret_cast<const float*>(sums)), t.bias);
  }
  if constexpr (kActivation == 1) v = kInts ? GeluCoarse(v) : kQuick ? GeluQuick(v) : Gelu(v);
  if constexpr (kActivation == 2) v = GeluTanh(v);
  return v;
}

// What becomes of up to 16 columns of a tile's sums before they are stored. Rows follow each other
// with all that belongs to the columns in registers.
template <bool kInts, bool kQuick, int kActivation>
inline void FinishColumns(const RawGemm& g, const char* sums, std::size_t row, std::size_t rows,
                          std::size_t column, std::size_t n) {
  const ColumnTerms t = TermsOf<kInts>(g, column, n);
  char* c = g.c + row * g.ldc + column * (g.c_form == kBf16Form ? 2 : 4);
  for (std::size_t r = 0; r < rows; ++r, c += g.ldc, sums += kSumsStride) {
    V16 v = Finished<kInts, kQuick, kActivation>(g, t, sums, row + r);
    if (g.residual != nullptr) v = Add(v, LoadColumns(g.residual + (row + r) * g.ldr + column, n));
    StoreColumns(c, g.c_form, n, v);
  }
}

// The same for 16 whole columns and one of the usual forms: nothing is asked again for each row,
// since between two tiles the multipliers wait for this.
template <bool kInts, bool kQuick, int kActivation, int kForm, bool kResidual>
inline void FinishWhole(const RawGemm& g, const char* sums, std::size_t row, std::size_t rows,
                        std::size_t column) {
  const ColumnTerms t = TermsOf<kInts>(g, column, 16);
  char* c = g.c + row * g.ldc + column * (kForm == kBf16Form ? 2 : 4);
  const float* residual = kResidual ? g.residual + row * g.ldr + column : nullptr;
  for (std::size_t r = 0; r < rows; ++r, c += g.ldc, sums += kSumsStride) {
    V16 v = Finished<kInts, kQuick, kActivation>(g, t, sums, row + r);
    if constexpr (kResidual) v = Add(v, Load(residual + r * g.ldr));
    if constexpr (kForm == kBf16Form) {
      StoreBf16(c, v);
    } else {
      Store(reinterpret_cast<float*>(c), v);
    }
  }
}

template <bool kInts, bool kQuick, int kActivation>
inline void FinishPanel(const RawGemm& g, const char* sums, std::size_t row, std::size_t rows,
                        std::size_t column, std::size_t n) {
  const bool residual = g.residual != nullptr;
  if (n >= 16 && g.c_form == kFloatForm && residual) {
    FinishWhole<kInts, kQuick, kActivation, kFloatForm, true>(g, sums, row, rows, column);
  } else if (n >= 16 && g.c_form == kFloatForm) {
    FinishWhole<kInts, kQuick, kActivation, kFloatForm, false>(g, sums, row, rows, column);
  } else if (n >= 16 && g.c_form == kBf16Form && !residual) {
    FinishWhole<kInts, kQuick, kActivation, kBf16Form, false>(g, sums, row, rows, column);
  } else {
    FinishColumns<kInts, kQuick, kActivation>(g, sums, row, rows, column, n);
  }
}

template <bool kInts, bool kQuick>
inline void FinishTile(const RawGemm& g, const char* sums, std::size_t row, std::size_t rows,
                       std::size_t column, std::size_t columns) {
  for (std::size_t j = 0; j < columns; j += 16) {
    const std::size_t at = column + j, n = columns - j;
    const char* from = sums + 4 * j;
    if (g.activation == 1) {
      FinishPanel<kInts, kQuick, 1>(g, from, row, rows, at, n);
    } else if (g.activation == 2) {
      FinishPanel<kInts, kQuick, 2>(g, from, row, rows, at, n);
    } else {
      FinishPanel<kInts, kQuick, 0>(g, from, row, rows, at, n);
    }
  }
}

// Height of the next tile where `rows` are left: all tiles of a block are about equally high.
constexpr std::size_t NextHeight(std::size_t rows, std::size_t most) {
  const std::size_t tiles = (rows + most - 1) / most;
  return (rows + tiles - 1) / tiles;
}

// A full tile of independent chains without memory: as fast as the level's instructions are. The
// chains are written out, since what a loop indexes is kept in memory.
template <class P, std::size_t... kChain>
inline std::size_t PeakOfChains(std::size_t rounds, std::index_sequence<kChain...>) {
  alignas(64) char zeros[64] = {};
  typename P::Acc acc[sizeof...(kChain)];
  ((acc[kChain] = P::Zero()), ...);
  typename P::Weight weight = P::LoadWeight(zeros);
  __asm__ volatile("" : "+m"(weight));
  typename P::Input input = P::LoadInput(zeros);
  // Where a step multiplies and adds by two instructions, the product would leave the loop if its
  // operands could be foreseen. Pairs of floats are multiplied and added by one.
  const auto step = [&](typename P::Acc& c) {
    if constexpr (!__is_class(typename P::Input)) {
      KeepInRegister(input);
    } else if constexpr (P::kInts) {
      __asm__ volatile("" : "+m"(input));
    }
    c = P::Dot(c, input, weight);
    KeepInRegister(c);
  };
  for (std::size_t round = 0; round < rounds; ++round) (step(acc[kChain]), ...);
  alignas(64) char out[64];
  (P::Store(out, acc[kChain]), ...);
  // Each step of k is one value, or the two or four that share a column's lane.
  constexpr std::size_t kColumnsOfChain = P::kColumns / P::kRegs;
  return rounds * sizeof...(kChain) * kColumnsOfChain * P::kUnit;
}

template <class P>
inline std::size_t PeakKernel(std::size_t rounds) {
  return PeakOfChains<P>(rounds, std::make_index_sequence<P::kTileRows * P::kRegs>());
}

template <class P, class Table>
inline void GemmBlock(const RawGemm& g, std::size_t block, std::size_t block_end) {
  alignas(64) char sums[P::kTileRows * kSumsStride];
  for (std::size_t column = g.column_begin; column < g.column_end; column += P::kColumns) {
    const std::size_t left = g.column_end - column;
    const std::size_t columns = left < P::kColumns ? left : P::kColumns;
    const char* w = g.packed + column / kPanel * g.panel_bytes;
    for (std::size_t row = block; row < block_end;) {
      const std::size_t rows = NextHeight(block_end - row, P::kTileRows);
      Table::kTiles[rows](g.a + row * g.lda, g.lda, g.steps, w, g.panel_bytes, sums, kSumsStride);
      FinishTile<P::kInts, P::kQuick>(g, sums, row, rows, column, columns);
      row += rows;
    }
  }
}

template <class P, class Table>
inline void GemmKernel(const RawGemm& g) {
  for (std::size_t block = 0; block < g.m; block += kBlockRows) {
    GemmBlock<P, Table>(g, block, g.m - block < kBlockRows ? g.m : block + kBlockRows);
  }
}

}  // namespace
}  // namespace malmoi::kernels
