#include "vec/background_internal.h"
#include "vec/store_internal.h"

namespace malmoi::vec {

Background::Background(std::chrono::milliseconds delay, Work work)
    : delay_(delay), work_(std::move(work)), thread_([this] { Run(); }) {}

Background::~Background() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

void Background::Wake(const std::weak_ptr<Store>& store) {
  const std::lock_guard lock(mutex_);
  if (waiting_.insert(store).second && waiting_.size() == 1) wake_.notify_all();
}

void Background::Run() {
  std::unique_lock lock(mutex_);
  while (!stop_) {
    wake_.wait(lock, [&] { return stop_ || !waiting_.empty(); });
    wake_.wait_for(lock, delay_, [&] { return stop_; });
    auto due = std::move(waiting_);
    waiting_.clear();
    while (!due.empty() && !stop_) {
      const auto store = due.extract(due.begin()).value().lock();
      lock.unlock();
      if (store != nullptr) work_(store);
      lock.lock();
    }
  }
}

// Failures are told to later writers by the store itself.
Workers::Workers(std::size_t threads)
    : optimizer(threads),
      syncer(std::chrono::milliseconds(40),
             [](const std::shared_ptr<Store>& store) { (void)store->Sync().ok(); }),
      merger(std::chrono::milliseconds(0),
             [](const std::shared_ptr<Store>& store) { (void)store->Merge().ok(); }),
      flusher(std::chrono::milliseconds(0), [this](const std::shared_ptr<Store>& store) {
        if (store->Flush(false).ok()) merger.Wake(store);
      }) {}

}  // namespace malmoi::vec
