#include "obs/log.h"

#include <unistd.h>

#include <atomic>
#include <memory>
#include <mutex>

#include "base/strings.h"

namespace malmoi::obs {
namespace {

using Sink = std::function<void(std::string_view)>;

std::atomic<Level> max_level{Level::kInfo};
std::mutex sink_mutex;  // guards: sink
std::shared_ptr<const Sink> sink;

std::shared_ptr<const Sink> CurrentSink() {
  const std::lock_guard lock(sink_mutex);
  return sink;
}

std::string_view LevelName(Level level) {
  switch (level) {
    case Level::kError:
      return "error";
    case Level::kWarn:
      return "warn";
    case Level::kInfo:
      return "info";
    case Level::kDebug:
      return "debug";
  }
  return "info";
}

bool NeedsQuotes(std::string_view value) {
  for (const char c : value) {
    if (c <= ' ' || c == '"' || c == '=' || c == '\x7f') return true;
  }
  return value.empty();
}

// One line stays one line whatever the value holds.
void AppendQuoted(std::string* out, std::string_view value) {
  static constexpr char kHex[] = "0123456789abcdef";
  *out += '"';
  for (const char c : value) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      *out += '\\';
      *out += c;
    } else if (byte < 0x20 || byte == 0x7f) {
      *out += "\\x";
      *out += kHex[byte >> 4];
      *out += kHex[byte & 15];
    } else {
      *out += c;
    }
  }
  *out += '"';
}

}  // namespace

LogLine::LogLine(Level level, std::string_view event)
    : enabled_(level <= max_level.load(std::memory_order_relaxed)) {
  if (!enabled_) return;
  line_ = "event=" + std::string(event) + " level=" + std::string(LevelName(level));
}

LogLine::~LogLine() {
  if (!enabled_) return;
  if (const auto out = CurrentSink()) (*out)(line_);
}

LogLine& LogLine::Field(std::string_view key, std::string_view value) {
  if (!enabled_) return *this;
  line_ += ' ';
  line_ += key;
  line_ += '=';
  NeedsQuotes(value) ? AppendQuoted(&line_, value) : void(line_ += value);
  return *this;
}
LogLine& LogLine::Field(std::string_view key, std::int64_t value) {
  return Field(key, std::to_string(value));
}
LogLine& LogLine::Field(std::string_view key, double value) {
  return Field(key, FormatFixed(value, 3));
}

void SetLogLevel(Level level) {
  max_level.store(level);
}

Level CurrentLogLevel() {
  return max_level;
}
void SetLogSink(std::function<void(std::string_view)> new_sink) {
  const std::lock_guard lock(sink_mutex);
  sink = new_sink ? std::make_shared<const Sink>(std::move(new_sink)) : nullptr;
}
void LogToStderr() {
  SetLogSink([](std::string_view line) {
    const std::string whole = std::string(line) + "\n";
    (void)!::write(STDERR_FILENO, whole.data(), whole.size());
  });
}

}  // namespace malmoi::obs
