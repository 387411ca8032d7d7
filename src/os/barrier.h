#pragma once

#include <atomic>
#include <cstddef>

namespace malmoi::os {

// Where threads that run the same steps meet: Wait returns when all `threads` have called it, and
// what each wrote before is then seen by all. Waiting spins, for steps of microseconds; a thread
// that waits long yields its core, so that more threads than cores still go on. One thread: free.
class Barrier {
 public:
  explicit Barrier(std::size_t threads) : threads_(threads) {}

  void Wait();

 private:
  const std::size_t threads_;
  std::atomic<std::size_t> arrived_{0};
  std::atomic<std::size_t> round_{0};
};

}  // namespace malmoi::os
