#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace malmoi::os {

// Where threads that run the same steps meet: Wait returns when all `threads` have called it, and
// what each wrote before is then seen by all. Waiting spins, for steps of microseconds; a thread
// that waits longer sleeps, since the one that it waits for may need its core (another process has
// taken one, or there are more threads than cores). One thread: free.
class Barrier {
 public:
  explicit Barrier(std::size_t threads) : threads_(threads) {}

  void Wait();

 private:
  const std::size_t threads_;
  std::atomic<std::size_t> arrived_{0};
  std::atomic<std::uint32_t> round_{0};  // Slept on.
};

}  // namespace malmoi::os
