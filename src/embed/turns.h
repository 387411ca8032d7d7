#pragma once

#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>

namespace malmoi::embed {

// Who goes next on a resource that one caller uses at a time: the call with the least work, but
// the oldest one after it has been passed over kPassedMax times. Thread-safe.
class Turns {
 public:
  static constexpr int kPassedMax = 8;

  // Waits for the turn; holds it until destruction. `work`: any measure, the same for all.
  class Turn {
   public:
    Turn(Turns* turns, std::uint64_t work) : turns_(turns) { turns_->Wait(work); }
    ~Turn() { turns_->Leave(); }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;

   private:
    Turns* turns_;
  };

  std::size_t waiting() const;  // Calls that have no turn yet.

 private:
  void Wait(std::uint64_t work);
  void Leave();
  std::uint64_t Next() const;  // Ticket of the call to go; mutex_ held, someone waits.

  mutable std::mutex mutex_;  // guards: all below
  std::condition_variable changed_;
  std::map<std::uint64_t, std::uint64_t> waiting_;  // Ticket to work: the oldest first.
  std::uint64_t tickets_ = 0;
  int passed_ = 0;  // Times that the oldest was passed over.
  bool busy_ = false;
};

}  // namespace malmoi::embed
