#include <cstddef>
#include <cstdint>

#include "kernels/gemm_internal.h"
#include "kernels/scalar/v16-inl.h"
// The lanes above come first: the kernels are written over them.
#include "kernels/vector-inl.h"
// Next, over those:
#include "kernels/gemm-inl.h"
#include "kernels/narrow-inl.h"

namespace malmoi::kernels {
namespace {

// Four lanes are what every 64-bit processor has; multiply and add are separate roundings. 2 x 16
// needs 8 accumulators, 4 weights and 1 broadcast of 16 registers.
using Floats = float __attribute__((vector_size(16)));
using Ints = std::int32_t __attribute__((vector_size(16)));

template <class T>
inline T At(const char* p) {
  T value;
  __builtin_memcpy(&value, p, sizeof(value));
  return value;
}

struct FloatDot {
  using Acc = Floats;
  using Weight = Floats;
  using Input = float;
  static constexpr int kRegs = 4, kTileRows = 2;
  static constexpr std::size_t kColumns = 16, kInputBytes = 4, kLaneBytes = 4, kUnit = 1;
  static constexpr bool kInts = false, kQuick = false;
  static Acc Zero() { return Acc{}; }
  static Weight LoadWeight(const char* p) { return At<Weight>(p); }
  static Input LoadInput(const char* p) { return At<Input>(p); }
  static Acc Dot(Acc c, Input a, Weight b) { return a * b + c; }
  static void Store(char* p, Acc c) { __builtin_memcpy(p, &c, sizeof(c)); }
};
using FloatTiles = TileTable<FloatDot, 1, 2>;

// See avx512/dots-inl.h.
struct RoundedDot : FloatDot {
  struct Weight {
    Floats even, odd;
  };
  struct Input {
    float even, odd;
  };
  static constexpr std::size_t kInputBytes = 8, kUnit = 2;
  static constexpr bool kQuick = true;
  static Weight LoadWeight(const char* p) {
    const auto pair = At<Ints>(p);
    return {reinterpret_cast<Floats>(pair << 16),
            reinterpret_cast<Floats>(pair & static_cast<std::int32_t>(0xffff0000u))};
  }
  static Input LoadInput(const char* p) { return At<Input>(p); }
  static Acc Dot(Acc c, Input a, Weight b) { return a.odd * b.odd + (a.even * b.even + c); }
};
using RoundedTiles = TileTable<RoundedDot, 1, 2>;

struct ShortDot {
  using Acc = Ints;
  struct Weight {
    Ints even, odd;
  };
  struct Input {
    std::int32_t even, odd;
  };
  static constexpr int kRegs = 4, kTileRows = 2;
  static constexpr std::size_t kColumns = 16, kInputBytes = 4, kLaneBytes = 2, kUnit = 2;
  static constexpr bool kInts = true, kQuick = true;
  static Acc Zero() { return Acc{}; }
  static Weight LoadWeight(const char* p) {
    Weight w;
    for (int i = 0; i < 4; ++i) {
      w.even[i] = At<std::int8_t>(p + 2 * i);
      w.odd[i] = At<std::int8_t>(p + 2 * i + 1);
    }
    return w;
  }
  static Input LoadInput(const char* p) { return {At<std::int16_t>(p), At<std::int16_t>(p + 2)}; }
  static Acc Dot(Acc c, Input a, Weight b) { return c + a.even * b.even + a.odd * b.odd; }
  static void Store(char* p, Acc c) { __builtin_memcpy(p, &c, sizeof(c)); }
};
using ShortTiles = TileTable<ShortDot, 1, 2>;

}  // namespace
}  // namespace malmoi::kernels

// The policies above come first.
#include "kernels/attention-inl.h"

namespace malmoi::kernels {

const GemmTable kScalarFloat = {
    0, kFloatForm, 1, 4, 1, GemmKernel<FloatDot, FloatTiles>, PeakKernel<FloatDot>};
const GemmTable kScalarBf16 = {
    0, kRoundedForm, 2, 2, 1, GemmKernel<RoundedDot, RoundedTiles>, PeakKernel<RoundedDot>};
const GemmTable kScalarInt8 = {
    0, kShortForm, 2, 1, 1, GemmKernel<ShortDot, ShortTiles>, PeakKernel<ShortDot>};
const RowTable kScalarRows = {0, NarrowKernel, AttentionKernel<FloatDot, FloatTiles, false>};

}  // namespace malmoi::kernels
