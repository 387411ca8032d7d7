#include "obs/progress.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "base/clock.h"
#include "base/strings.h"

namespace malmoi::obs {

Progress::Progress(std::string label, std::string unit, std::uint64_t total, bool quiet)
    : label_(std::move(label)),
      unit_(std::move(unit)),
      total_(total),
      quiet_(quiet),
      terminal_(::isatty(STDERR_FILENO) == 1),
      start_ns_(MonotonicNs()) {
  drawn_ns_ = terminal_ ? 0 : start_ns_;
}

Progress::~Progress() {
  Finish();
}

void Progress::Add(std::uint64_t done) {
  const std::lock_guard lock(mutex_);
  done_ += done;
  Draw(false);
}
void Progress::SetTotal(std::uint64_t total) {
  const std::lock_guard lock(mutex_);
  total_ = total;
}
void Progress::SetNote(std::string note) {
  const std::lock_guard lock(mutex_);
  note_ = std::move(note);
}
void Progress::Finish() {
  const std::lock_guard lock(mutex_);
  if (finished_) return;
  finished_ = true;
  Draw(true);
}

void Progress::Draw(bool last) {
  if (quiet_ || (last && done_ == 0)) return;
  constexpr std::int64_t kTerminalNs = 100'000'000;
  constexpr std::int64_t kPlainNs = 10'000'000'000;
  const std::int64_t now = MonotonicNs();
  if (!last && now - drawn_ns_ < (terminal_ ? kTerminalNs : kPlainNs)) return;
  drawn_ns_ = now;
  const std::string line =
      Render(label_, unit_, done_, total_, static_cast<double>(now - start_ns_) * 1e-9, note_);
  if (terminal_) {
    std::fprintf(stderr, "\r%s\x1b[K%s", line.c_str(), last ? "\n" : "");
  } else {
    std::fprintf(stderr, "%s\n", line.c_str());
  }
}

std::string Progress::Render(const std::string& label, const std::string& unit, std::uint64_t done,
                             std::uint64_t total, double seconds, const std::string& note) {
  constexpr std::uint64_t kWidth = 24;
  std::string line = label + "  ";
  if (total > 0) {
    const std::uint64_t filled = std::min(done, total) * kWidth / total;
    line += "[" + std::string(filled, '#') + std::string(kWidth - filled, '.') + "]  ";
  }
  line += std::to_string(done) + (total > 0 ? "/" + std::to_string(total) : "") + " " + unit;
  const double rate = seconds > 0 ? static_cast<double>(done) / seconds : 0;
  line += "  " + FormatFixed(rate, 1) + " " + unit + "/s";
  if (total > 0 && done < total && rate > 0) {
    line += "  " + FormatDuration(static_cast<double>(total - done) / rate) + " left";
  } else {
    line += "  " + FormatDuration(seconds);
  }
  return note.empty() ? line : line + "  " + note;
}

}  // namespace malmoi::obs
