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
template <class Body>
struct CodedBlock {
  static constexpr unsigned kIn = Body::kReads >> 3, kOut = Body::kWrites >> 3;
  __m512i unit[kStateSlots], top[kStateSlots], key;
  Highs* highs;

  OPTIM_INLINE void Begin(const PassArgs<float>& a, std::size_t block) {
    key = _mm512_set1_epi32(static_cast<int>(DitherKey(a.key, a.first / kSumBlock + block)));
#pragma GCC unroll 8
    for (int k = 0; k < kStateSlots; ++k) {
      if ((kIn >> k & 1) != 0) {
        const auto bits = reinterpret_cast<const std::uint32_t*>(a.coded[k].scales)[block];
        unit[k] = _mm512_set1_epi16(static_cast<short>(bits >> 16));
      }
      if ((kOut >> k & 1) != 0) top[k] = _mm512_setzero_si512();
    }
  }
  OPTIM_INLINE void Load(const PassArgs<float>& a, std::size_t i,
                         Block<Form::kCodes>* states) const {
#pragma GCC unroll 8
    for (int k = 0; k < kStateSlots; ++k) {
      if ((kIn >> k & 1) == 0) continue;
      const auto* codes = reinterpret_cast<const std::uint8_t*>(a.stream[3 + k]) + i;
      const __m512i halves = a.coded[k].non_negative ? HalvesOfCodes<true>(codes, unit[k])
                                                     : HalvesOfCodes<false>(codes, unit[k]);
      WidenHalves(halves, &states->now[k][0], &states->now[k][1]);
    }
  }
  OPTIM_INLINE void Store(const Block<Form::kCodes>& states, std::size_t at) {
    const RandomBits bits = BitsAt(at, key);
#pragma GCC unroll 8
    for (int k = 0; k < kStateSlots; ++k) {
      if ((kOut >> k & 1) == 0) continue;
      const __m512i high = RandomHighs(_mm512_castps_si512(states.now[k][0].v),
                                       _mm512_castps_si512(states.now[k][1].v), bits);
      top[k] = _mm512_max_epu16(top[k], SizesOf(high));
      _mm512_store_si512(highs->of[k] + at, high);
    }
  }
  OPTIM_INLINE void End(const PassArgs<float>& a, std::size_t i) const {
#pragma GCC unroll 8
    for (int k = 0; k < kStateSlots; ++k) {
      if ((kOut >> k & 1) == 0) continue;
      auto* scale = reinterpret_cast<std::uint32_t*>(a.coded[k].scales) + i / kSumBlock;
      auto* codes = reinterpret_cast<std::uint8_t*>(a.stream[3 + k]) + i;
      EncodeHighs(highs->of[k], LargestOf(top[k]), a.coded[k].non_negative, scale, codes);
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
