#pragma once

#include <cstddef>

// What one instruction-set level offers; decimals.cc picks a function at each call.
namespace malmoi::kernels {

// Moves *at behind what was read, up to `end`; returns how many. `begin`..*at is readable.
using DecimalsKernel = std::size_t (*)(const char* begin, const char** at, const char* end,
                                       float* out, std::size_t room);

inline constexpr int kDecimalsMax = 13;  // Behind the point: with the digit before it, below 2^53.

std::size_t ScalarDecimals(const char* begin, const char** at, const char* end, float* out,
                           std::size_t room);
#if defined(__x86_64__)
std::size_t Avx2Decimals(const char* begin, const char** at, const char* end, float* out,
                         std::size_t room);
std::size_t Avx512Decimals(const char* begin, const char** at, const char* end, float* out,
                           std::size_t room);
#endif

}  // namespace malmoi::kernels
