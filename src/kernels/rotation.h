#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

// Rotations of f32 vectors and short codes of them, for the vector store's turbo datatypes.
// Dispatched once a call on the active CPU level; results are the same on every level, bit for bit
// (each number is the result of the same additions and products). Any alignment. Thread-safe: no
// state.
namespace malmoi::kernels {

// x = H x, in place: H is the Walsh-Hadamard matrix of +1 and -1, so that H H x = n x. x.size() is
// a power of two. Cost: n log2 n additions.
void WalshHadamard(std::span<float> x);

// Codes of 4 bits: number i is in byte i / 2, even ones in its low half; the last high half of an
// odd count is 0. codes: (x.size() + 1) / 2 bytes.
//
// x[i] * factor becomes the number of `borders` (rising) that are less than it.
using Borders = std::array<float, 15>;
using Levels = std::array<float, 16>;
void ToNibbles(std::span<const float> x, float factor, const Borders& borders, std::uint8_t* codes);
// out[i] = levels[code i] * scale.
void FromNibbles(const std::uint8_t* codes, const Levels& levels, float scale,
                 std::span<float> out);

// Codes of signed integers, little-endian: out[i] = code i * scale.
void FromInt8(const std::uint8_t* codes, float scale, std::span<float> out);
void FromInt16(const std::uint8_t* codes, float scale, std::span<float> out);

}  // namespace malmoi::kernels
