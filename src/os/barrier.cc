#include "os/barrier.h"

#include <sched.h>

namespace malmoi::os {

void Barrier::Wait() {
  if (threads_ < 2) return;
  const std::size_t round = round_.load(std::memory_order_relaxed);
  if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == threads_) {
    arrived_.store(0, std::memory_order_relaxed);
    round_.store(round + 1, std::memory_order_release);
    return;
  }
  constexpr int kSpins = 4000;  // Some tens of microseconds.
  for (int spin = 0; round_.load(std::memory_order_acquire) == round; ++spin) {
    if (spin > kSpins) {
      sched_yield();
    } else {
#if defined(__x86_64__)
      __builtin_ia32_pause();
#endif
    }
  }
}

}  // namespace malmoi::os
