#pragma once

#include <string_view>
#include <vector>

#include "base/result.h"

namespace malmoi::os {

// Instruction-set levels that kernels are written for, in rising order. A level includes those
// below it.
enum class CpuLevel : unsigned char {
  kScalar,  // Plain x86-64, or any other architecture.
  kAvx2,    // AVX2, FMA, F16C, BMI2.
  kAvx512,  // AVX-512 F, BW, CD, DQ, VL.
};

std::string_view CpuLevelName(CpuLevel level);  // "scalar", "avx2", "avx512": MALMOI_CPU's values.

// What this processor and operating system can run.
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
