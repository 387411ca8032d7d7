#pragma once

#include <cstddef>
#include <cstdint>

// Conversions between how numbers are kept and f32, for the engine's staged passes. All are exact
// functions of their input, equal on every processor.
namespace malmoi::optim {

inline constexpr std::size_t kQ8Block = 256;

void FromBf16(const std::uint16_t* in, float* out, std::size_t n);
// Round to nearest even; NaN stays NaN.
void ToBf16(const float* in, std::uint16_t* out, std::size_t n);
// Up or down with the probability that makes the mean exact. The random bits of element
// begin + i are a hash of (key, begin + i), so a run can be repeated on any threads.
void ToBf16Stochastic(const float* in, std::uint16_t* out, std::size_t n, std::uint64_t key,
                      std::uint64_t begin);

// 8-bit codes of blocks of 256 with one scale each, the largest magnitude of the block.
// Signed (first moments): sign * (q / 127)^2 * scale. Non-negative (second moments):
// (q / 255)^4 * scale, rounded up from zero, so that a denominator never becomes 0: what
// the step divides by, the square root, is then on a quadratic grid. `n` may end inside a block.
void FromQ8(const std::uint8_t* in, const float* scales, bool non_negative, float* out,
            std::size_t n);
void ToQ8(const float* in, bool non_negative, std::uint8_t* out, float* scales, std::size_t n);

}  // namespace malmoi::optim
