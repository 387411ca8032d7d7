#include "os/barrier.h"

namespace malmoi::os {

void Barrier::Wait() {
  if (threads_ < 2) return;
  const std::uint32_t round = round_.load(std::memory_order_relaxed);
  if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == threads_) {
    arrived_.store(0, std::memory_order_relaxed);
    round_.store(round + 1, std::memory_order_release);
    round_.notify_all();  // No system call where nobody sleeps.
    return;
  }
  constexpr int kSpins = 1500;  // Some tens of microseconds.
  for (int spin = 0; spin < kSpins; ++spin) {
    if (round_.load(std::memory_order_acquire) != round) return;
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
  }
  round_.wait(round, std::memory_order_acquire);
}

}  // namespace malmoi::os
