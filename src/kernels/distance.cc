#include "kernels/distance.h"

#include "base/check.h"
#include "kernels/distance_internal.h"
#include "os/cpu_info.h"

namespace malmoi::kernels {
namespace {

const DistanceTable& Table() {
  switch (os::BaseCpuLevel(os::ActiveCpuLevel())) {
#if defined(__x86_64__)
    case os::CpuLevel::kAvx512:
      return kAvx512Distance;
    case os::CpuLevel::kAvx2:
      return kAvx2Distance;
#endif
    default:
      return kScalarDistance;
  }
}

}  // namespace

void SquaredDistanceRows(const float* rows, std::span<const float> query, std::span<float> out) {
  Table().squared_rows(rows, query.data(), query.size(), out.data(), out.size());
}

void AbsoluteDistanceRows(const float* rows, std::span<const float> query, std::span<float> out) {
  Table().absolute_rows(rows, query.data(), query.size(), out.data(), out.size());
}

void HalfToFloat(const void* half, std::span<float> out) {
  Table().half_to_float(static_cast<const std::uint8_t*>(half), out.data(), out.size());
}

ByteSums SumBytes(const std::uint8_t* row, const std::uint8_t* query, std::size_t n) {
  MALMOI_CHECK(n <= 65536);
  std::uint32_t sums[4];
  Table().sum_bytes(row, query, n, sums);
  return {sums[0], sums[1], sums[2], sums[3]};
}

}  // namespace malmoi::kernels
