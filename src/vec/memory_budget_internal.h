#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <string>

#include "base/result.h"

namespace malmoi::vec {

// How much memory of its own the process may hold, mapped files aside, and whether more fits.
//
// Under the budget everything is as without one. Near it, what is only faster in memory stays out
// of it: rows as bytes and columns are not made, graphs stay in their files, and a graph that
// cannot be built within it is not. Points written are made segments early (Relief); writes for
// which even that makes no room are refused with kOverloaded. Deletions and reads are not.
//
// Memory is measured, not added up, so whatever else the process holds counts too. Between two
// measurements what was granted counts as used. Thread-safe.
class MemoryBudget {
 public:
  // `bytes` 0: no limit. `used` is asked for what the process holds (a test's own; null: the
  // operating system).
  explicit MemoryBudget(std::uint64_t bytes, std::function<std::uint64_t()> used = nullptr);

  std::uint64_t bytes() const { return bytes_; }
  // Whether `more` bytes fit beside what is there, which it then takes as spent.
  bool Take(std::uint64_t more);
  // The error of a write for which there is no room.
  Error Refusal(std::uint64_t more) const;

 private:
  std::uint64_t Measure() const;

  const std::uint64_t bytes_;
  const std::function<std::uint64_t()> used_;
  mutable std::mutex mutex_;  // guards: measured_, measured_at_, granted_
  mutable std::uint64_t measured_ = 0;
  mutable std::int64_t measured_at_ = 0;  // MonotonicNs; 0: never.
  mutable std::uint64_t granted_ = 0;
};

}  // namespace malmoi::vec
