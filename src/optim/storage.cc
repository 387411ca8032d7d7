#include "optim/storage.h"

#include "optim/storage_bodies.h"
#include "os/cpu_info.h"

namespace malmoi::optim {
namespace {

struct alignas(64) Places {
  std::uint32_t at[kQ8Block];
};
// The fractions of the golden ratio's multiples, to 16 bits: near each other they are far apart, so
// that as many of a block go up as should.
constexpr Places MakeRandom() {
  Places p{};
  for (std::uint32_t i = 0; i < kQ8Block; ++i) p.at[i] = (i * 0x9e3779b9u) >> 16;
  return p;
}
constexpr Places MakeNearest() {
  Places p{};
  for (std::uint32_t& at : p.at) at = 0x7fff;
  return p;
}
constexpr Places kRandom = MakeRandom(), kNearest = MakeNearest();

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

void ToBf16(const float* in, std::uint16_t* out, std::size_t n, std::uint64_t key,
            std::size_t begin) {
  Bodies().to_bf16(in, out, n, RoundingOfHalves(key), key, begin);
}

HalfRounding RoundingOfHalves(std::uint64_t key) {
  if (key == 0) return {kNearest.at, 0, 1};
  return {kRandom.at, 0xffff, 0};
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
