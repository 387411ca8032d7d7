#include "text/tokenizer/patterns.h"

#include "text/tokenizer/chars.h"
#include "text/tokenizer/normalized.h"

namespace malmoi::text {
namespace {

struct Char {
  char32_t c = 0;
  std::uint32_t flags = 0;
  std::size_t size = 0;  // 0: past the end.

  bool letter() const { return (flags & kLetter) != 0; }
  bool number() const { return (flags & kNumber) != 0; }
  bool space() const { return (flags & kSpace) != 0; }
  bool line_end() const { return c == '\n' || c == '\r'; }
  // None of \s, \p{L} and \p{N}.
  bool other() const { return size > 0 && (flags & (kLetter | kNumber | kSpace)) == 0; }
};

Char At(std::string_view text, std::size_t at) {
  Char out;
  if (at >= text.size()) return out;
  out.c = ReadRune(text, at, &out.size);
  out.flags = FlagsOf(out.c);
  return out;
}

// Past the characters from `at` on for which `is` holds.
template <class F>
std::size_t While(std::string_view text, std::size_t at, F is) {
  for (Char c = At(text, at); c.size > 0 && is(c); c = At(text, at)) at += c.size;
  return at;
}
std::size_t Letters(std::string_view text, std::size_t at) {
  return While(text, at, [](const Char& c) { return c.letter(); });
}
std::size_t Others(std::string_view text, std::size_t at) {
  return While(text, at, [](const Char& c) { return c.other(); });
}
std::size_t Numbers(std::string_view text, std::size_t at, std::size_t most) {
  std::size_t count = 0;
  return While(text, at, [&](const Char& c) { return c.number() && count++ < most; });
}

// \s+(?!\S)|\s+ on a run of spaces [at, end): all but the last one, if something follows.
std::size_t Spaces(std::string_view text, std::size_t at, std::size_t end) {
  if (end == text.size()) return end;
  const std::size_t last = PreviousRune(text, end);
  return last > at ? last : end;
}

// 's|'t|'re|'ve|'m|'ll|'d at an apostrophe; 0 where none is. `fold` takes capitals too, and U+017F,
// which folds to s.
std::size_t Contraction(std::string_view text, std::size_t at, bool fold) {
  const auto lower = [&](std::size_t i) {
    const char c = i < text.size() ? text[i] : '\0';
    return fold && c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
  };
  const char a = lower(at + 1), b = lower(at + 2);
  if (a == 's' || a == 't' || a == 'm' || a == 'd') return at + 2;
  if ((a == 'r' && b == 'e') || (a == 'v' && b == 'e') || (a == 'l' && b == 'l')) return at + 3;
  if (fold && text.substr(at + 1, 2) == "\xC5\xBF") return at + 3;
  return 0;
}

std::size_t ScanGpt2(std::string_view text, std::size_t at) {
  const Char first = At(text, at);
  if (first.c == '\'') {
    const std::size_t end = Contraction(text, at, false);
    if (end != 0) return end;
  }
  const std::size_t next = first.c == ' ' ? at + 1 : at;  // " ?" before what follows.
  const Char c = next == at ? first : At(text, next);
  if (c.letter()) return Letters(text, next);
  if (c.number()) return Numbers(text, next, SIZE_MAX);
  if (c.other()) return Others(text, next);
  return Spaces(text, at, While(text, at, [](const Char& x) { return x.space(); }));
}

// The family of cl100k: contractions in any case, letters with one character before them, at most
// `digits` digits, other characters with the line ends behind them, spaces up to a line end.
template <std::size_t digits>
std::size_t ScanCl100k(std::string_view text, std::size_t at) {
  const Char first = At(text, at);
  if (first.c == '\'') {
    const std::size_t end = Contraction(text, at, true);
    if (end != 0) return end;
  }
  if (first.letter()) return Letters(text, at);
  if (first.number()) return Numbers(text, at, digits);
  const Char second = At(text, at + first.size);
  if (!first.line_end() && second.letter()) return Letters(text, at + first.size);
  if (first.other() || (first.c == ' ' && second.other())) {
    const std::size_t end = Others(text, first.other() ? at : at + 1);
    return While(text, end, [](const Char& c) { return c.line_end(); });
  }
  std::size_t line_end = 0;
  const std::size_t end = While(text, at, [](const Char& c) { return c.space(); });
  for (std::size_t i = at; i < end; ++i) {
    if (text[i] == '\n' || text[i] == '\r') line_end = i + 1;
  }
  return line_end != 0 ? line_end : Spaces(text, at, end);
}

constexpr KnownPattern kKnown[] = {
    {R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)", ScanGpt2},
    {R"('(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)", ScanGpt2},
    // Llama 3 and others.
    {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|)"
     R"( ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
     ScanCl100k<3>},
    // Qwen 2 and 3.
    {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|)"
     R"( ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
     ScanCl100k<1>},
};

}  // namespace

const KnownPattern* FindKnownPattern(std::string_view expression) {
  for (const KnownPattern& known : kKnown) {
    if (known.expression == expression) return &known;
  }
  return nullptr;
}

const KnownPattern& Gpt2Pattern() {
  return kKnown[0];
}

}  // namespace malmoi::text
