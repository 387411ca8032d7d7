#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace malmoi::rpc::tei {

// Works on the requests of one stream side by side and gives the answers in the order of the
// requests. The first request, in that order, that fails ends the stream with its status.
//
// One thread calls Push() and then Finish(). `run` is called on up to kWorkers threads, which start
// when they are needed; `write` on one of them at a time.
template <class Request, class Response, class Status>
class Pipeline {
 public:
  static constexpr std::size_t kWorkers = 8;
  static constexpr std::size_t kAhead = 32;  // Requests that are read before the oldest is done.

  using Run = std::function<Status(const Request&, Response*)>;
  using Write = std::function<bool(const Response&)>;  // False: the client is gone.

  Pipeline(Run run, Write write) : run_(std::move(run)), write_(std::move(write)) {}
  ~Pipeline() {
    {
      const std::lock_guard lock(mutex_);
      ended_ = true;
    }
    Join();
  }
  Pipeline(const Pipeline&) = delete;
  Pipeline& operator=(const Pipeline&) = delete;

  // Waits for room. False once the stream has ended.
  bool Push(Request request) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return slots_.size() < kAhead || ended_; });
    if (ended_) return false;
    slots_.emplace_back();
    slots_.back().request = std::move(request);
    waiting_.push_back(&slots_.back());
    if (waiting_.size() > idle_ && workers_.size() < kWorkers) {
      workers_.emplace_back([this] { Work(); });
    }
    work_.notify_one();
    return true;
  }

  // Waits until all is answered, or the stream has ended.
  Status Finish() {
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return slots_.empty() || ended_; });
      ended_ = true;
    }
    Join();
    return status_;
  }

  // Nothing is being worked on.
  bool idle() const {
    const std::lock_guard lock(mutex_);
    return slots_.empty();
  }

 private:
  struct Slot {
    Request request;
    Response response;
    Status status;
    bool done = false;
  };

  void Join() {
    work_.notify_all();
    for (std::thread& worker : workers_) worker.join();
    workers_.clear();
  }

  void Work() {
    std::unique_lock lock(mutex_);
    for (;;) {
      ++idle_;
      work_.wait(lock, [&] { return !waiting_.empty() || ended_; });
      --idle_;
      if (ended_) return;
      Slot* const slot = waiting_.front();
      waiting_.pop_front();
      lock.unlock();
      slot->status = run_(slot->request, &slot->response);
      lock.lock();
      slot->done = true;
      Deliver(&lock);
    }
  }

  // Writes what is done and next, unless another thread is at it.
  void Deliver(std::unique_lock<std::mutex>* lock) {
    if (writing_) return;
    writing_ = true;
    while (!ended_ && !slots_.empty() && slots_.front().done) {
      const Slot& slot = slots_.front();  // Stays where it is while others are pushed.
      bool go_on = slot.status.ok();
      if (go_on) {
        lock->unlock();
        go_on = write_(slot.response);
        lock->lock();
      } else {
        status_ = slot.status;
      }
      if (go_on) {
        slots_.pop_front();
      } else {
        ended_ = true;
      }
      changed_.notify_all();
    }
    writing_ = false;
    if (ended_) work_.notify_all();
  }

  const Run run_;
  const Write write_;
  mutable std::mutex mutex_;  // guards: all below but workers_, which Push() and Join() use
  std::condition_variable work_, changed_;
  std::deque<Slot> slots_;  // In order of the requests.
  std::deque<Slot*> waiting_;
  std::size_t idle_ = 0;  // Workers that wait.
  bool writing_ = false;
  bool ended_ = false;
  Status status_;
  std::vector<std::thread> workers_;
};

}  // namespace malmoi::rpc::tei
