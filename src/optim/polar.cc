#include "optim/polar.h"

#include <algorithm>
#include <bit>

namespace malmoi::optim {
namespace {

PolarFactor provided = nullptr;

}  // namespace

PolarFactor ProvidedPolar() {
  return provided;
}
void ProvidePolar(PolarFactor polar) {
  provided = polar;
}

// MT19937 initialised by an array, here the words of the seed (Matsumoto and Nishimura 2002).
PythonChoice::PythonChoice(std::uint64_t seed) {
  const std::uint32_t key[2] = {static_cast<std::uint32_t>(seed),
                                static_cast<std::uint32_t>(seed >> 32)};
  const std::uint32_t length = key[1] != 0 ? 2 : 1;
  state_[0] = 19650218U;
  for (std::uint32_t i = 1; i < 624; ++i)
    state_[i] = 1812433253U * (state_[i - 1] ^ (state_[i - 1] >> 30)) + i;
  std::uint32_t i = 1, j = 0;
  for (int k = 0; k < 624; ++k) {
    state_[i] = (state_[i] ^ ((state_[i - 1] ^ (state_[i - 1] >> 30)) * 1664525U)) + key[j] + j;
    if (++i == 624) state_[0] = state_[623], i = 1;
    if (++j == length) j = 0;
  }
  for (int k = 0; k < 623; ++k) {
    state_[i] = (state_[i] ^ ((state_[i - 1] ^ (state_[i - 1] >> 30)) * 1566083941U)) - i;
    if (++i == 624) state_[0] = state_[623], i = 1;
  }
  state_[0] = 0x80000000U;
}

std::uint32_t PythonChoice::Next() {
  if (next_ == 624) {
    for (std::size_t i = 0; i < 624; ++i) {
      const std::uint32_t y = (state_[i] & 0x80000000U) | (state_[(i + 1) % 624] & 0x7fffffffU);
      state_[i] = state_[(i + 397) % 624] ^ (y >> 1) ^ ((y & 1U) != 0 ? 0x9908b0dfU : 0U);
    }
    next_ = 0;
  }
  std::uint32_t y = state_[next_++];
  y ^= y >> 11;
  y ^= (y << 7) & 0x9d2c5680U;
  y ^= (y << 15) & 0xefc60000U;
  return y ^ (y >> 18);
}

std::size_t PythonChoice::operator()(std::size_t n) {
  const int bits = std::bit_width(n);
  for (;;) {
    const std::size_t r = Next() >> (32 - std::min(bits, 32));
    if (r < n) return r;
  }
}

}  // namespace malmoi::optim
