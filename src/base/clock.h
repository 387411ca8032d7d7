#pragma once

#include <cstdint>

namespace malmoi {

// Nanoseconds of a clock that never goes back; only differences mean something.
std::int64_t MonotonicNs();
// Nanoseconds since 1970-01-01 UTC.
std::int64_t WallNs();

inline double SecondsSince(std::int64_t start_ns) {
  return static_cast<double>(MonotonicNs() - start_ns) * 1e-9;
}

}  // namespace malmoi
