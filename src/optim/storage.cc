#include "optim/storage.h"

#include <cstring>

#include "optim/storage_bodies.h"
#include "os/cpu_info.h"

namespace malmoi::optim {
namespace {

std::uint32_t Bits(float f) {
  std::uint32_t u;
  std::memcpy(&u, &f, sizeof(u));
  return u;
}

// splitmix64's finaliser.
std::uint64_t Mix(std::uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
  return z ^ (z >> 31);
}

const StorageBodies& Bodies() {
#if defined(__x86_64__)
  switch (os::BaseCpuLevel(os::ActiveCpuLevel())) {
    case os::CpuLevel::kAvx512:
      return kStorage_avx512;
    case os::CpuLevel::kAvx2:
      return kStorage_avx2;
    default:
      break;
  }
#endif
  return kStorage_scalar;
}

}  // namespace

void FromBf16(const std::uint16_t* in, float* out, std::size_t n) {
  Bodies().from_bf16(in, out, n);
}

void ToBf16(const float* in, std::uint16_t* out, std::size_t n) {
  Bodies().to_bf16(in, out, n);
}

void ToBf16Stochastic(const float* in, std::uint16_t* out, std::size_t n, std::uint64_t key,
                      std::uint64_t begin) {
  for (std::size_t i = 0; i < n; ++i) {
    const std::uint32_t u = Bits(in[i]);
    if ((u & 0x7f800000u) == 0x7f800000u) {  // Infinite or NaN.
      out[i] = static_cast<std::uint16_t>((u >> 16) | ((u & 0x7fffffu) != 0 ? 0x40u : 0u));
      continue;
    }
    const std::uint64_t r = Mix(key + (begin + i + 1) * 0x9e3779b97f4a7c15ull);
    out[i] = static_cast<std::uint16_t>((u + static_cast<std::uint32_t>(r & 0xffffu)) >> 16);
  }
}

void FromQ8(const std::uint8_t* in, const float* scales, bool non_negative, float* out,
            std::size_t n) {
  Bodies().from_q8(in, scales, non_negative, out, n);
}

void ToQ8(const float* in, bool non_negative, std::uint8_t* out, float* scales, std::size_t n,
          std::uint64_t key, std::size_t first_block) {
  Bodies().to_q8(in, non_negative, out, scales, n, key, first_block);
}

const BlockCodes& CodesOfBlocks() {
  return Bodies().blocks;
}

}  // namespace malmoi::optim
