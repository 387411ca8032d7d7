#include "os/usage.h"

#include <malloc.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <memory>

namespace malmoi::os {
namespace {

struct Close {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using FilePtr = std::unique_ptr<std::FILE, Close>;

// A file of one number; nothing for "max".
std::optional<std::uint64_t> ReadNumber(const char* path) {
  const FilePtr file(std::fopen(path, "r"));
  unsigned long long number = 0;
  if (file == nullptr || std::fscanf(file.get(), "%llu", &number) != 1) return std::nullopt;
  return number;
}

std::uint64_t ReadAvailable() {
  const auto pages = static_cast<std::uint64_t>(std::max(0L, ::sysconf(_SC_PHYS_PAGES)));
  std::uint64_t bytes = pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  for (const char* path :
       {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}) {
    const auto limit = ReadNumber(path);
    if (limit && *limit > 0) bytes = std::min(bytes, *limit);
  }
  return bytes;
}

}  // namespace

MemoryUsage ReadMemoryUsage() {
  static const std::uint64_t available = ReadAvailable();
  MemoryUsage out{.resident = 0, .anonymous = 0, .available = available};
  const FilePtr file(std::fopen("/proc/self/statm", "r"));
  unsigned long long total = 0, resident = 0, shared = 0;
  if (file == nullptr ||
      std::fscanf(file.get(), "%llu %llu %llu", &total, &resident, &shared) != 3) {
    return out;
  }
  const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  out.resident = resident * page;
  out.anonymous = (resident - std::min(resident, shared)) * page;
  return out;
}

void ReturnFreeMemory() {
#if defined(__GLIBC__)
  ::malloc_trim(0);
#endif
}

void LimitHeaps(std::size_t count) {
#if defined(__GLIBC__)
  ::mallopt(M_ARENA_MAX, static_cast<int>(count));
#else
  static_cast<void>(count);
#endif
}

std::optional<unsigned> DiskUsedPercent(const std::string& path) {
  struct statvfs info {};
  if (::statvfs(path.c_str(), &info) != 0 || info.f_blocks == 0) return std::nullopt;
  // What only root may use counts as used.
  const auto used = info.f_blocks - std::min(info.f_blocks, info.f_bavail);
  return static_cast<unsigned>(used * 100 / info.f_blocks);
}

}  // namespace malmoi::os
