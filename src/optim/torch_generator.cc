#include "optim/torch_generator.h"

#include <cmath>
#include <numbers>
#include <numeric>
#include <utility>

namespace malmoi::optim {

TorchGenerator::TorchGenerator(std::uint64_t seed) {  // MT19937, Matsumoto and Nishimura 1998.
  state_[0] = static_cast<std::uint32_t>(seed);
  for (std::uint32_t i = 1; i < 624; ++i)
    state_[i] = 1812433253U * (state_[i - 1] ^ (state_[i - 1] >> 30)) + i;
}

std::uint32_t TorchGenerator::Random() {
  if (next_ == 624) {
    for (std::size_t i = 0; i < 624; ++i) {
      const std::uint32_t y = (state_[i] & 0x80000000U) | (state_[(i + 1) % 624] & 0x7fffffffU);
      state_[i] = state_[(i + 397) % 624] ^ (y >> 1) ^ ((y & 1U) != 0 ? 0x9908b0dfU : 0U);
    }
    next_ = 0;
  }
  std::uint32_t y = state_[static_cast<std::size_t>(next_++)];
  y ^= y >> 11;
  y ^= (y << 7) & 0x9d2c5680U;
  y ^= (y << 15) & 0xefc60000U;
  return y ^ (y >> 18);
}

std::uint64_t TorchGenerator::Random64() {
  const std::uint64_t high = Random();
  return (high << 32) | Random();
}

template <>
float TorchGenerator::Uniform<float>() {
  return static_cast<float>(Random() & 0xffffffU) * 0x1p-24F;
}
template <>
double TorchGenerator::Uniform<double>() {
  return static_cast<double>(Random64() & 0x1fffffffffffffU) * 0x1p-53;
}

double TorchGenerator::SmallNormal() {
  if (kept_) return *std::exchange(kept_, std::nullopt);
  const double u1 = Uniform<double>();
  const double u2 = Uniform<double>();
  const double radius = std::sqrt(-2.0 * std::log1p(-u2));
  const double theta = 2.0 * std::numbers::pi * u1;
  kept_ = radius * std::sin(theta);
  return radius * std::cos(theta);
}

template <class T>
void TorchGenerator::Fill16(T* data) {
  for (int j = 0; j < 8; ++j) {
    const T radius = std::sqrt(T(-2) * std::log(T(1) - data[j]));
    const T theta = static_cast<T>(2.0 * std::numbers::pi) * data[j + 8];
    data[j] = radius * std::cos(theta);
    data[j + 8] = radius * std::sin(theta);
  }
}

template <class T>
void TorchGenerator::Fill(std::span<T> out) {
  if (out.size() < 16) {
    for (T& v : out) v = static_cast<T>(SmallNormal());
    return;
  }
  for (T& v : out) v = Uniform<T>();
  for (std::size_t i = 0; i + 16 <= out.size(); i += 16) Fill16(&out[i]);
  if (out.size() % 16 == 0) return;
  T* last = out.data() + out.size() - 16;  // The tail is drawn again with its neighbours.
  for (int j = 0; j < 16; ++j) last[j] = Uniform<T>();
  Fill16(last);
}

void TorchGenerator::Normal(std::span<float> out) {
  Fill(out);
}
void TorchGenerator::Normal(std::span<double> out) {
  Fill(out);
}

std::vector<std::int64_t> TorchGenerator::Permutation(std::int64_t n) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(n));
  std::iota(order.begin(), order.end(), 0);
  for (std::int64_t i = 0; i + 1 < n; ++i) {
    const auto z = static_cast<std::int64_t>(Random() % static_cast<std::uint64_t>(n - i));
    std::swap(order[static_cast<std::size_t>(i)], order[static_cast<std::size_t>(i + z)]);
  }
  return order;
}

double TorchGenerator::NumpyUniform() {
  const double high = Random() >> 5;
  return (high * 67108864.0 + (Random() >> 6)) / 9007199254740992.0;
}

bool TorchGenerator::Bernoulli(double p) {
  return Uniform<float>() < static_cast<float>(p);
}

}  // namespace malmoi::optim
