#include <algorithm>

#include "base/utf8.h"
#include "llm/text_stream_internal.h"

namespace malmoi::llm {
namespace {

// Bytes at the end that may grow into a code point: at most three.
std::size_t UnfinishedTail(std::string_view s) {
  for (std::size_t back = 1; back <= 3 && back <= s.size(); ++back) {
    const auto byte = static_cast<unsigned char>(s[s.size() - back]);
    if ((byte & 0xC0) == 0x80) continue;
    const std::size_t need = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : byte >= 0xC0 ? 2 : 1;
    return need > back ? back : 0;
  }
  return 0;
}

}  // namespace

TextStream::State TextStream::Give(std::size_t n) {
  if (n == 0) return State::kGoOn;
  const std::string piece = ToValidUtf8(std::string_view(held_).substr(0, n));
  held_.erase(0, n);
  text_ += piece;
  return !on_text_ || on_text_(piece) ? State::kGoOn : State::kCancelled;
}

TextStream::State TextStream::Add(std::string_view bytes) {
  held_.append(bytes);
  std::size_t first = std::string::npos;
  std::size_t keep = UnfinishedTail(held_);
  for (const std::string& s : stop_) {
    if (s.empty()) continue;
    first = std::min(first, held_.find(s));
    for (std::size_t n = std::min(s.size() - 1, held_.size()); n > keep; --n) {
      if (held_.ends_with(std::string_view(s).substr(0, n))) keep = n;
    }
  }
  if (first != std::string::npos) {
    const State state = Give(first);
    held_.clear();
    stopped_ = true;
    return state == State::kCancelled ? state : State::kStopped;
  }
  return Give(held_.size() - keep);
}

TextStream::State TextStream::Finish() {
  return stopped_ ? State::kGoOn : Give(held_.size());
}

}  // namespace malmoi::llm
