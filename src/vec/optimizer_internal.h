#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <set>
#include <thread>

namespace malmoi::vec {

class Store;

// Makes this thread, and those that it starts, give way to threads that search and write.
void GiveWay();

// The threads of a database that build graphs and merge large segments. They have a lower priority
// than those that search and write. One lane builds graphs of fresh segments, the other merges: a
// long merge does not keep fresh points out of graphs.
//
// Thread-safe. Threads start with the first work.
class Optimizer {
 public:
  explicit Optimizer(std::size_t threads) : threads_(threads) {}
  ~Optimizer();  // Gives up what is under way within a fraction of a second.
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;

  std::size_t threads() const { return threads_; }
  // The store may have something to do.
  void Wake(const std::weak_ptr<Store>& store);
  // Returns when the store has nothing left to do.
  void Drain(const std::shared_ptr<Store>& store);
  // Returns when few enough of the store's points await a graph, or after 30 seconds.
  void WaitForRoom(const std::shared_ptr<Store>& store);

 private:
  enum Kind : std::size_t { kGraphs, kMerges, kKinds };
  using Stores = std::set<std::weak_ptr<Store>, std::owner_less<std::weak_ptr<Store>>>;
  struct Lane {
    Stores pending;
    Stores later;  // To be asked again soon.
    const Store* busy = nullptr;
    std::thread thread;
  };
  void Run(Kind kind);
  void Start(const std::weak_ptr<Store>& store, Kind kind);

  std::size_t threads_;
  std::atomic<bool> stop_{false};
  std::mutex mutex_;  // guards: lanes_, draining_
  std::condition_variable changed_;
  std::array<Lane, kKinds> lanes_;
  int draining_ = 0;  // Then merges that save little are made too.
};

}  // namespace malmoi::vec
