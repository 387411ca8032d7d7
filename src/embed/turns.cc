#include "embed/turns.h"

#include <algorithm>

namespace malmoi::embed {

std::uint64_t Turns::Next() const {
  if (passed_ >= kPassedMax) return waiting_.begin()->first;
  return std::min_element(waiting_.begin(), waiting_.end(),
                          [](const auto& a, const auto& b) { return a.second < b.second; })
      ->first;
}

void Turns::Wait(std::uint64_t work) {
  std::unique_lock lock(mutex_);
  const std::uint64_t ticket = tickets_++;
  waiting_.emplace(ticket, work);
  changed_.wait(lock, [&] { return !busy_ && Next() == ticket; });
  passed_ = waiting_.begin()->first == ticket ? 0 : passed_ + 1;
  waiting_.erase(ticket);
  busy_ = true;
}

void Turns::Leave() {
  {
    const std::lock_guard lock(mutex_);
    busy_ = false;
  }
  changed_.notify_all();
}

std::size_t Turns::waiting() const {
  const std::lock_guard lock(mutex_);
  return waiting_.size();
}

}  // namespace malmoi::embed
