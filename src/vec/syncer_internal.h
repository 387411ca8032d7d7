#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <set>
#include <thread>

namespace malmoi::vec {

class Store;

// The thread of a database that makes writes durable which did not wait for it, at most
// kSyncWithin after they were made.
class Syncer {
 public:
  static constexpr int kSyncWithinMs = 40;  // And the sync itself: 50 in sum is promised.

  Syncer();
  ~Syncer();
  Syncer(const Syncer&) = delete;
  Syncer& operator=(const Syncer&) = delete;

  // The store has something to sync. Cheap where it is known already.
  void Wake(const std::weak_ptr<Store>& store);

 private:
  void Run();

  std::mutex mutex_;  // guards: dirty_, stop_
  std::condition_variable wake_;
  std::set<std::weak_ptr<Store>, std::owner_less<std::weak_ptr<Store>>> dirty_;
  bool stop_ = false;
  std::thread thread_;  // Last: runs over the others.
};

}  // namespace malmoi::vec
