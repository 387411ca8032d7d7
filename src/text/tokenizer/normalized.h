#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "text/tokenizer.h"

namespace malmoi::text {

// A piece of the caller's text on its way to the model: UTF-8 that normalizers rewrite, and for
// each of its bytes the span of the caller's bytes that it stands for. Always valid UTF-8.
struct Normalized {
  std::string text;
  std::vector<Encoding::Span> spans;  // One a byte of `text`.

  void Clear();
  // The identity: `source` is valid UTF-8 that begins at byte `base` of the caller's text.
  void Assign(std::string_view source, std::uint32_t base);
  // Any bytes: an ill-formed one becomes U+FFFD that stands for that byte.
  void AssignLossy(std::string_view source, std::uint32_t base);
  // Bytes [begin, end) of another text, spans included.
  void Append(const Normalized& other, std::size_t begin, std::size_t end);
  // What bytes [begin, end) stand for; begin < end.
  Encoding::Span SpanOf(std::size_t begin, std::size_t end) const {
    return {spans[begin].begin, spans[end - 1].end};
  }
};

// Writes a new text from an old one, character by character, keeping the spans.
//
// The model is that of `tokenizers`' NormalizedString: characters of the source are consumed in
// order by count, not by position. `change` says how: 0 replaces the next source character and
// takes its span; a positive one adds a character with the span of the last consumed one; -n
// replaces the next and consumes n more. A normalizer that forgets to consume what it dropped
// shifts all later spans; some of the imitated ones do, and the shift has to be the same here.
//
// The last character stays open until the next, since a removal is charged to it.
class Rewriter {
 public:
  // Reads bytes [begin, end) of `source`, appends to *out; both outlive the Rewriter.
  Rewriter(const Normalized& source, std::size_t begin, std::size_t end, Normalized* out);
  ~Rewriter() { Flush(); }
  Rewriter(const Rewriter&) = delete;
  Rewriter& operator=(const Rewriter&) = delete;

  void Put(char32_t c, int change);
  // Consumes `count` source characters that have no successor, also before the first Put().
  void Drop(int count);
  // Adds `delta` < 0 to the change of the last character. False where there is none yet.
  bool Charge(int delta);
  // Copies source bytes [from, to), whole characters; only while InStep(from).
  void Copy(std::size_t from, std::size_t to);
  // The next source character to be consumed begins at byte `at`. False too while the last
  // character is an added one, which a later removal could still turn into a replacing one.
  bool InStep(std::size_t at);
  // All source characters were consumed: to be asked after the last Put().
  bool Finish() {
    Flush();
    return cursor_ == end_;
  }

 private:
  void Flush();
  void Consume(int count);

  const Normalized& source_;
  const std::size_t begin_;
  const std::size_t end_;
  Normalized* const out_;
  std::size_t cursor_;  // Next source byte to consume.
  bool empty_ = true;   // Nothing was written.
  bool open_ = false;   // last_ and change_ hold a character that is not written yet.
  char32_t last_ = 0;
  int change_ = 0;
};

// Length in bytes of the UTF-8 character whose first byte is `lead`.
inline std::size_t RuneSize(char lead) {
  const auto b = static_cast<unsigned char>(lead);
  return b < 0x80 ? 1 : b < 0xE0 ? 2 : b < 0xF0 ? 3 : 4;
}
// The character of valid UTF-8 at `at`; sets *size. Faster than DecodeRune, which checks.
inline char32_t ReadRune(std::string_view text, std::size_t at, std::size_t* size) {
  const auto byte = [&](std::size_t i) {
    return static_cast<char32_t>(static_cast<unsigned char>(text[at + i]));
  };
  const char32_t lead = byte(0);
  *size = RuneSize(text[at]);
  switch (*size) {
    case 1:
      return lead;
    case 2:
      return (lead & 0x1F) << 6 | (byte(1) & 0x3F);
    case 3:
      return (lead & 0x0F) << 12 | (byte(1) & 0x3F) << 6 | (byte(2) & 0x3F);
    default:
      return (lead & 0x07) << 18 | (byte(1) & 0x3F) << 12 | (byte(2) & 0x3F) << 6 |
             (byte(3) & 0x3F);
  }
}
// The start of the character that ends before byte `at` > 0 of valid UTF-8.
inline std::size_t PreviousRune(std::string_view text, std::size_t at) {
  do {
    --at;
  } while (at > 0 && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80);
  return at;
}

}  // namespace malmoi::text
