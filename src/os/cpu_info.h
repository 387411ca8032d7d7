#pragma once

#include <string_view>
#include <vector>

#include "base/result.h"

namespace malmoi::os {

// Instruction-set levels that kernels are written for, in rising order. A level includes those
// below it.
enum class CpuLevel : unsigned char {
  kScalar,      // Plain x86-64, or any other architecture.
  kAvx2,        // AVX2, FMA, F16C, BMI2.
  kAvx512,      // AVX-512 F, BW, CD, DQ, VL.
  kAvx512Vnni,  // and dot products of bytes (Ice Lake).
  kAvx512Bf16,  // and of bfloat16 pairs (Zen 4).
  kAmx,         // and tiles: AMX-TILE, -INT8, -BF16 (Sapphire Rapids), with the system's leave.
};

// "scalar", "avx2", "avx512", "avx512-vnni", "avx512-bf16", "amx": MALMOI_CPU's values.
std::string_view CpuLevelName(CpuLevel level);

// The level whose registers `level` computes with, for code that has no use for special dot
// products: one of kScalar, kAvx2, kAvx512.
constexpr CpuLevel BaseCpuLevel(CpuLevel level) {
  return level > CpuLevel::kAvx512 ? CpuLevel::kAvx512 : level;
}

// What this processor and operating system can run. The first call asks Linux for the use of AMX
// tiles (arch_prctl), which it grants for the life of the process.
CpuLevel DetectedCpuLevel();
// Levels from kScalar up to the detected one.
std::vector<CpuLevel> AvailableCpuLevels();

// The level kernels use: MALMOI_CPU if set, else the detected one. Read once, at the first call.
// A name that is unknown, or above what the CPU has, is an error at start-up (CheckCpuLevel), not
// a silent fall-back.
CpuLevel ActiveCpuLevel();
Status CheckCpuLevel();
// For tests that run every level: returns the previous one. `level` must be available.
CpuLevel SetCpuLevelForTest(CpuLevel level);

// Cores this process may use (affinity and cgroup quota considered), at least 1.
unsigned UsableCores();

}  // namespace malmoi::os
