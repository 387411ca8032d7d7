#include <unicode/uchar.h>

#include <array>

#include "base/utf8.h"
#include "text/analysis/words_internal.h"

namespace malmoi::text {
namespace {

using WordBreak = std::uint8_t;  // Values of ICU's UWordBreakValues.

constexpr bool IsOneOf(WordBreak c, std::initializer_list<int> set) {
  for (const int x : set) {
    if (c == x) return true;
  }
  return false;
}

WordBreak PropertyOf(char32_t c) {
  static const auto ascii = [] {
    std::array<WordBreak, 128> table{};
    for (int i = 0; i < 128; ++i) {
      table[static_cast<std::size_t>(i)] =
          static_cast<WordBreak>(u_getIntPropertyValue(i, UCHAR_WORD_BREAK));
    }
    return table;
  }();
  if (c < 128) return ascii[c];
  return static_cast<WordBreak>(u_getIntPropertyValue(static_cast<UChar32>(c), UCHAR_WORD_BREAK));
}

bool IsLetter(WordBreak c) {
  return c == U_WB_ALETTER || c == U_WB_HEBREW_LETTER;
}
bool IsIgnored(WordBreak c) {
  return c == U_WB_EXTEND || c == U_WB_FORMAT || c == U_WB_ZWJ;
}
bool IsNewline(WordBreak c) {
  return c == U_WB_CR || c == U_WB_LF || c == U_WB_NEWLINE;
}
bool IsMidLetter(WordBreak c) {
  return IsOneOf(c, {U_WB_MIDLETTER, U_WB_MIDNUMLET, U_WB_SINGLE_QUOTE});
}
bool IsMidNum(WordBreak c) {
  return IsOneOf(c, {U_WB_MIDNUM, U_WB_MIDNUMLET, U_WB_SINGLE_QUOTE});
}

// Property of the first code point at or after `at` that rule WB4 does not skip. Each stretch of
// skipped code points follows one punctuation mark, so that looking ahead stays linear in all.
WordBreak NextProperty(std::string_view text, std::size_t at) {
  while (at < text.size()) {
    const Rune rune = DecodeRune(text, at);
    const WordBreak property = PropertyOf(rune.value);
    if (!IsIgnored(property)) return property;
    at += rune.size;
  }
  return U_WB_OTHER;
}

// What the rules look back at: the last two code points as WB4 sees them, and the raw last one.
struct Context {
  WordBreak before = U_WB_OTHER;  // Two back.
  WordBreak last = U_WB_OTHER;    // One back.
  WordBreak raw = U_WB_OTHER;     // One back, skipped ones too.
  bool odd_regional = false;      // An odd number of regional indicators ends here.
};

// Rules WB6, 7, 7b, 7c, 11, 12: punctuation inside words and numbers.
bool JoinsAcrossPunctuation(const Context& c, WordBreak next, std::string_view text,
                            std::size_t after) {
  if (IsLetter(c.last) && IsMidLetter(next)) {
    if (c.last == U_WB_HEBREW_LETTER && next == U_WB_SINGLE_QUOTE) return true;  // WB7a
    return IsLetter(NextProperty(text, after));
  }
  if (IsMidLetter(c.last) && IsLetter(c.before) && IsLetter(next)) return true;
  if (c.last == U_WB_HEBREW_LETTER && next == U_WB_DOUBLE_QUOTE) {
    return NextProperty(text, after) == U_WB_HEBREW_LETTER;
  }
  if (c.last == U_WB_DOUBLE_QUOTE && c.before == U_WB_HEBREW_LETTER && next == U_WB_HEBREW_LETTER) {
    return true;
  }
  if (c.last == U_WB_NUMERIC && IsMidNum(next)) {
    return NextProperty(text, after) == U_WB_NUMERIC;
  }
  return IsMidNum(c.last) && c.before == U_WB_NUMERIC && next == U_WB_NUMERIC;
}

// Rules WB5, 8, 9, 10, 13, 13a, 13b.
bool JoinsDirectly(WordBreak last, WordBreak next) {
  const bool last_word = IsLetter(last) || last == U_WB_NUMERIC;
  const bool next_word = IsLetter(next) || next == U_WB_NUMERIC;
  if (last_word && next_word) return true;
  if (last == U_WB_KATAKANA && next == U_WB_KATAKANA) return true;
  if (next == U_WB_EXTENDNUMLET) {
    return last_word || last == U_WB_KATAKANA || last == U_WB_EXTENDNUMLET;
  }
  return last == U_WB_EXTENDNUMLET && (next_word || next == U_WB_KATAKANA);
}

bool IsBoundary(const Context& c, WordBreak next, char32_t value, std::string_view text,
                std::size_t after) {
  if (c.raw == U_WB_CR && next == U_WB_LF) return false;
  if (IsNewline(c.raw) || IsNewline(next)) return true;
  if (c.raw == U_WB_ZWJ &&
      u_hasBinaryProperty(static_cast<UChar32>(value), UCHAR_EXTENDED_PICTOGRAPHIC)) {
    return false;
  }
  if (c.raw == U_WB_WSEGSPACE && next == U_WB_WSEGSPACE) return false;
  if (IsIgnored(next)) return false;
  if (JoinsDirectly(c.last, next)) return false;
  if (c.last == U_WB_REGIONAL_INDICATOR && next == U_WB_REGIONAL_INDICATOR) {
    return !c.odd_regional;
  }
  return !JoinsAcrossPunctuation(c, next, text, after);
}

void Advance(Context* c, WordBreak next) {
  c->raw = next;
  if (IsIgnored(next) && !IsNewline(c->last)) return;
  c->before = c->last;
  c->last = next;
  c->odd_regional = next == U_WB_REGIONAL_INDICATOR && !c->odd_regional;
}

// Calls emit(end) for each boundary after the first code point.
template <class Emit>
void ForEachBoundary(std::string_view text, Emit emit) {
  Context context;
  bool first = true;
  for (std::size_t at = 0; at < text.size();) {
    const auto byte = static_cast<unsigned char>(text[at]);
    const Rune rune = byte < 0x80 ? Rune{byte, 1, true} : DecodeRune(text, at);
    const WordBreak next = PropertyOf(rune.value);
    // Most code points of real text are letters after letters.
    const bool inside = next == U_WB_ALETTER && context.raw == U_WB_ALETTER;
    if (!inside) {
      if (!first && IsBoundary(context, next, rune.value, text, at + rune.size)) emit(at);
      Advance(&context, next);
    } else {
      context.before = U_WB_ALETTER;
    }
    first = false;
    at += rune.size;
  }
  if (!text.empty()) emit(text.size());
}

bool IsWordCharacter(char32_t c) {
  if (c < 128) return (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z');
  return u_isalnum(static_cast<UChar32>(c)) != 0;
}

enum class Script : std::uint8_t { kNone, kWord, kHangul, kCjk, kComplex };

// Marks, joiners and connecting punctuation belong to the script that they follow.
Script ScriptOf(char32_t c) {
  if (c < 128) return IsWordCharacter(c) ? Script::kWord : Script::kNone;
  if (IsHangul(c)) return Script::kHangul;
  if (IsCjk(c)) return Script::kCjk;
  if (IsComplexContext(c)) return Script::kComplex;
  return IsWordCharacter(c) ? Script::kWord : Script::kNone;
}

RunKind KindOf(Script s) {
  switch (s) {
    case Script::kHangul:
      return RunKind::kHangul;
    case Script::kCjk:
      return RunKind::kCjk;
    case Script::kComplex:
      return RunKind::kComplex;
    default:
      return RunKind::kWord;
  }
}

void AddRun(std::uint32_t begin, std::uint32_t end, RunKind kind, bool ascii,
            std::vector<Run>* runs) {
  const bool joins = kind == RunKind::kCjk || kind == RunKind::kComplex;
  if (joins && !runs->empty() && runs->back().kind == kind && runs->back().end == begin) {
    runs->back().end = end;
    return;
  }
  runs->push_back({begin, end, kind, ascii});
}

// Cuts one segment where its script changes; leading and trailing punctuation is left out.
void AddSegment(std::string_view text, std::uint32_t begin, std::uint32_t end,
                std::vector<Run>* runs) {
  Script script = Script::kNone;
  std::uint32_t start = begin;
  std::uint32_t stop = begin;  // After the last code point that belongs to the run.
  bool ascii = true;
  for (std::uint32_t at = begin; at < end;) {
    const auto byte = static_cast<unsigned char>(text[at]);
    const Rune rune = byte < 0x80 ? Rune{byte, 1, true} : DecodeRune(text, at);
    const Script own = ScriptOf(rune.value);
    if (own != Script::kNone && own != script) {
      if (script != Script::kNone) AddRun(start, stop, KindOf(script), ascii, runs);
      script = own;
      start = at;
      ascii = true;
    }
    at += rune.size;
    const bool mark = byte >= 0x80 && own == Script::kNone &&
                      (U_GET_GC_MASK(static_cast<UChar32>(rune.value)) & U_GC_M_MASK) != 0;
    if (byte >= 0x80) ascii = false;
    if (own != Script::kNone || mark) stop = at;
  }
  if (script != Script::kNone) AddRun(start, stop, KindOf(script), ascii, runs);
}

}  // namespace

bool IsHangul(char32_t c) {
  return (c >= 0xAC00 && c <= 0xD7A3) || (c >= 0x1100 && c <= 0x11FF) ||
         (c >= 0x3131 && c <= 0x318E) || (c >= 0xA960 && c <= 0xA97C) ||
         (c >= 0xD7B0 && c <= 0xD7FB);
}

bool IsCjk(char32_t c) {
  if (c < 0x3005) return false;
  return c <= 0x3007 || (c >= 0x3021 && c <= 0x3029) || (c >= 0x3041 && c <= 0x309F) ||
         (c >= 0x30A1 && c <= 0x30FA) || (c >= 0x30FC && c <= 0x30FF) ||
         (c >= 0x3105 && c <= 0x312F) || (c >= 0x31A0 && c <= 0x31BF) ||
         (c >= 0x31F0 && c <= 0x31FF) || (c >= 0x3400 && c <= 0x4DBF) ||
         (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0xF900 && c <= 0xFAD9) ||
         (c >= 0x20000 && c <= 0x3FFFD);
}

bool IsComplexContext(char32_t c) {
  const bool block = (c >= 0x0E00 && c <= 0x0EFF) || (c >= 0x1000 && c <= 0x109F) ||
                     (c >= 0x1780 && c <= 0x17FF) || (c >= 0xA9E0 && c <= 0xA9FF) ||
                     (c >= 0xAA60 && c <= 0xAA7F);
  return block && (U_GET_GC_MASK(static_cast<UChar32>(c)) & (U_GC_L_MASK | U_GC_M_MASK)) != 0;
}

void WordBoundaries(std::string_view text, std::vector<std::uint32_t>* ends) {
  ForEachBoundary(text, [&](std::size_t end) { ends->push_back(static_cast<std::uint32_t>(end)); });
}

void SplitRuns(std::string_view text, std::vector<Run>* runs) {
  std::uint32_t begin = 0;
  ForEachBoundary(text, [&](std::size_t at) {
    const auto end = static_cast<std::uint32_t>(at);
    if (text[begin] != ' ') AddSegment(text, begin, end, runs);
    begin = end;
  });
}

}  // namespace malmoi::text
