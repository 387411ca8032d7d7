#pragma once

#include <cstddef>
#include <functional>
#include <vector>

#include "base/buffer.h"

namespace malmoi::optim {

// What memory gives to a pass that reads `read` bytes a parameter and writes `written` of them
// back: the yardstick that a step is compared with. It does no arithmetic, keeps no tensors and no
// order, and is the best of twelve ways to walk: streams of up to four bytes a parameter that
// advance together by 64 to 4,096 parameters, written back as usual or past the caches.
// Streams begin a few lines off a page, each elsewhere, as tensors do: at equal offsets they would
// push each other out of the cache, and the yardstick would flatter what it measures.
class PlainTraffic {
 public:
  PlainTraffic(std::size_t parameters, double read, double written);
  // GB/s: bytes read and written, over the least median of `runs`.
  double Measure(std::size_t threads, int runs);

 private:
  struct Stream {
    Buffer<unsigned char> bytes;
    std::size_t offset = 0;  // Of the first line.
    std::size_t lines = 0;
    bool written = false;
  };
  void AddStreams(double bytes, bool written);
  // Parameters [begin, end) in steps of `step`.
  void Walk(std::size_t begin, std::size_t end, std::size_t step, bool around);

  std::size_t n_;
  double bytes_ = 0;
  std::vector<Stream> streams_;
};

// The median of `runs` times of work, in milliseconds, or of as many as fit in ten seconds, at
// least three; two more go before it.
double MedianMs(int runs, const std::function<void()>& work);

}  // namespace malmoi::optim
