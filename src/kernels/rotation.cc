#include "kernels/rotation.h"

#include <bit>

#include "base/check.h"
#include "kernels/rotation_internal.h"
#include "os/cpu_info.h"

namespace malmoi::kernels {
namespace {

const RotationTable& Table() {
  switch (os::BaseCpuLevel(os::ActiveCpuLevel())) {
#if defined(__x86_64__)
    case os::CpuLevel::kAvx512:
      return kAvx512Rotation;
    case os::CpuLevel::kAvx2:
      return kAvx2Rotation;
#endif
    default:
      return kScalarRotation;
  }
}

}  // namespace

void WalshHadamard(std::span<float> x) {
  MALMOI_CHECK(std::has_single_bit(x.size()));
  Table().walsh_hadamard(x.data(), x.size());
}

void ToNibbles(std::span<const float> x, float factor, const Borders& borders,
               std::uint8_t* codes) {
  Table().to_nibbles(x.data(), x.size(), factor, borders.data(), codes);
}

void FromNibbles(const std::uint8_t* codes, const Levels& levels, float scale,
                 std::span<float> out) {
  Table().from_nibbles(codes, levels.data(), scale, out.data(), out.size());
}

void FromInt8(const std::uint8_t* codes, float scale, std::span<float> out) {
  Table().from_int8(codes, scale, out.data(), out.size());
}

void FromInt16(const std::uint8_t* codes, float scale, std::span<float> out) {
  Table().from_int16(codes, scale, out.data(), out.size());
}

}  // namespace malmoi::kernels
