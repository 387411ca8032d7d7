#include "base/bits.h"

#include <bit>

namespace malmoi {
namespace {

#if defined(__x86_64__)
// std::popcount is a call into the compiler's library where the build's baseline lacks the
// instruction.
__attribute__((target("popcnt"))) std::uint64_t CountInHardware(
    std::span<const std::uint64_t> words) {
  std::uint64_t n = 0;
  for (const std::uint64_t w : words) n += static_cast<std::uint64_t>(__builtin_popcountll(w));
  return n;
}
#endif

}  // namespace

std::uint64_t CountBits(std::span<const std::uint64_t> words) {
#if defined(__x86_64__)
  static const bool counts = __builtin_cpu_supports("popcnt") != 0;
  if (counts) return CountInHardware(words);
#endif
  std::uint64_t n = 0;
  for (const std::uint64_t w : words) n += static_cast<std::uint64_t>(std::popcount(w));
  return n;
}

}  // namespace malmoi
