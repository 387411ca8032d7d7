#include "base/clock.h"
#include "base/strings.h"
#include "os/usage.h"
#include "vec/memory_budget_internal.h"

namespace malmoi::vec {
namespace {

constexpr double kMeasuredSeconds = 0.02;

}  // namespace

MemoryBudget::MemoryBudget(std::uint64_t bytes, std::function<std::uint64_t()> used)
    : bytes_(bytes), used_(std::move(used)) {}

std::uint64_t MemoryBudget::Measure() const {
  return used_ ? used_() : os::ReadMemoryUsage().anonymous;
}

bool MemoryBudget::Take(std::uint64_t more) {
  if (bytes_ == 0) return true;
  const std::lock_guard lock(mutex_);
  // A refusal is never of an old number.
  const bool old = measured_at_ == 0 || SecondsSince(measured_at_) > kMeasuredSeconds;
  if (old || measured_ + granted_ + more > bytes_) {
    measured_ = Measure();
    measured_at_ = MonotonicNs();
    granted_ = 0;
  }
  if (measured_ + granted_ + more > bytes_) return false;
  granted_ += more;
  return true;
}

Error MemoryBudget::Refusal(std::uint64_t more) const {
  const std::lock_guard lock(mutex_);
  return Error(Code::kOverloaded, "the memory budget of " + FormatBytes(bytes_) +
                                      " has no room for a write of " + FormatBytes(more) + " (" +
                                      FormatBytes(measured_) +
                                      " are in use); delete points, or raise the budget");
}

}  // namespace malmoi::vec
