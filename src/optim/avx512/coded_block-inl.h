#pragma once

#include "optim/element-inl.h"

namespace malmoi::optim {
namespace {

// The states of a block of 256 that are kept as codes: decoded to registers and taken from them
// thirty-two at a time, as bf16 and as high halves with their random bits, which are codes once the
// block's largest is known. What is decoded and encoded so overlaps with quotients and roots.
struct Highs {
  // Rows are no multiple of a page apart.
  alignas(64) std::uint16_t of[kStateSlots][kSumBlock + 32];
};
// Their codes, and the block's scale. One function for all kernels: it is a fifth of the time.
template <bool kNonNegative>
__attribute__((noinline)) void EncodeHighs(const std::uint16_t* highs, std::uint32_t largest,
                                           float* scale, std::uint8_t* out) {
  const std::uint32_t unit = UnitOf(largest, (kNonNegative ? kUnsigned : kSigned).octaves);
  *reinterpret_cast<std::uint32_t*>(scale) = unit << 16;
  const __m512i step = _mm512_set1_epi16(static_cast<short>(unit >> 4));
#pragma GCC unroll 8
  for (std::size_t at = 0; at < kSumBlock; at += 32) {
    StoreCodes<kNonNegative>(_mm512_load_si512(highs + at), step, out + at);
  }
}
template <class Body>
struct CodedBlock {
  static constexpr unsigned kIn = Body::kReads >> 3, kOut = Body::kWrites >> 3;
  __m512i unit[kStateSlots], kept[kStateSlots], key[kStateSlots], top[kStateSlots];
  Highs* highs;

  OPTIM_INLINE void Begin(const PassArgs<float>& a, std::size_t block) {
#pragma GCC unroll 8
    for (int k = 0; k < kStateSlots; ++k) {
      const SmallState& s = a.small[k];
      if ((kIn >> k & 1) != 0) {
        const auto bits = reinterpret_cast<const std::uint32_t*>(s.scales)[block];
        unit[k] = _mm512_set1_epi16(static_cast<short>(bits >> 16));
        kept[k] = KeptOfCodes(s.non_negative);
      }
      if ((kOut >> k & 1) != 0) {
        key[k] = _mm512_set1_epi32(static_cast<int>(DitherKey(s.key, a.first / kSumBlock + block)));
        top[k] = _mm512_setzero_si512();
      }
    }
  }
  OPTIM_INLINE void Load(const PassArgs<float>& a, std::size_t i,
                         Block<Form::kCodes>* states) const {
#pragma GCC unroll 8
    for (int k = 0; k < kStateSlots; ++k) {
      if ((kIn >> k & 1) == 0) continue;
      const auto* codes = reinterpret_cast<const std::uint8_t*>(a.stream[3 + k]) + i;
      WidenHalves(HalvesOfCodes(codes, unit[k], kept[k]), &states->now[k][0], &states->now[k][1]);
    }
  }
  OPTIM_INLINE void Store(const Block<Form::kCodes>& states, std::size_t at) {
#pragma GCC unroll 8
    for (int k = 0; k < kStateSlots; ++k) {
      if ((kOut >> k & 1) == 0) continue;
      const __m512i high =
          RandomHighs(_mm512_castps_si512(states.now[k][0].v),
                      _mm512_castps_si512(states.now[k][1].v), kDither.at + at, key[k]);
      top[k] = _mm512_max_epu16(top[k], SizesOf(high));
      _mm512_store_si512(highs->of[k] + at, high);
    }
  }
  OPTIM_INLINE void End(const PassArgs<float>& a, std::size_t i) const {
#pragma GCC unroll 8
    for (int k = 0; k < kStateSlots; ++k) {
      if ((kOut >> k & 1) == 0) continue;
      const auto encode = a.small[k].non_negative ? &EncodeHighs<true> : &EncodeHighs<false>;
      encode(highs->of[k], LargestOf(top[k]), a.small[k].scales + i / kSumBlock,
             reinterpret_cast<std::uint8_t*>(a.stream[3 + k]) + i);
    }
  }
};

template <class Body>
OPTIM_INLINE void RunCodedBlock(Lane<F32>& x, const PassArgs<float>& a, Steps steps,
                                std::size_t begin, Highs* highs) {
  CodedBlock<Body> coded;
  coded.highs = highs;
  coded.Begin(a, begin / kSumBlock);
  for (std::size_t at = 0; at < kSumBlock; at += 32) {
    const std::size_t i = begin + at;
    AskAhead<Body, Form::kCodes>(a, i);
    AskAhead<Body, Form::kCodes>(a, i + 16);
    Block<Form::kCodes> states;
    coded.Load(a, i, &states);
    UpdateAt<Body, Form::kCodes, F32>(x, a, HalfLanes<F32, 0>(), states, steps, i, at);
    UpdateAt<Body, Form::kCodes, F32>(x, a, HalfLanes<F32, 1>(), states, steps, i + 16, at + 16);
    coded.Store(states, at);
  }
  coded.End(a, begin);
}

}  // namespace
}  // namespace malmoi::optim
