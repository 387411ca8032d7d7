#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "vec/optimizer_internal.h"
#include "vec/store_internal.h"

namespace malmoi::vec {
namespace {

constexpr int kNice = 10;  // A tenth of the weight of a thread that searches.
constexpr auto kLater = std::chrono::milliseconds(500);
constexpr auto kRoomAtMost = std::chrono::seconds(30);

}  // namespace

// A lower weight, and turns so short that a search which comes in does not wait for the end of one.
// From Linux 6.12 on; before, the length is not looked at. Where it is refused, all have the same
// priority.
void GiveWay() {
  struct {  // sched_attr(2), its first version.
    std::uint32_t size = 48, policy = SCHED_OTHER;
    std::uint64_t flags = 0;
    std::int32_t nice = kNice;
    std::uint32_t priority = 0;
    std::uint64_t runtime_ns = 100'000, deadline = 0, period = 0;
  } attributes;
  static_assert(sizeof(attributes) == 48);
  if (::syscall(SYS_sched_setattr, 0, &attributes, 0) == 0) return;
  (void)::setpriority(PRIO_PROCESS, 0, kNice);
}

Optimizer::~Optimizer() {
  stop_.store(true);
  { const std::lock_guard lock(mutex_); }
  changed_.notify_all();
  for (Lane& lane : lanes_) {
    if (lane.thread.joinable()) lane.thread.join();
  }
}

// Under mutex_.
void Optimizer::Start(const std::weak_ptr<Store>& store, Kind kind) {
  Lane& lane = lanes_[kind];
  lane.later.erase(store);
  lane.pending.insert(store);
  if (!lane.thread.joinable() && !stop_) lane.thread = std::thread([this, kind] { Run(kind); });
}

void Optimizer::Wake(const std::weak_ptr<Store>& store) {
  {
    const std::lock_guard lock(mutex_);
    Start(store, kGraphs);
    Start(store, kMerges);
  }
  changed_.notify_all();
}

void Optimizer::Drain(const std::shared_ptr<Store>& store) {
  std::unique_lock lock(mutex_);
  ++draining_;
  for (const Kind kind : {kGraphs, kMerges, kGraphs}) {
    Start(store, kind);
    changed_.notify_all();
    changed_.wait(lock, [&] {
      const Lane& lane = lanes_[kind];
      return stop_ || (!lane.pending.contains(store) && lane.busy != store.get());
    });
  }
  --draining_;
}

void Optimizer::WaitForRoom(const std::shared_ptr<Store>& store) {
  if (store->HasRoom() || store->error()) return;
  const auto until = std::chrono::steady_clock::now() + kRoomAtMost;
  std::unique_lock lock(mutex_);
  Start(store, kGraphs);
  changed_.notify_all();
  while (!stop_ && std::chrono::steady_clock::now() < until) {
    changed_.wait_for(lock, std::chrono::milliseconds(50));
    lock.unlock();
    const bool room = store->HasRoom() || store->error();
    lock.lock();
    if (room) return;
  }
}

void Optimizer::Run(Kind kind) {
  GiveWay();
  os::ThreadPool pool(threads_, kind == kGraphs ? "vec-graph" : "vec-merge");
  Lane& lane = lanes_[kind];
  std::unique_lock lock(mutex_);
  while (!stop_) {
    if (lane.pending.empty()) {
      if (lane.later.empty()) {
        changed_.wait(lock);
      } else if (changed_.wait_for(lock, kLater) == std::cv_status::timeout) {
        lane.pending.swap(lane.later);
      }
      continue;
    }
    const std::weak_ptr<Store> weak = *lane.pending.begin();
    lane.pending.erase(lane.pending.begin());
    auto store = weak.lock();
    if (store == nullptr) continue;
    lane.busy = store.get();
    const bool force = draining_ > 0;
    lock.unlock();
    const Store::Work work =
        kind == kGraphs ? store->MakeOneGraph(pool, stop_) : store->MergeLarge(pool, force, stop_);
    store.reset();
    lock.lock();
    lane.busy = nullptr;
    if (work == Store::Work::kDone) {
      Start(weak, kind);
      if (kind == kGraphs) Start(weak, kMerges);
    } else if (work == Store::Work::kLater && !lane.pending.contains(weak)) {
      lane.later.insert(weak);
    }
    changed_.notify_all();
  }
}

}  // namespace malmoi::vec
