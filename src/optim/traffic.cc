#include "optim/traffic.h"

#include <algorithm>
#include <atomic>

#include "base/clock.h"
#include "optim/traffic_bodies.h"
#include "os/cpu_info.h"
#include "os/thread_pool.h"

namespace malmoi::optim {
namespace {

constexpr std::size_t kLine = 64;

const TrafficBodies& Bodies() {
#if defined(__x86_64__)
  switch (os::BaseCpuLevel(os::ActiveCpuLevel())) {
    case os::CpuLevel::kAvx512:
      return kTraffic_avx512;
    case os::CpuLevel::kAvx2:
      return kTraffic_avx2;
    default:
      break;
  }
#endif
  return kTraffic_scalar;
}

}  // namespace

double MedianMs(int runs, const std::function<void()>& work) {
  const std::int64_t all = MonotonicNs();
  work();
  work();
  std::vector<double> times;
  for (int i = 0; i < runs && (i < 3 || SecondsSince(all) < 10); ++i) {
    const std::int64_t start = MonotonicNs();
    work();
    times.push_back(1e3 * SecondsSince(start));
  }
  std::sort(times.begin(), times.end());
  return times[times.size() / 2];
}

PlainTraffic::PlainTraffic(std::size_t parameters, double read, double written) : n_(parameters) {
  AddStreams(written, true);
  AddStreams(read - written, false);
}

void PlainTraffic::AddStreams(double bytes, bool written) {
  for (double left = bytes; left > 0.01; left -= 4) {
    Stream s;
    s.written = written;
    s.offset = streams_.size() * 5 * kLine;
    s.lines = static_cast<std::size_t>(std::min(left, 4.0) * static_cast<double>(n_)) / kLine;
    s.bytes = Buffer<unsigned char>(s.offset + s.lines * kLine);
    bytes_ += static_cast<double>(s.lines * kLine * (written ? 2 : 1));
    streams_.push_back(std::move(s));
  }
}

void PlainTraffic::Walk(std::size_t begin, std::size_t end, std::size_t step, bool around) {
  const auto touch = Bodies().touch;
  unsigned sum = 0;
  for (std::size_t i = begin; i < end; i += step) {
    const std::size_t next = std::min(end, i + step);
    for (Stream& s : streams_) {
      const std::size_t from = i * s.lines / n_, to = next * s.lines / n_;
      const Touch how = s.written ? (around ? Touch::kWriteAround : Touch::kWrite) : Touch::kRead;
      auto* at = reinterpret_cast<char*>(s.bytes.data() + s.offset + from * kLine);
      if (to > from) sum += touch(at, to - from, how);
    }
  }
  asm volatile("" ::"r"(sum));
}

double PlainTraffic::Measure(std::size_t threads, int runs) {
  os::ThreadPool pool(threads, "traffic");
  double best = 0;
  for (const std::size_t step : {64, 128, 256, 512, 1024, 4096}) {
    for (const bool around : {false, true}) {
      constexpr std::size_t kPiece = std::size_t{1} << 18;
      const double ms = MedianMs(runs, [&] {
        std::atomic<std::size_t> next{0};
        pool.ParallelFor(threads, [&](std::size_t, std::size_t, std::size_t) {
          for (std::size_t i = next.fetch_add(kPiece); i < n_; i = next.fetch_add(kPiece)) {
            Walk(i, std::min(n_, i + kPiece), step, around);
          }
        });
      });
      best = std::max(best, bytes_ / ms / 1e6);
    }
  }
  return best;
}

}  // namespace malmoi::optim
