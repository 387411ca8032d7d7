#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "os/barrier.h"

namespace malmoi::os {

// A fixed set of named threads for computation. ParallelFor splits [0, count) into one contiguous
// part a worker, by index alone, so that results cannot depend on scheduling. The caller's thread
// takes part 0. Exceptions that escape `body` end the process: tasks return errors as values.
class ThreadPool {
 public:
  // `threads` in all, the caller's included; at least 1. Names appear in /proc and debuggers.
  ThreadPool(std::size_t threads, const std::string& name);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  std::size_t threads() const;

  // body(part, begin, end) once for each non-empty part. Blocks until all are done. One call at a
  // time per pool is served in parallel; a nested or concurrent call runs on the calling thread
  // with the same partition.
  void ParallelFor(
      std::size_t count,
      const std::function<void(std::size_t part, std::size_t begin, std::size_t end)>& body);
  // body(part, parts, barrier) on all threads at once, which may meet at the barrier between steps:
  // for work of many short steps, where ParallelFor's waking would cost as much as a step. A nested
  // or concurrent call is one part, and so is each for a while after one that mostly waited for
  // processors. Results must not depend on `parts`.
  void Together(
      const std::function<void(std::size_t part, std::size_t parts, Barrier& barrier)>& body);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace malmoi::os
