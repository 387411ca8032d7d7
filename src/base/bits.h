#pragma once

#include <cstdint>
#include <span>

namespace malmoi {

// The number of bits that are set. Cost: about 0.3 ns a word where the processor counts.
std::uint64_t CountBits(std::span<const std::uint64_t> words);

}  // namespace malmoi
