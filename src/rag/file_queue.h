#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <utility>

#include "rag/prepared_file.h"

namespace malmoi::rag {

// Prepared files on their way from the readers to the one that commits. Bounded in bytes: readers
// wait while it is full; one file larger than the limit passes alone. Thread-safe.
class FileQueue {
 public:
  FileQueue(std::size_t producers, std::uint64_t bytes_max)
      : producers_(producers), bytes_max_(bytes_max) {}

  // False after Stop: the producer ends.
  bool Push(PreparedFile file) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock,
                  [&] { return stopped_ || bytes_ == 0 || bytes_ + file.bytes <= bytes_max_; });
    if (stopped_) return false;
    bytes_ += file.bytes;
    files_.push_back(std::move(file));
    changed_.notify_all();
    return true;
  }
  void ProducerDone() {
    const std::lock_guard lock(mutex_);
    --producers_;
    changed_.notify_all();
  }

  // The next file; nothing when all producers are done and the queue is empty.
  std::optional<PreparedFile> Pop() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return !files_.empty() || producers_ == 0; });
    if (files_.empty()) return std::nullopt;
    PreparedFile file = std::move(files_.front());
    files_.pop_front();
    bytes_ -= file.bytes;
    changed_.notify_all();
    return file;
  }
  bool Empty() {
    const std::lock_guard lock(mutex_);
    return files_.empty();
  }
  void Stop() {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    files_.clear();
    bytes_ = 0;
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;  // guards: all below.
  std::condition_variable changed_;
  std::deque<PreparedFile> files_;
  std::size_t producers_;
  const std::uint64_t bytes_max_;
  std::uint64_t bytes_ = 0;
  bool stopped_ = false;
};

}  // namespace malmoi::rag
