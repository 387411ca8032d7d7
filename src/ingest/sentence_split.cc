#include "base/utf8.h"
#include "ingest/sentence_split_internal.h"

namespace malmoi::ingest {
namespace {

bool IsBlank(char32_t c) {
  return c == ' ' || (c >= '\t' && c <= '\r');
}
bool EndsAlone(char32_t c) {
  return c == 0x3002 || c == 0xFF01 || c == 0xFF1F;
}
bool EndsBeforeBlank(char32_t c) {
  return c == '.' || c == '!' || c == '?';
}
bool Closes(char32_t c) {
  return c == '"' || c == '\'' || c == ')' || c == ']' || c == 0x2019 || c == 0x201D ||
         c == 0x300D || c == 0x300F;
}

}  // namespace

std::vector<SentenceSpan> SplitSentences(std::string_view text) {
  std::vector<SentenceSpan> out;
  std::uint64_t begin = 0;
  std::uint64_t last = 0;  // End of the last code point that is not blank.
  char32_t previous = 0;   // Last code point that is not a closing mark.
  bool open = false;
  const auto flush = [&] {
    if (open) out.push_back({begin, last});
    open = false;
    previous = 0;
  };
  for (std::uint64_t at = 0; at < text.size();) {
    const Rune rune = DecodeRune(text, at);
    if (IsBlank(rune.value)) {
      if (EndsBeforeBlank(previous) || rune.value == '\n') flush();
    } else {
      if (EndsAlone(previous) && !Closes(rune.value)) flush();
      if (!open) begin = at;
      open = true;
      last = at + rune.size;
      if (!Closes(rune.value)) previous = rune.value;
    }
    at += rune.size;
  }
  flush();
  return out;
}

}  // namespace malmoi::ingest
