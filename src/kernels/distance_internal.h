#pragma once

#include <cstddef>
#include <cstdint>

// What one instruction-set level offers; distance.cc picks a table at each call.
namespace malmoi::kernels {

struct DistanceTable {
  void (*squared_rows)(const float* rows, const float* query, std::size_t dim, float* out,
                       std::size_t count);
  void (*absolute_rows)(const float* rows, const float* query, std::size_t dim, float* out,
                        std::size_t count);
  void (*half_to_float)(const std::uint8_t* half, float* out, std::size_t n);
  // out: dot, row squares, squared distance, absolute distance.
  void (*sum_bytes)(const std::uint8_t* row, const std::uint8_t* query, std::size_t n,
                    std::uint32_t* out);
};

extern const DistanceTable kScalarDistance;
#if defined(__x86_64__)
extern const DistanceTable kAvx2Distance;
extern const DistanceTable kAvx512Distance;
#endif

}  // namespace malmoi::kernels
