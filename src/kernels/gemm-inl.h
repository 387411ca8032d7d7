#pragma once

// Matrix product with packed weights, written once over a register type. Include after a file that
// defines, in this namespace: Reg, kRegLanes, kTileRows, LoadReg, StoreReg, SetReg, AddReg, and
// MulAddReg; and after vector-inl.h. A tile is kTileRows x (2 registers) of C.
//
// Each element of C is one chain: start (bias or zero), then + a[k] * w[k] for k = 0, 1, ... It
// does not depend on the tile's height, so a row's bits do not depend on its neighbours. AVX2 and
// AVX-512 fuse the multiply and the add, and are equal bit for bit.
namespace malmoi::kernels {
namespace {

constexpr std::size_t kPanel = 2 * kRegLanes;
// Rows of A that pass over a panel before the next panel is read: A's block stays in L2.
constexpr std::size_t kBlockRows = 96;
static_assert(kBlockRows % kTileRows == 0);

template <int kRows>
inline void Tile(const float* a, std::size_t lda, std::size_t k_size, const float* w,
                 const float* bias, const float* residual, std::size_t ldr, float* c,
                 std::size_t ldc) {
  Reg acc[kRows][2];
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
    acc[r][0] = bias == nullptr ? SetReg(0) : LoadReg(bias);
    acc[r][1] = bias == nullptr ? SetReg(0) : LoadReg(bias + kRegLanes);
  }
  for (std::size_t k = 0; k < k_size; ++k) {
    const Reg w0 = LoadReg(w + k * kPanel);
    const Reg w1 = LoadReg(w + k * kPanel + kRegLanes);
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      const Reg x = SetReg(a[r * lda + k]);
      acc[r][0] = MulAddReg(x, w0, acc[r][0]);
      acc[r][1] = MulAddReg(x, w1, acc[r][1]);
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
    if (residual != nullptr) {
      acc[r][0] = AddReg(acc[r][0], LoadReg(residual + r * ldr));
      acc[r][1] = AddReg(acc[r][1], LoadReg(residual + r * ldr + kRegLanes));
    }
    StoreReg(c + r * ldc, acc[r][0]);
    StoreReg(c + r * ldc + kRegLanes, acc[r][1]);
  }
}

using TileFunction = void (*)(const float*, std::size_t, std::size_t, const float*, const float*,
                              const float*, std::size_t, float*, std::size_t);
// Tile functions by height; entry 0 is unused.
template <int... kHeights>
struct TileTable {
  static constexpr TileFunction kTiles[] = {nullptr, Tile<kHeights>...};
};

inline void Activate(int activation, float* c, std::size_t ldc, std::size_t rows,
                     std::size_t columns) {
  for (std::size_t r = 0; r < rows && activation == 1; ++r) GeluKernel(c + r * ldc, columns);
  for (std::size_t r = 0; r < rows && activation == 2; ++r) GeluTanhKernel(c + r * ldc, columns);
}

// The last panel where n is no multiple of the panel: a whole tile beside C, then the part of it.
inline void PartTile(const RawGemm& g, std::size_t row, std::size_t rows, std::size_t column,
                     std::size_t columns, TileFunction tile) {
  alignas(64) float out[kTileRows * kPanel];
  alignas(64) float bias[kPanel] = {};
  for (std::size_t i = 0; i < columns && g.bias != nullptr; ++i) bias[i] = g.bias[column + i];
  tile(g.a + row * g.lda, g.lda, g.k, g.packed + column * g.k, bias, nullptr, 0, out, kPanel);
  for (std::size_t r = 0; r < rows; ++r) {
    float* c = g.c + (row + r) * g.ldc + column;
    const float* residual = g.residual == nullptr ? nullptr : g.residual + (row + r) * g.ldr;
    for (std::size_t i = 0; i < columns; ++i) {
      c[i] = residual == nullptr ? out[r * kPanel + i] : out[r * kPanel + i] + residual[column + i];
    }
  }
}

template <class Table>
inline void GemmBlock(const RawGemm& g, std::size_t block, std::size_t block_end) {
  for (std::size_t column = g.column_begin; column < g.column_end; column += kPanel) {
    const std::size_t left = g.column_end - column;
    for (std::size_t row = block; row < block_end; row += kTileRows) {
      const std::size_t rows = block_end - row < kTileRows ? block_end - row : kTileRows;
      float* c = g.c + row * g.ldc + column;
      if (left >= kPanel) {
        const float* residual = g.residual == nullptr ? nullptr : g.residual + row * g.ldr + column;
        Table::kTiles[rows](g.a + row * g.lda, g.lda, g.k, g.packed + column * g.k,
                            g.bias == nullptr ? nullptr : g.bias + column, residual, g.ldr, c,
                            g.ldc);
      } else {
        PartTile(g, row, rows, column, left, Table::kTiles[rows]);
      }
      if (g.activation != 0) Activate(g.activation, c, g.ldc, rows, left < kPanel ? left : kPanel);
    }
  }
}

template <class Table>
inline void GemmKernel(const RawGemm& g) {
  for (std::size_t block = 0; block < g.m; block += kBlockRows) {
    GemmBlock<Table>(g, block, g.m - block < kBlockRows ? g.m : block + kBlockRows);
  }
}

using Four = float __attribute__((vector_size(16)));

// to[k * kPanel + i] = from[i * ld + k] for i, k < 4.
inline void Transpose4x4(const float* from, std::size_t ld, float* to) {
  Four r[4];
  for (std::size_t i = 0; i < 4; ++i) __builtin_memcpy(&r[i], from + i * ld, 16);
  const Four a = __builtin_shufflevector(r[0], r[1], 0, 4, 1, 5);
  const Four b = __builtin_shufflevector(r[0], r[1], 2, 6, 3, 7);
  const Four c = __builtin_shufflevector(r[2], r[3], 0, 4, 1, 5);
  const Four d = __builtin_shufflevector(r[2], r[3], 2, 6, 3, 7);
  const Four out[4] = {
      __builtin_shufflevector(a, c, 0, 1, 4, 5), __builtin_shufflevector(a, c, 2, 3, 6, 7),
      __builtin_shufflevector(b, d, 0, 1, 4, 5), __builtin_shufflevector(b, d, 2, 3, 6, 7)};
  for (std::size_t k = 0; k < 4; ++k) __builtin_memcpy(to + k * kPanel, &out[k], 16);
}

inline void PackKernel(const float* w, std::size_t ld, std::size_t n, std::size_t k_size,
                       float* packed) {
  for (std::size_t column = 0; column < n; column += kPanel) {
    float* to = packed + column * k_size;
    const float* from = w + column * ld;
    const std::size_t columns = n - column < kPanel ? n - column : kPanel;
    std::size_t i = 0;
    for (; i + 4 <= columns; i += 4) {
      std::size_t k = 0;
      for (; k + 4 <= k_size; k += 4) Transpose4x4(from + i * ld + k, ld, to + k * kPanel + i);
      for (; k < k_size; ++k) {
        for (std::size_t j = i; j < i + 4; ++j) to[k * kPanel + j] = from[j * ld + k];
      }
    }
    for (; i < kPanel; ++i) {
      for (std::size_t k = 0; k < k_size; ++k) {
        to[k * kPanel + i] = i < columns ? from[i * ld + k] : 0;
      }
    }
  }
}

inline void PackTransposedKernel(const float* w, std::size_t ld, std::size_t n, std::size_t k_size,
                                 float* packed) {
  for (std::size_t column = 0; column < n; column += kPanel) {
    float* to = packed + column * k_size;
    const std::size_t columns = n - column < kPanel ? n - column : kPanel;
    for (std::size_t k = 0; k < k_size; ++k) {
      const float* from = w + k * ld + column;
      for (std::size_t i = 0; i < kPanel; ++i) to[k * kPanel + i] = i < columns ? from[i] : 0;
    }
  }
}

}  // namespace
}  // namespace malmoi::kernels
