#pragma once

#include "kernels/avx512/v16-inl.h"
#include "kernels/gemm_internal.h"
// The lanes above come first: the kernels are written over them.
#include "kernels/vector-inl.h"
// Next, over those:
#include "kernels/gemm-inl.h"
#include "kernels/narrow-inl.h"

// 12 x 32: 24 accumulators, 2 weights and 1 broadcast of 32 registers.
namespace malmoi::kernels {
namespace {

struct FloatDot {
  using Acc = __m512;
  using Weight = __m512;
  using Input = __m512;
  static constexpr int kRegs = 2, kTileRows = 12;
  static constexpr std::size_t kColumns = 32, kInputBytes = 4, kLaneBytes = 4, kUnit = 1;
  static constexpr bool kInts = false, kQuick = false;
  static Acc Zero() { return _mm512_setzero_ps(); }
  static Weight LoadWeight(const char* p) { return _mm512_loadu_ps(p); }
  static Input LoadInput(const char* p) {
    return _mm512_set1_ps(*reinterpret_cast<const float*>(p));
  }
  static Acc Dot(Acc c, Input a, Weight b) { return _mm512_fmadd_ps(a, b, c); }
  static void Store(char* p, Acc c) { _mm512_storeu_ps(p, c); }
};
using FloatTiles = TileTable<FloatDot, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12>;

// Pairs of bfloat16 weights widened to f32, times activations that are f32 rounded to bfloat16.
struct RoundedDot : FloatDot {
  struct Weight {
    __m512 even, odd;
  };
  struct Input {
    __m512 even, odd;
  };
  static constexpr std::size_t kInputBytes = 8, kUnit = 2;
  static constexpr bool kQuick = true;
  static Weight LoadWeight(const char* p) {
    const __m512i pair = _mm512_loadu_si512(p);
    return {_mm512_castsi512_ps(_mm512_slli_epi32(pair, 16)),
            _mm512_castsi512_ps(
                _mm512_and_si512(pair, _mm512_set1_epi32(static_cast<int>(0xffff0000u))))};
  }
  static Input LoadInput(const char* p) {
    const auto* f = reinterpret_cast<const float*>(p);
    return {_mm512_set1_ps(f[0]), _mm512_set1_ps(f[1])};
  }
  static Acc Dot(Acc c, Input a, Weight b) {
    return _mm512_fmadd_ps(a.odd, b.odd, _mm512_fmadd_ps(a.even, b.even, c));
  }
};
using RoundedTiles = TileTable<RoundedDot, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12>;

// Pairs of s8 weights widened to s16, times u8 in 16 bits: no sum can overflow 32 bits below
// k = 66,000, nor saturate, as products of bytes (vpmaddubsw) would.
struct ShortDot {
  using Acc = __m512i;
  using Weight = __m512i;
  using Input = __m512i;
  static constexpr int kRegs = 2, kTileRows = 12;
  static constexpr std::size_t kColumns = 32, kInputBytes = 4, kLaneBytes = 2, kUnit = 2;
  static constexpr bool kInts = true, kQuick = true;
  static Acc Zero() { return _mm512_setzero_si512(); }
  static Weight LoadWeight(const char* p) {
    return _mm512_cvtepi8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  }
  static Input LoadInput(const char* p) {
    return _mm512_set1_epi32(*reinterpret_cast<const int*>(p));
  }
  static Acc Dot(Acc c, Input a, Weight b) { return _mm512_add_epi32(c, _mm512_madd_epi16(a, b)); }
  static void Store(char* p, Acc c) { _mm512_storeu_si512(p, c); }
};
using ShortTiles = TileTable<ShortDot, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12>;

#ifdef __AVX512VNNI__
// Four u8 by four s8 into 32 bits, without saturation (vpdpbusd).
struct ByteDot : ShortDot {
  static constexpr std::size_t kLaneBytes = 4, kUnit = 4;
  static Weight LoadWeight(const char* p) { return _mm512_loadu_si512(p); }
  static Acc Dot(Acc c, Input a, Weight b) { return _mm512_dpbusd_epi32(c, a, b); }
};
using ByteTiles = TileTable<ByteDot, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12>;
#endif

}  // namespace
}  // namespace malmoi::kernels

#include "kernels/attention-inl.h"
