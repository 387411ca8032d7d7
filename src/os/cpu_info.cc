#include "os/cpu_info.h"

#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

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

constexpr CpuLevel kAll[] = {CpuLevel::kScalar,     CpuLevel::kAvx2,       CpuLevel::kAvx512,
                             CpuLevel::kAvx512Vnni, CpuLevel::kAvx512Bf16, CpuLevel::kAmx};

#if defined(__x86_64__)
// The system must save tile registers (XCR0 bits 17 and 18) and let this process use them.
bool AmxGranted() {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  constexpr unsigned kOsxsave = 1u << 27;
  if (__get_cpuid(1, &eax, &ebx, &ecx, &edx) == 0 || (ecx & kOsxsave) == 0) return false;
  if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) == 0) return false;
  constexpr unsigned kBf16 = 1u << 22, kTile = 1u << 24, kInt8 = 1u << 25;
  if ((edx & kBf16) == 0 || (edx & kTile) == 0 || (edx & kInt8) == 0) return false;
  unsigned low = 0, high = 0;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  constexpr unsigned kTileState = 3u << 17;
  if ((low & kTileState) != kTileState) return false;
  constexpr long kRequestPermission = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

CpuLevel Detect() {
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                    __builtin_cpu_supports("bmi2");
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
                      __builtin_cpu_supports("avx512vl");
  if (!avx2) return CpuLevel::kScalar;
  if (!avx512) return CpuLevel::kAvx2;
  if (!__builtin_cpu_supports("avx512vnni")) return CpuLevel::kAvx512;
  if (!__builtin_cpu_supports("avx512bf16")) return CpuLevel::kAvx512Vnni;
  return AmxGranted() ? CpuLevel::kAmx : CpuLevel::kAvx512Bf16;
}
#endif

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
    case CpuLevel::kAvx512Vnni:
      return "avx512-vnni";
    case CpuLevel::kAvx512Bf16:
      return "avx512-bf16";
    case CpuLevel::kAmx:
      return "amx";
  }
  return "scalar";
}

CpuLevel DetectedCpuLevel() {
#if defined(__x86_64__)
  static const CpuLevel detected = Detect();
  return detected;
#else
  return CpuLevel::kScalar;
#endif
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
                 std::string("MALMOI_CPU is '") + forced +
                     "', not one of scalar, avx2, avx512, avx512-vnni, avx512-bf16, "
                     "amx");
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
