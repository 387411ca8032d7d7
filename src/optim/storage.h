#pragma once

#include <cstddef>
#include <cstdint>

#include "optim/lane_pass.h"

// Conversions between how numbers are kept and f32, for the engine's staged passes. All are exact
// functions of their input, equal on every processor.
namespace malmoi::optim {

inline constexpr std::size_t kQ8Block = 256;

void FromBf16(const std::uint16_t* in, float* out, std::size_t n);
// Key 0: rounds to nearest even. Another: up or down with the probability that keeps the mean, so
// that a moment that moves by a thousandth a step does move. The random bits of element begin + i
// are a hash of (key, begin + i), so a run can be repeated on any threads. NaN stays NaN, and what
// is a bf16 number is kept.
void ToBf16(const float* in, std::uint16_t* out, std::size_t n, std::uint64_t key = 0,
            std::size_t begin = 0);
// The same for passes that round themselves.
HalfRounding RoundingOfHalves(std::uint64_t key);

// 8-bit codes of blocks of 256 with one scale each. A code is a small floating-point number: three
// bits of mantissa below its exponent, which counts octaves from the scale, a power of two.
//   signed (first moments): a sign, then 7 bits over 16 octaves; 0 is zero
//   non-negative (second moments): 8 bits over 32 octaves; 0 is the scale itself, which stands for
//   all below it, so that a denominator becomes 0 only where a whole block is (where it is, the
//   scale is 0, as it is in a block below 2^-95)
// A number is rounded up or down with the probability that keeps its mean, within the octaves, so
// that a moment that moves by a thousandth a step does move. The random bits are a hash of key,
// block and place, so a run can be repeated on any threads. A number that is a code's is kept
// exactly. The scale is taken from the largest after its random bits were added, so that none lies
// above the largest code. Numbers that are not finite get the largest code. `n` may end inside a
// block. Conversions are shifts and additions of the bits of f32: no multiplication, no rounding
// mode.
void FromQ8(const std::uint8_t* in, const float* scales, bool non_negative, float* out,
            std::size_t n);
void ToQ8(const float* in, bool non_negative, std::uint8_t* out, float* scales, std::size_t n,
          std::uint64_t key = 0, std::size_t first_block = 0);
// The same of the active level for passes that go block by block themselves.
const BlockCodes& CodesOfBlocks();

}  // namespace malmoi::optim
