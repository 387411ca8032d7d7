#include <chrono>

#include "vec/store_internal.h"
#include "vec/syncer_internal.h"

namespace malmoi::vec {

Syncer::Syncer() : thread_([this] { Run(); }) {}

Syncer::~Syncer() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

void Syncer::Wake(const std::weak_ptr<Store>& store) {
  const std::lock_guard lock(mutex_);
  if (dirty_.insert(store).second && dirty_.size() == 1) wake_.notify_all();
}

void Syncer::Run() {
  std::unique_lock lock(mutex_);
  while (!stop_) {
    wake_.wait(lock, [&] { return stop_ || !dirty_.empty(); });
    wake_.wait_for(lock, std::chrono::milliseconds(kSyncWithinMs), [&] { return stop_; });
    const auto due = std::move(dirty_);
    dirty_.clear();
    lock.unlock();
    for (const auto& weak : due) {
      const auto store = weak.lock();
      if (store == nullptr) continue;
      WriteRequest request;
      request.sync = true;
      // A failure makes the collection read-only and is told to every later writer.
      (void)store->Submit(request).ok();
    }
    lock.lock();
  }
}

}  // namespace malmoi::vec
