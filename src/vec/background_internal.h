#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "vec/memory_budget_internal.h"
#include "vec/optimizer_internal.h"

namespace malmoi::vec {

class Store;

// A thread of a database that does one kind of work for the stores that ask for it. A store that
// asks again before its turn came gets one turn; the turn comes `delay` after the first asked.
class Background {
 public:
  using Work = std::function<void(const std::shared_ptr<Store>& store)>;

  Background(std::chrono::milliseconds delay, Work work);
  ~Background();  // Waits for the work under way; what is left is not done.
  Background(const Background&) = delete;
  Background& operator=(const Background&) = delete;

  // Cheap where the store has asked already.
  void Wake(const std::weak_ptr<Store>& store);

 private:
  void Run();

  const std::chrono::milliseconds delay_;
  const Work work_;
  std::mutex mutex_;  // guards: waiting_, stop_
  std::condition_variable wake_;
  std::set<std::weak_ptr<Store>, std::owner_less<std::weak_ptr<Store>>> waiting_;
  bool stop_ = false;
  std::thread thread_;  // Last: runs over the others.
};

// The background work of a database.
struct Workers {
  Workers(std::size_t threads, std::uint64_t memory_bytes);

  // Room for so many bytes of new points, made where there is none: once for all that wait.
  // Errors: MemoryBudget::Refusal.
  Status MakeRoom(std::uint64_t bytes);
  void Add(const std::weak_ptr<Store>& store);

  const std::shared_ptr<MemoryBudget> budget;

  Optimizer optimizer;  // First: the others wake it.

  // Makes writes durable which did not wait for it, 40 ms after they were made at most; with the
  // sync itself 50 ms, which is promised.
  Background syncer;
  Background merger;   // Folds segments together.
  Background flusher;  // Makes segments of memtables.
  Background opener;   // Opens graphs that were saved.

 private:
  std::vector<std::shared_ptr<Store>> Stores();

  std::mutex relief_mutex_;       // One relief at a time; held over I/O. Guards: relieved_at_
  std::int64_t relieved_at_ = 0;  // MonotonicNs.
  std::mutex stores_mutex_;       // guards: stores_
  std::vector<std::weak_ptr<Store>> stores_;
};

}  // namespace malmoi::vec
