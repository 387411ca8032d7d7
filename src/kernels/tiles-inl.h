#pragma once

// Matrix product over 16-row tiles of 64 bytes (AMX), written once over a unit U that is either
// the processor's instructions or their emulation. Include after gemm-inl.h. U has eight tiles by
// name (C00 C01 C10 C11: sums of 16 x 16; A0 A1; B0 B1) and
//   Shape(rows0, rows1)               heights of A0 and A1, and of C0x and C1x; rows1 may be 0
//   Zero(two), Store(sums, stride, two)  the upper tiles of C, or all four
//   LoadA0, LoadA1, LoadB0, LoadB1    rows `stride` apart; B's are 64 bytes apart
//   MultiplyUpper, MultiplyLower      C00 += A0 B0, C01 += A0 B1; C10 += A1 B0, C11 += A1 B1
//   Release()                         when done: an unused tile state costs the system nothing
// A product is 32 x 32 of C at a time: four tiles of sums, each B tile used twice.
//
// Sources: Intel SDM, TDPBF16PS and TDPBUSD.
namespace malmoi::kernels {
namespace {

constexpr std::size_t kTileSide = 16;
constexpr std::size_t kTileBytes = 64;

template <class U>
inline void TileProduct(U& unit, const char* a, std::size_t lda, std::size_t rows,
                        std::size_t steps, const char* w, std::size_t panel_bytes, char* sums) {
  const bool two = rows > kTileSide;
  unit.Shape(two ? kTileSide : rows, two ? rows - kTileSide : 0);
  unit.Zero(two);
  const char* a1 = a + kTileSide * lda;
  for (std::size_t s = 0; s < steps; s += kTileSide) {
    unit.LoadB0(w + s * kTileBytes);
    unit.LoadB1(w + panel_bytes + s * kTileBytes);
    unit.LoadA0(a + s * 4, lda);
    unit.MultiplyUpper();
    if (two) {
      unit.LoadA1(a1 + s * 4, lda);
      unit.MultiplyLower();
    }
  }
  unit.Store(sums, kSumsStride, two);
}

// As PeakKernel: four tiles of sums, nothing loaded between products.
template <class U>
inline std::size_t TilePeak(std::size_t rounds) {
  alignas(64) char zeros[kTileSide * kTileBytes] = {};
  alignas(64) char sums[2 * kTileSide * kSumsStride];
  U unit;
  unit.Shape(kTileSide, kTileSide);
  unit.Zero(true);
  unit.LoadA0(zeros, kTileBytes);
  unit.LoadA1(zeros, kTileBytes);
  unit.LoadB0(zeros);
  unit.LoadB1(zeros);
  for (std::size_t round = 0; round < rounds; ++round) {
    unit.MultiplyUpper();
    unit.MultiplyLower();
  }
  unit.Store(sums, kSumsStride, true);
  unit.Release();
  constexpr std::size_t kValues = U::kInts ? 64 : 32;  // Of k in a tile.
  return rounds * 4 * kTileSide * kTileSide * kValues;
}

template <class U>
inline void TileGemm(const RawGemm& g) {
  constexpr std::size_t kHeight = 2 * kTileSide, kWidth = 2 * kPanel;
  static_assert(kBlockRows % kHeight == 0);
  alignas(64) char sums[kHeight * kSumsStride];
  U unit;
  for (std::size_t block = 0; block < g.m; block += kBlockRows) {
    const std::size_t end = g.m - block < kBlockRows ? g.m : block + kBlockRows;
    for (std::size_t column = g.column_begin; column < g.column_end; column += kWidth) {
      const std::size_t left = g.column_end - column;
      const std::size_t columns = left < kWidth ? left : kWidth;
      const char* w = g.packed + column / kPanel * g.panel_bytes;
      for (std::size_t row = block; row < end; row += kHeight) {
        const std::size_t rows = end - row < kHeight ? end - row : kHeight;
        TileProduct(unit, g.a + row * g.lda, g.lda, rows, g.steps, w, g.panel_bytes, sums);
        FinishTile<U::kInts, true>(g, sums, row, rows, column, columns);
      }
    }
  }
  unit.Release();
}

}  // namespace
}  // namespace malmoi::kernels
