#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace malmoi::llm {

// Turns a model's byte pieces into text: holds back an unfinished code point and anything that may
// be the beginning of a stop string. Not thread-safe.
class TextStream {
 public:
  enum class State { kGoOn, kStopped, kCancelled };
  // `on_text` may be null.
  TextStream(std::vector<std::string> stop, std::function<bool(std::string_view)> on_text)
      : stop_(std::move(stop)), on_text_(std::move(on_text)) {}
  State Add(std::string_view bytes);
  State Finish();  // Gives out what was held back; broken bytes become U+FFFD.
  const std::string& text() const { return text_; }  // Given out so far.

 private:
  State Give(std::size_t n);
  const std::vector<std::string> stop_;
  const std::function<bool(std::string_view)> on_text_;
  std::string held_;
  std::string text_;
  bool stopped_ = false;
};

}  // namespace malmoi::llm
