#include "base/clock.h"

#include <time.h>

namespace malmoi {
namespace {

std::int64_t Now(clockid_t clock) {
  timespec t{};
  clock_gettime(clock, &t);
  return static_cast<std::int64_t>(t.tv_sec) * 1'000'000'000 + t.tv_nsec;
}

}  // namespace

std::int64_t MonotonicNs() {
  return Now(CLOCK_MONOTONIC);
}
std::int64_t WallNs() {
  return Now(CLOCK_REALTIME);
}

}  // namespace malmoi
