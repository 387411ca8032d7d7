#pragma once

#include <cstddef>
#include <cstdint>

// What one instruction-set level offers; rotation.cc picks a table at each call.
namespace malmoi::kernels {

struct RotationTable {
  void (*walsh_hadamard)(float* x, std::size_t n);
  void (*to_nibbles)(const float* x, std::size_t n, float factor, const float* borders,
                     std::uint8_t* codes);
  void (*from_nibbles)(const std::uint8_t* codes, const float* levels, float scale, float* out,
                       std::size_t n);
  void (*from_int8)(const std::uint8_t* codes, float scale, float* out, std::size_t n);
  void (*from_int16)(const std::uint8_t* codes, float scale, float* out, std::size_t n);
};

extern const RotationTable kScalarRotation;
#if defined(__x86_64__)
extern const RotationTable kAvx2Rotation;
extern const RotationTable kAvx512Rotation;
#endif

}  // namespace malmoi::kernels
