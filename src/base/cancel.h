#pragma once

#include <atomic>

namespace malmoi {

// A flag that the owner sets when the caller went away or a limit passed; long work polls it once
// per batch. Thread-safe.
class Cancel {
 public:
  void Set() { set_.store(true, std::memory_order_relaxed); }
  bool IsSet() const { return set_.load(std::memory_order_relaxed); }

 private:
  std::atomic<bool> set_{false};
};

}  // namespace malmoi
