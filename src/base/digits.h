#pragma once

#include <bit>
#include <cstdint>

// Decimal digits eight characters at a time: a word is eight characters as they stand in memory on
// a little-endian machine, the first in the lowest byte.
namespace malmoi {

inline constexpr std::uint64_t kEachByte = 0x0101010101010101;
inline constexpr std::uint64_t kHighBits = 0x8080808080808080;

// Powers of ten, by exponent.
inline constexpr std::uint64_t kWholeTens[] = {1,
                                               10,
                                               100,
                                               1'000,
                                               10'000,
                                               100'000,
                                               1'000'000,
                                               10'000'000,
                                               100'000'000,
                                               1'000'000'000,
                                               10'000'000'000,
                                               100'000'000'000,
                                               1'000'000'000'000,
                                               10'000'000'000'000,
                                               100'000'000'000'000,
                                               1'000'000'000'000'000};

// High bits where a byte of `x` is 0. Those above the lowest may be wrong.
constexpr std::uint64_t ZeroBytes(std::uint64_t x) {
  return (x - kEachByte) & ~x & kHighBits;
}

// High bits where a byte of `x`, a character xor '0', is no digit. Those above the lowest may be
// wrong.
constexpr std::uint64_t NoDigits(std::uint64_t x) {
  return ((x + 0x7676767676767676) | x) & kHighBits;
}

// Eight digits' values, the first in the lowest byte, as a number: pairs, then fours, then all.
constexpr std::uint64_t EightValues(std::uint64_t x) {
  constexpr std::uint64_t kMask = 0x000000FF000000FF;
  x = x * 10 + (x >> 8);
  return ((x & kMask) * 0x000F424000000064 + ((x >> 16) & kMask) * 0x0000271000000001) >> 32;
}

// Whether a double is within some ulps of the middle between two floats: where it was rounded
// itself, the nearest float is not decided.
constexpr bool NearMiddle(double value) {
  const auto low = std::bit_cast<std::uint64_t>(value) & 0x1FFFFFFF;  // What a float lacks.
  return low - 0x0FFFFFF0 <= 0x20;
}

}  // namespace malmoi
