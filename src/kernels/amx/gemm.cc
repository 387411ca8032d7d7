#if defined(__x86_64__)
#include <cstddef>

#include "kernels/avx512/dots-inl.h"
#include "kernels/tiles-inl.h"

namespace malmoi::kernels {
namespace {

// g++ 12's _tile_loadconfig tells the compiler of 8 of its 64 bytes only, and the rest is then
// left unwritten: the whole structure is an operand here.
struct alignas(64) TileConfig {
  unsigned char palette = 1, start_row = 0, reserved[14] = {};
  unsigned short bytes[16] = {};
  unsigned char rows[16] = {};
};

// Tiles 0-3 are C00 C01 C10 C11, 4-5 A0 A1, 6-7 B0 B1.
template <bool kIntegers>
struct AmxUnit {
  static constexpr bool kInts = kIntegers;
  std::size_t rows0 = 0, rows1 = 0;

  void Shape(std::size_t upper, std::size_t lower) {
    if (lower == 0) lower = rows1 == 0 ? kTileSide : rows1;  // Unused: what it was.
    if (upper == rows0 && lower == rows1) return;
    rows0 = upper;
    rows1 = lower;
    TileConfig config;
    for (int t = 0; t < 8; ++t) {
      const std::size_t rows = t == 0 || t == 1 || t == 4   ? rows0
                               : t == 2 || t == 3 || t == 5 ? rows1
                                                            : kTileSide;
      config.bytes[t] = kTileBytes;
      config.rows[t] = static_cast<unsigned char>(rows);
    }
    __asm__ volatile("ldtilecfg %0" : : "m"(config));
  }
  void Zero(bool two) {
    _tile_zero(0);
    _tile_zero(1);
    if (!two) return;
    _tile_zero(2);
    _tile_zero(3);
  }
  void LoadA0(const char* p, std::size_t ld) { _tile_loadd(4, p, ld); }
  void LoadA1(const char* p, std::size_t ld) { _tile_loadd(5, p, ld); }
  void LoadB0(const char* p) { _tile_loadd(6, p, kTileBytes); }
  void LoadB1(const char* p) { _tile_loadd(7, p, kTileBytes); }
  void MultiplyUpper() {
    if constexpr (kInts) {
      _tile_dpbusd(0, 4, 6);
      _tile_dpbusd(1, 4, 7);
    } else {
      _tile_dpbf16ps(0, 4, 6);
      _tile_dpbf16ps(1, 4, 7);
    }
  }
  void MultiplyLower() {
    if constexpr (kInts) {
      _tile_dpbusd(2, 5, 6);
      _tile_dpbusd(3, 5, 7);
    } else {
      _tile_dpbf16ps(2, 5, 6);
      _tile_dpbf16ps(3, 5, 7);
    }
  }
  void Store(char* p, std::size_t stride, bool two) {
    _tile_stored(0, p, stride);
    _tile_stored(1, p + kTileBytes, stride);
    if (!two) return;
    _tile_stored(2, p + kTileSide * stride, stride);
    _tile_stored(3, p + kTileSide * stride + kTileBytes, stride);
  }
  void Release() { _tile_release(); }
};

}  // namespace

const GemmTable kTilesBf16 = {
    5, kBf16Form, 2, 2, 16, TileGemm<AmxUnit<false>>, TilePeak<AmxUnit<false>>};
const GemmTable kTilesInt8 = {
    5, kByteForm, 4, 1, 16, TileGemm<AmxUnit<true>>, TilePeak<AmxUnit<true>>};

}  // namespace malmoi::kernels
#endif
