// The tile products in plain C++, bit for bit what the instructions are documented to compute: for
// tests on machines without AMX, and for the check at start-up on machines that have it.
#include <cstddef>
#include <cstdint>

#include "kernels/gemm_internal.h"
#include "kernels/scalar/v16-inl.h"
// The lanes above come first: the kernels are written over them.
#include "kernels/vector-inl.h"
// Next, over those:
#include "kernels/gemm-inl.h"
#include "kernels/tiles-inl.h"

namespace malmoi::kernels {
namespace {

using Byte = unsigned char;

// Denormals count as zero, before and after.
inline float Flush(float x) {
  const auto bits = BitsOf<std::uint32_t>(x);
  return (bits & 0x7f800000u) == 0 ? BitsOf<float>(bits & 0x80000000u) : x;
}
inline float FromBf16(const Byte* p) {
  const std::uint32_t bits = static_cast<std::uint32_t>(p[0] | p[1] << 8) << 16;
  return Flush(BitsOf<float>(bits));
}

template <bool kIntegers>
struct SumOf {
  using type = float;
};
template <>
struct SumOf<true> {
  using type = std::int32_t;
};

template <bool kIntegers>
struct EmulatedUnit {
  static constexpr bool kInts = kIntegers;
  using Sum = typename SumOf<kIntegers>::type;
  struct Sums {
    Sum v[kTileSide][kTileSide];
  };
  struct Bytes {
    Byte v[kTileSide][kTileBytes];
  };
  std::size_t rows[2] = {};
  Sums c[2][2];
  Bytes a[2], b[2];

  void Shape(std::size_t rows0, std::size_t rows1) {
    rows[0] = rows0;
    rows[1] = rows1;
  }
  void Zero(bool) { __builtin_memset(c, 0, sizeof(c)); }
  void LoadA(int i, const char* p, std::size_t ld) {
    for (std::size_t r = 0; r < rows[i]; ++r) __builtin_memcpy(a[i].v[r], p + r * ld, kTileBytes);
  }
  void LoadA0(const char* p, std::size_t ld) { LoadA(0, p, ld); }
  void LoadA1(const char* p, std::size_t ld) { LoadA(1, p, ld); }
  void LoadB0(const char* p) { __builtin_memcpy(&b[0], p, sizeof(b[0])); }
  void LoadB1(const char* p) { __builtin_memcpy(&b[1], p, sizeof(b[1])); }
  void MultiplyUpper() { Multiply(0); }
  void MultiplyLower() { Multiply(1); }
  void Store(char* p, std::size_t stride, bool) {
    for (int i = 0; i < 2; ++i) {
      for (std::size_t r = 0; r < rows[i]; ++r) {
        char* to = p + (static_cast<std::size_t>(i) * kTileSide + r) * stride;
        __builtin_memcpy(to, c[i][0].v[r], kTileBytes);
        __builtin_memcpy(to + kTileBytes, c[i][1].v[r], kTileBytes);
      }
    }
  }
  void Release() {}

 private:
  void Multiply(int i) {
    for (int j = 0; j < 2; ++j) {
      for (std::size_t r = 0; r < rows[i]; ++r) {
        for (std::size_t n = 0; n < kTileSide; ++n) {
          c[i][j].v[r][n] = Chain(c[i][j].v[r][n], a[i].v[r], &b[j].v[0][4 * n]);
        }
      }
    }
  }
  // One element: a row of A by a column of B.
  static Sum Chain(Sum sum, const Byte* x, const Byte* w) {
    if constexpr (kInts) {
      for (std::size_t k = 0; k < kTileBytes; ++k) {
        const auto s8 = static_cast<std::int8_t>(w[k / 4 * kTileBytes + k % 4]);
        sum += static_cast<std::int32_t>(x[k]) * s8;
      }
      return sum;
    } else {
      // Even and odd elements have sums of their own, which are added to the tile at the end.
      float even = 0, odd = 0;
      for (std::size_t k = 0; k < kTileSide; ++k) {
        const Byte* pair = w + k * kTileBytes;
        even = Flush(Fma1(FromBf16(x + 4 * k), FromBf16(pair), even));
        odd = Flush(Fma1(FromBf16(x + 4 * k + 2), FromBf16(pair + 2), odd));
      }
      return Flush(Flush(sum) + Flush(even + odd));
    }
  }
};

}  // namespace

const GemmTable kEmulatedTilesBf16 = {
    0, kBf16Form, 2, 2, 16, TileGemm<EmulatedUnit<false>>, TilePeak<EmulatedUnit<false>>};
const GemmTable kEmulatedTilesInt8 = {
    0, kByteForm, 4, 1, 16, TileGemm<EmulatedUnit<true>>, TilePeak<EmulatedUnit<true>>};

}  // namespace malmoi::kernels
