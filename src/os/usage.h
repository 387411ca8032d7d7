#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

namespace malmoi::os {

// What this process uses of the machine, in bytes; 0 where the system does not say.
struct MemoryUsage {
  std::uint64_t resident = 0;   // Pages in memory, those of mapped files included.
  std::uint64_t anonymous = 0;  // Without mapped files: what cannot be given back and read again.
  std::uint64_t available = 0;  // To the process: the cgroup's limit, else all of the machine's.
};
// Cost: two or three small files of /proc and /sys, about 30 us. Thread-safe.
MemoryUsage ReadMemoryUsage();

// Gives what the allocator keeps for later back to the system, as far as it can. Cost: a walk over
// its free lists, and page faults when memory is wanted again.
void ReturnFreeMemory();

// Threads share `count` heaps of the allocator. glibc alone makes eight for each core, and each
// keeps what the busiest moment of its threads needed. To be called before threads start: heaps
// that are there stay.
void LimitHeaps(std::size_t count);

// How full the file system that holds `path` is: 0 to 100, rounded down. Nothing where the system
// does not say.
std::optional<unsigned> DiskUsedPercent(const std::string& path);

}  // namespace malmoi::os
