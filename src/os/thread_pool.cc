#include "os/thread_pool.h"

#include <pthread.h>
#include <time.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "os/crowd_internal.h"

namespace malmoi::os {
namespace {

// Nanoseconds that this thread has had a processor.
std::int64_t ProcessorNs() {
  timespec t{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<std::int64_t>(t.tv_sec) * 1'000'000'000 + t.tv_nsec;
}

}  // namespace

using Body = std::function<void(std::size_t, std::size_t, std::size_t)>;

struct ThreadPool::State {
  std::size_t threads = 1;
  std::mutex mutex;  // guards: body, count, generation, pending, stop
  std::condition_variable start;
  std::condition_variable done;
  const Body* body = nullptr;
  std::size_t count = 0;
  std::uint64_t generation = 0;
  std::size_t pending = 0;
  bool stop = false;
  std::atomic<bool> busy{false};
  Crowd crowd;  // Saw: with `busy` taken.
  std::vector<std::thread> workers;

  void RunPart(const Body& f, std::size_t n, std::size_t part) const {
    const std::size_t begin = n * part / threads;
    const std::size_t end = n * (part + 1) / threads;
    if (begin < end) f(part, begin, end);
  }

  // With `busy` taken, which stays: all parts at once, this thread's too.
  void RunAll(const Body& f, std::size_t n) {
    {
      const std::lock_guard lock(mutex);
      body = &f;
      count = n;
      pending = threads - 1;
      ++generation;
    }
    start.notify_all();
    RunPart(f, n, 0);
    std::unique_lock lock(mutex);
    done.wait(lock, [&] { return pending == 0; });
  }

  void Work(std::size_t part) {
    std::uint64_t seen = 0;
    std::unique_lock lock(mutex);
    for (;;) {
      start.wait(lock, [&] { return stop || generation != seen; });
      if (stop) return;
      seen = generation;
      const Body* f = body;
      const std::size_t n = count;
      lock.unlock();
      RunPart(*f, n, part);
      lock.lock();
      if (--pending == 0) done.notify_one();
    }
  }
};

ThreadPool::ThreadPool(std::size_t threads, const std::string& name) : state_(new State) {
  state_->threads = std::max<std::size_t>(threads, 1);
  for (std::size_t part = 1; part < state_->threads; ++part) {
    state_->workers.emplace_back([state = state_.get(), part] { state->Work(part); });
    const std::string label = (name + "-" + std::to_string(part)).substr(0, 15);
    pthread_setname_np(state_->workers.back().native_handle(), label.c_str());
  }
}

ThreadPool::~ThreadPool() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->stop = true;
  }
  state_->start.notify_all();
  for (auto& worker : state_->workers) worker.join();
}

std::size_t ThreadPool::threads() const {
  return state_->threads;
}

void ThreadPool::ParallelFor(std::size_t count, const Body& body) {
  State& s = *state_;
  if (s.threads == 1 || count < 2 || s.busy.exchange(true, std::memory_order_acquire)) {
    for (std::size_t part = 0; part < s.threads; ++part) s.RunPart(body, count, part);
    return;
  }
  s.RunAll(body, count);
  s.busy.store(false, std::memory_order_release);
}

void ThreadPool::Together(const std::function<void(std::size_t, std::size_t, Barrier&)>& body) {
  State& s = *state_;
  const std::int64_t start = MonotonicNs();
  if (s.threads == 1 || s.crowd.Crowded(start) ||
      s.busy.exchange(true, std::memory_order_acquire)) {
    Barrier alone(1);
    body(0, 1, alone);
    return;
  }
  const std::int64_t processor = ProcessorNs();
  Barrier barrier(s.threads);
  s.RunAll([&](std::size_t part, std::size_t, std::size_t) { body(part, s.threads, barrier); },
           s.threads);
  const std::int64_t end = MonotonicNs();
  s.crowd.Saw(end, end - start, ProcessorNs() - processor);
  s.busy.store(false, std::memory_order_release);
}

}  // namespace malmoi::os
