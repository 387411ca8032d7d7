#include "optim/torch_generator.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numbers>
#include <numeric>
#include <string>
#include <utility>

#include "optim/lane_pass.h"
#include "optim/normal_bodies.h"
#include "os/cpu_info.h"
#include "os/thread_pool.h"

namespace malmoi::optim {

TorchGenerator::TorchGenerator(std::uint64_t seed) {  // MT19937, Matsumoto and Nishimura 1998.
  state_[0] = static_cast<std::uint32_t>(seed);
  for (std::uint32_t i = 1; i < 624; ++i)
    state_[i] = 1812433253U * (state_[i - 1] ^ (state_[i - 1] >> 30)) + i;
}

namespace {

// torch's CPUGeneratorImplState, with the fields of its first version.
struct TorchState {
  std::uint64_t seed;
  std::int32_t left;  // Numbers until the engine turns over, and one.
  std::int32_t seeded;
  std::uint64_t next;
  std::uint64_t engine[624];
  double normal_x, normal_y, normal_rho;
  std::int32_t normal_is_valid, padding;
  float float_normal;
  std::uint8_t float_normal_is_valid, more_padding[3];
};
static_assert(sizeof(TorchState) == TorchGenerator::kStateBytes);

}  // namespace

Result<TorchGenerator> TorchGenerator::FromTorch(std::span<const std::byte> state) {
  TorchState from;
  if (state.size() != sizeof from) {
    return Error(Code::kInvalidArgument, "the state of torch's generator: expected " +
                                             std::to_string(sizeof from) + " bytes, not " +
                                             std::to_string(state.size()));
  }
  std::memcpy(&from, state.data(), sizeof from);
  if (from.next > 624 || from.left < 1 || from.left > 624) {
    return Error(Code::kInvalidArgument, "the state of torch's generator: position " +
                                             std::to_string(from.next) + " of 624");
  }
  TorchGenerator out(0);
  for (std::size_t i = 0; i < 624; ++i) out.state_[i] = static_cast<std::uint32_t>(from.engine[i]);
  out.next_ = from.left == 1 ? 624 : static_cast<int>(from.next);
  if (from.normal_is_valid != 0) out.kept_ = from.normal_y;
  return out;
}

void TorchGenerator::ToTorch(std::span<std::byte, kStateBytes> state) const {
  TorchState to;
  std::memcpy(&to, state.data(), sizeof to);  // The seed and what is not used here stay.
  for (std::size_t i = 0; i < 624; ++i) to.engine[i] = state_[i];
  to.next = static_cast<std::uint64_t>(next_);
  to.left = 625 - next_;
  to.normal_is_valid = kept_ ? 1 : 0;
  to.normal_y = kept_.value_or(0);
  std::memcpy(state.data(), &to, sizeof to);
}

namespace {

std::uint32_t Tempered(std::uint32_t y) {
  y ^= y >> 11;
  y ^= (y << 7) & 0x9d2c5680U;
  y ^= (y << 15) & 0xefc60000U;
  return y ^ (y >> 18);
}
// What two neighbours add to the number 397 places on.
std::uint32_t Twisted(std::uint32_t here, std::uint32_t next) {
  const std::uint32_t y = (here & 0x80000000U) | (next & 0x7fffffffU);
  return (y >> 1) ^ ((0U - (next & 1U)) & 0x9908b0dfU);
}

}  // namespace

void TorchGenerator::Turn() {
  std::size_t i = 0;
  for (; i < 227; ++i) state_[i] = state_[i + 397] ^ Twisted(state_[i], state_[i + 1]);
  for (; i < 623; ++i) state_[i] = state_[i - 227] ^ Twisted(state_[i], state_[i + 1]);
  state_[623] = state_[396] ^ Twisted(state_[623], state_[0]);
  next_ = 0;
}

std::uint32_t TorchGenerator::Random() {
  if (next_ == 624) Turn();
  return Tempered(state_[static_cast<std::size_t>(next_++)]);
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

void TorchGenerator::Uniforms(std::span<float> out) {
  for (std::size_t i = 0; i < out.size();) {
    if (next_ == 624) Turn();
    const std::uint32_t* from = &state_[static_cast<std::size_t>(next_)];
    const std::size_t n = std::min(out.size() - i, 624 - static_cast<std::size_t>(next_));
    for (std::size_t k = 0; k < n; ++k) {
      out[i + k] = static_cast<float>(Tempered(from[k]) & 0xffffffU) * 0x1p-24F;
    }
    i += n, next_ += static_cast<int>(n);
  }
}
void TorchGenerator::Uniforms(std::span<double> out) {
  for (double& v : out) v = Uniform<double>();
}

namespace {

const NormalBodies& Bodies() {
#if defined(__x86_64__)
  switch (os::BaseCpuLevel(os::ActiveCpuLevel())) {
    case os::CpuLevel::kAvx512:
      return kNormal_avx512;
    case os::CpuLevel::kAvx2:
      return kNormal_avx2;
    default:
      break;
  }
#endif
  return kNormal_scalar;
}

void Fill16(float* data, std::size_t groups) {
  Bodies().fill(data, groups);
}
void Fill16(double* data, std::size_t groups) {
  for (; groups > 0; --groups, data += 16) {
    for (int j = 0; j < 8; ++j) {
      const double radius = std::sqrt(-2.0 * std::log(1.0 - data[j]));
      const double theta = 2.0 * std::numbers::pi * data[j + 8];
      data[j] = radius * std::cos(theta);
      data[j + 8] = radius * std::sin(theta);
    }
  }
}

}  // namespace

// `drawn`: of the first numbers, before the tail is.
template <class T>
void TorchGenerator::Fill(std::span<T> out, std::size_t drawn, os::ThreadPool* pool) {
  if (out.size() < 16) {
    for (T& v : out) v = static_cast<T>(SmallNormal());
    return;
  }
  Uniforms(out.first(drawn));
  const auto fill = [&](std::size_t, std::size_t begin, std::size_t end) {
    Fill16(&out[16 * begin], end - begin);
  };
  if (pool != nullptr) {
    pool->ParallelFor(out.size() / 16, fill);
  } else {
    fill(0, 0, out.size() / 16);
  }
  if (out.size() % 16 == 0) return;
  T* last = out.data() + out.size() - 16;  // The tail is drawn again with its neighbours.
  for (int j = 0; j < 16; ++j) last[j] = Uniform<T>();
  Fill16(last, 1);
}

void TorchGenerator::Normal(std::span<float> out, os::ThreadPool* pool) {
  Fill(out, out.size(), pool);
}
void TorchGenerator::Normal(std::span<double> out, os::ThreadPool* pool) {
  Fill(out, out.size(), pool);
}
void TorchGenerator::NormalOfLow(std::span<float> out, os::ThreadPool* pool) {
  Fill(out, out.size() / 16 * 16, pool);
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
