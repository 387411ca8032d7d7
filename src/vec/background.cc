#include "base/clock.h"
#include "os/usage.h"
#include "vec/background_internal.h"
#include "vec/store_internal.h"

namespace malmoi::vec {
namespace {

constexpr double kReliefSeconds = 0.5;

}  // namespace

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
Workers::Workers(std::size_t threads, std::uint64_t memory_bytes)
    : budget(std::make_shared<MemoryBudget>(memory_bytes)),
      optimizer(threads),
      syncer(std::chrono::milliseconds(40),
             [](const std::shared_ptr<Store>& store) { (void)store->Sync().ok(); }),
      merger(std::chrono::milliseconds(0),
             [](const std::shared_ptr<Store>& store) { (void)store->Merge().ok(); }),
      flusher(std::chrono::milliseconds(0),
              [this](const std::shared_ptr<Store>& store) {
                if (store->Flush(false).ok()) merger.Wake(store);
              }),
      opener(std::chrono::milliseconds(0),
             [](const std::shared_ptr<Store>& store) { store->OpenGraphs(); }) {}

void Workers::Add(const std::weak_ptr<Store>& store) {
  const std::lock_guard lock(stores_mutex_);
  std::erase_if(stores_, [](const auto& s) { return s.expired(); });
  stores_.push_back(store);
}

std::vector<std::shared_ptr<Store>> Workers::Stores() {
  std::vector<std::shared_ptr<Store>> out;
  const std::lock_guard lock(stores_mutex_);
  for (const auto& weak : stores_) {
    if (auto store = weak.lock()) out.push_back(std::move(store));
  }
  return out;
}

Status Workers::MakeRoom(std::uint64_t bytes) {
  if (budget->Take(bytes)) return Ok();
  const std::int64_t asked = MonotonicNs();
  {
    const std::lock_guard lock(relief_mutex_);
    // Where nothing could be given up a moment ago, writers are not made to wait for the same.
    const bool fresh =
        relieved_at_ != 0 && (relieved_at_ > asked || SecondsSince(relieved_at_) < kReliefSeconds);
    if (!fresh) {
      for (const auto& store : Stores()) store->Relieve();
      os::ReturnFreeMemory();
      relieved_at_ = MonotonicNs();
    }
  }
  if (budget->Take(bytes)) return Ok();
  return budget->Refusal(bytes);
}

}  // namespace malmoi::vec
