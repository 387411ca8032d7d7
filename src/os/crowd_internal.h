#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

namespace malmoi::os {

// Whether a machine is too busy for threads to work in step. Where others want the processors too,
// a thread that meets the rest at a barrier waits for the scheduler to give each of them its turn,
// many times a run; one thread alone waits once. So after a run that mostly waited, runs go on
// alone for a while, and twice as long each time that a new attempt waits too.
//
// Crowded may be called by any thread; Saw by one at a time.
class Crowd {
 public:
  static constexpr std::int64_t kFirstPauseNs = 50'000'000;
  static constexpr std::int64_t kLongestPauseNs = 5'000'000'000;
  static constexpr std::int64_t kWaits = 3;  // Of a run's time to what its thread worked or spun.

  bool Crowded(std::int64_t now_ns) const {
    return now_ns < until_ns_.load(std::memory_order_relaxed);
  }

  // A run of all threads ended at `now_ns`; it took `wall_ns`, in which the caller's thread had a
  // processor for `processor_ns`.
  void Saw(std::int64_t now_ns, std::int64_t wall_ns, std::int64_t processor_ns) {
    if (wall_ns < kWaits * processor_ns) {
      pause_ns_ = 0;
      return;
    }
    pause_ns_ = std::clamp(2 * pause_ns_, kFirstPauseNs, kLongestPauseNs);
    until_ns_.store(now_ns + pause_ns_, std::memory_order_relaxed);
  }

 private:
  std::int64_t pause_ns_ = 0;
  std::atomic<std::int64_t> until_ns_{0};
};

}  // namespace malmoi::os
