#if defined(__x86_64__)
#include <cstddef>

#include "kernels/avx2/v16-inl.h"
#include "kernels/gemm_internal.h"
// The lanes above come first: the kernels are written over them.
#include "kernels/vector-inl.h"
// Next, over those:
#include "kernels/gemm-inl.h"
#include "kernels/narrow-inl.h"

namespace malmoi::kernels {
namespace {

// 6 x 16: 12 accumulators, 2 weights and 1 broadcast of 16 registers.
struct FloatDot {
  using Acc = __m256;
  using Weight = __m256;
  using Input = __m256;
  static constexpr int kRegs = 2, kTileRows = 6;
  static constexpr std::size_t kColumns = 16, kInputBytes = 4, kLaneBytes = 4, kUnit = 1;
  static constexpr bool kInts = false, kQuick = false;
  static Acc Zero() { return _mm256_setzero_ps(); }
  static Weight LoadWeight(const char* p) {
    return _mm256_loadu_ps(reinterpret_cast<const float*>(p));
  }
  static Input LoadInput(const char* p) {
    return _mm256_set1_ps(*reinterpret_cast<const float*>(p));
  }
  static Acc Dot(Acc c, Input a, Weight b) { return _mm256_fmadd_ps(a, b, c); }
  static void Store(char* p, Acc c) { _mm256_storeu_ps(reinterpret_cast<float*>(p), c); }
};
using FloatTiles = TileTable<FloatDot, 1, 2, 3, 4, 5, 6>;

// See avx512/dots-inl.h. Weights take four registers, so tiles are 4 high.
struct RoundedDot : FloatDot {
  struct Weight {
    __m256 even, odd;
  };
  struct Input {
    __m256 even, odd;
  };
  static constexpr int kTileRows = 4;
  static constexpr std::size_t kInputBytes = 8, kUnit = 2;
  static constexpr bool kQuick = true;
  static Weight LoadWeight(const char* p) {
    const __m256i pair = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    return {_mm256_castsi256_ps(_mm256_slli_epi32(pair, 16)),
            _mm256_castsi256_ps(
                _mm256_and_si256(pair, _mm256_set1_epi32(static_cast<int>(0xffff0000u))))};
  }
  static Input LoadInput(const char* p) {
    const auto* f = reinterpret_cast<const float*>(p);
    return {_mm256_set1_ps(f[0]), _mm256_set1_ps(f[1])};
  }
  static Acc Dot(Acc c, Input a, Weight b) {
    return _mm256_fmadd_ps(a.odd, b.odd, _mm256_fmadd_ps(a.even, b.even, c));
  }
};
using RoundedTiles = TileTable<RoundedDot, 1, 2, 3, 4>;

struct ShortDot {
  using Acc = __m256i;
  using Weight = __m256i;
  using Input = __m256i;
  static constexpr int kRegs = 2, kTileRows = 6;
  static constexpr std::size_t kColumns = 16, kInputBytes = 4, kLaneBytes = 2, kUnit = 2;
  static constexpr bool kInts = true, kQuick = true;
  static Acc Zero() { return _mm256_setzero_si256(); }
  static Weight LoadWeight(const char* p) {
    return _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  }
  static Input LoadInput(const char* p) {
    return _mm256_set1_epi32(*reinterpret_cast<const int*>(p));
  }
  static Acc Dot(Acc c, Input a, Weight b) { return _mm256_add_epi32(c, _mm256_madd_epi16(a, b)); }
  static void Store(char* p, Acc c) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), c); }
};
using ShortTiles = TileTable<ShortDot, 1, 2, 3, 4, 5, 6>;

}  // namespace
}  // namespace malmoi::kernels

// The policies above come first.
#include "kernels/attention-inl.h"

namespace malmoi::kernels {

const GemmTable kAvx2Float = {
    1, kFloatForm, 1, 4, 1, GemmKernel<FloatDot, FloatTiles>, PeakKernel<FloatDot>};
const GemmTable kAvx2Bf16 = {
    1, kRoundedForm, 2, 2, 1, GemmKernel<RoundedDot, RoundedTiles>, PeakKernel<RoundedDot>};
const GemmTable kAvx2Int8 = {
    1, kShortForm, 2, 1, 1, GemmKernel<ShortDot, ShortTiles>, PeakKernel<ShortDot>};
const RowTable kAvx2Rows = {1, NarrowKernel, AttentionKernel<FloatDot, FloatTiles, false>};

}  // namespace malmoi::kernels
#endif
