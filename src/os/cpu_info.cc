#include "os/cpu_info.h"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>

#include "base/check.h"

namespace malmoi::os {
namespace {

constexpr CpuLevel kAll[] = {CpuLevel::kScalar, CpuLevel::kAvx2, CpuLevel::kAvx512};

std::optional<CpuLevel> ForcedLevel(std::string_view name) {
  for (const CpuLevel level : kAll) {
    if (CpuLevelName(level) == name) return level;
  }
  return std::nullopt;
}

std::atomic<CpuLevel>& Active() {
  static std::atomic<CpuLevel> active = [] {
    const char* forced = std::getenv("MALMOI_CPU");
    const auto level = forced == nullptr ? std::nullopt : ForcedLevel(forced);
    return level ? std::min(*level, DetectedCpuLevel()) : DetectedCpuLevel();
  }();
  return active;
}

// Cores granted by the cgroup's quota ("max 100000" or "200000 100000"); nothing where unlimited.
std::optional<unsigned> CgroupCores() {
  std::FILE* f = std::fopen("/sys/fs/cgroup/cpu.max", "re");
  if (f == nullptr) return std::nullopt;
  long long quota = 0;
  long long period = 0;
  const int got = std::fscanf(f, "%lld %lld", &quota, &period);
  std::fclose(f);
  if (got != 2 || quota <= 0 || period <= 0) return std::nullopt;
  return static_cast<unsigned>(std::max(1LL, (quota + period - 1) / period));
}

}  // namespace

std::string_view CpuLevelName(CpuLevel level) {
  switch (level) {
    case CpuLevel::kScalar:
      return "scalar";
    case CpuLevel::kAvx2:
      return "avx2";
    case CpuLevel::kAvx512:
      return "avx512";
  }
  return "scalar";
}

CpuLevel DetectedCpuLevel() {
#if defined(__x86_64__)
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                    __builtin_cpu_supports("bmi2");
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
                      __builtin_cpu_supports("avx512vl");
  if (avx2 && avx512) return CpuLevel::kAvx512;
  if (avx2) return CpuLevel::kAvx2;
#endif
  return CpuLevel::kScalar;
}

std::vector<CpuLevel> AvailableCpuLevels() {
  std::vector<CpuLevel> out;
  for (const CpuLevel level : kAll) {
    if (level <= DetectedCpuLevel()) out.push_back(level);
  }
  return out;
}

CpuLevel ActiveCpuLevel() {
  return Active().load(std::memory_order_relaxed);
}

Status CheckCpuLevel() {
  const char* forced = std::getenv("MALMOI_CPU");
  if (forced == nullptr) return Ok();
  const auto level = ForcedLevel(forced);
  if (!level) {
    return Error(Code::kInvalidArgument,
                 std::string("MALMOI_CPU is '") + forced + "', not one of scalar, avx2, avx512");
  }
  if (*level > DetectedCpuLevel()) {
    return Error(Code::kInvalidArgument, std::string("MALMOI_CPU is '") + forced +
                                             "', but this processor has only " +
                                             std::string(CpuLevelName(DetectedCpuLevel())));
  }
  return Ok();
}

CpuLevel SetCpuLevelForTest(CpuLevel level) {
  MALMOI_CHECK(level <= DetectedCpuLevel());
  return Active().exchange(level);
}

unsigned UsableCores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  unsigned cores = 1;
  if (sched_getaffinity(0, sizeof(set), &set) == 0) {
    cores = static_cast<unsigned>(std::max(1, CPU_COUNT(&set)));
  }
  return std::min(cores, CgroupCores().value_or(cores));
}

}  // namespace malmoi::os
