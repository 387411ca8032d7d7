#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace malmoi::obs {

enum class Level : std::uint8_t { kError, kWarn, kInfo, kDebug };

// One event a line, `key=value` pairs, the event's name first; values with blanks are quoted as
// JSON strings. Text of documents, prompts and keys never goes in above debug.
//
//   LogLine(Level::kInfo, "index_done").Field("files", 12).Field("collection", name);
//
// Written when the object dies, if `level` is enabled. Thread-safe; one write(2) a line.
class LogLine {
 public:
  LogLine(Level level, std::string_view event);
  ~LogLine();
  LogLine(const LogLine&) = delete;
  LogLine& operator=(const LogLine&) = delete;
  LogLine& Field(std::string_view key, std::string_view value);
  LogLine& Field(std::string_view key, const char* value) {
    return Field(key, std::string_view(value));
  }
  LogLine& Field(std::string_view key, std::int64_t value);
  LogLine& Field(std::string_view key, std::uint64_t value) {
    return Field(key, static_cast<std::int64_t>(value));
  }
  LogLine& Field(std::string_view key, int value) {
    return Field(key, static_cast<std::int64_t>(value));
  }
  LogLine& Field(std::string_view key, double value);

 private:
  bool enabled_;
  std::string line_;
};

// Lines above `level` are dropped. Nothing is written until SetLogSink is called: libraries are
// silent unless the program wants to hear them.
void SetLogLevel(Level level);
Level CurrentLogLevel();
void SetLogSink(std::function<void(std::string_view line)> sink);
// A sink that writes lines to standard error.
void LogToStderr();

}  // namespace malmoi::obs
