#include "text/sentences.h"

#include <unicode/uchar.h>

#include <algorithm>
#include <array>

#include "base/strings.h"
#include "base/utf8.h"
#include "text/analysis/words_internal.h"

namespace malmoi::text {
namespace {

bool IsAsciiSpace(char c) {
  return c == ' ' || (c >= '\t' && c <= '\r');
}
bool IsBlank(char32_t c) {
  return c < 128 ? IsAsciiSpace(static_cast<char>(c)) : c == 0xA0 || c == 0x3000 || c == 0xFEFF;
}
bool IsDigit(char32_t c) {
  return c >= '0' && c <= '9';
}

// Ends a sentence wherever it stands.
bool IsFullStop(char32_t c) {
  return c == U'。' || c == U'！' || c == U'？' || c == U'｡' || c == U'।' || c == U'॥' ||
         c == U'؟' || c == U'۔';
}
// Ends a sentence where white space follows.
bool IsTerminator(char32_t c) {
  return c == '.' || c == '!' || c == '?' || c == U'…' || c == U'‼' || c == U'⁇' || c == U'．' ||
         c == U'⁉';
}
bool IsCloser(char32_t c) {
  static constexpr std::u32string_view kClosers = U"\"')]}*_`’”»›」』）》〉】］｝";
  return kClosers.find(c) != std::u32string_view::npos;
}

// Abbreviations after which a sentence goes on whatever follows, lower-case, without the last full
// point. Those that also end sentences (etc., Inc., p.m.) are not here: a small letter after them
// keeps the sentence together.
bool IsAbbreviation(std::string_view word) {
  static constexpr std::array<std::string_view, 32> kWords = {
      "mr",  "mrs", "ms",  "dr",  "prof",   "st",  "vs",   "e.g", "i.e",  "eg",  "ie",
      "cf",  "al",  "ca",  "gen", "col",    "sgt", "capt", "lt",  "rev",  "hon", "gov",
      "sen", "rep", "u.s", "u.k", "approx", "z.b", "d.h",  "bzw", "bspw", "ggf"};
  return std::find(kWords.begin(), kWords.end(), word) != kWords.end();
}
// Those that stand before a number: "No. 5", but not "She said no. Then".
bool IsNumberAbbreviation(std::string_view word) {
  static constexpr std::array<std::string_view, 14> kWords = {
      "no", "nos", "nr", "fig", "figs", "eq", "eqs", "sec", "ch", "vol", "p", "pp", "art", "ed"};
  return std::find(kWords.begin(), kWords.end(), word) != kWords.end();
}

// Last syllable of Korean sentence endings (합니다. 해요. 할까? 하죠. 함. 됨.), after which a new
// sentence may begin without a space.
bool EndsKoreanSentence(char32_t c) {
  static constexpr std::u32string_view kSyllables = U"다요까죠오음함임됨네지라";
  return kSyllables.find(c) != std::u32string_view::npos;
}

Rune PreviousRune(std::string_view text, std::size_t at, std::size_t first) {
  if (at <= first) return {};
  std::size_t begin = at - 1;
  while (begin > first && at - begin < 4 &&
         (static_cast<unsigned char>(text[begin]) & 0xC0) == 0x80)
    --begin;
  return DecodeRune(text, begin);
}

// Appends one paragraph, list item or line, cut into sentences.
class BlockSplitter {
 public:
  BlockSplitter(std::string_view text, std::vector<ByteSpan>* spans) : text_(text), spans_(spans) {}

  void AddWhole(std::size_t begin, std::size_t end) {
    while (begin < end) {
      const Rune rune = DecodeRune(text_, begin);
      if (!IsBlank(rune.value)) break;
      begin += rune.size;
    }
    while (end > begin) {
      const Rune rune = PreviousRune(text_, end, begin);
      if (!IsBlank(rune.value)) break;
      end -= rune.size;
    }
    if (begin < end) spans_->push_back({begin, end});
  }

  void AddSentences(std::size_t begin, std::size_t end) {
    end_ = end;
    std::size_t start = begin;
    for (std::size_t at = begin; at < end;) {
      const Rune rune = DecodeRune(text_, at);
      if (!IsFullStop(rune.value) && !IsTerminator(rune.value)) {
        at += rune.size;
        continue;
      }
      const std::size_t mark = at;
      bool full_stop = false;
      while (at < end) {
        const Rune next = DecodeRune(text_, at);
        if (!IsFullStop(next.value) && !IsTerminator(next.value)) break;
        full_stop = full_stop || IsFullStop(next.value);
        at += next.size;
      }
      const std::size_t after_mark = at;
      at = SkipClosers(at);
      if (EndsSentence(start, mark, after_mark, at, full_stop)) {
        AddWhole(start, at);
        start = at;
      }
    }
    AddWhole(start, end);
  }

 private:
  std::size_t SkipClosers(std::size_t at) const {
    while (at < end_) {
      const Rune rune = DecodeRune(text_, at);
      if (!IsCloser(rune.value)) break;
      at += rune.size;
    }
    return at;
  }

  // `mark` to `after_mark` are the full stops, then closers to `at`.
  bool EndsSentence(std::size_t start, std::size_t mark, std::size_t after_mark, std::size_t at,
                    bool full_stop) const {
    if (at >= end_) return true;
    const Rune before = PreviousRune(text_, mark, start);
    Rune next = DecodeRune(text_, at);
    if (!IsBlank(next.value)) {
      // 「…。」と言った: the quotation is part of its sentence.
      if (full_stop) return at == after_mark || !u_isalpha(static_cast<UChar32>(next.value));
      return at == after_mark && EndsKoreanSentence(before.value) && IsHangul(next.value);
    }
    while (at < end_ && IsBlank(next.value)) {
      at += next.size;
      next = DecodeRune(text_, at);
    }
    if (full_stop) return true;
    if (u_islower(static_cast<UChar32>(next.value))) return false;
    // "…?" 하고, "…!" 라고: a Korean quotation goes on.
    const bool closed = IsCloser(DecodeRune(text_, after_mark).value);
    const std::string_view rest = text_.substr(at, end_ - at);
    if (closed && (rest.starts_with("하고 ") || rest.starts_with("라고 ") ||
                   rest.starts_with("라는 ") || rest.starts_with("이라고 "))) {
      return false;
    }
    if (text_[mark] != '.' || after_mark - mark != 1) return true;
    return FullPointEnds(start, mark, before.value, next.value);
  }

  // One full point and white space: not after an abbreviation, an initial, an enumerator or in a
  // date (2024. 3. 15.).
  bool FullPointEnds(std::size_t start, std::size_t mark, char32_t before, char32_t next) const {
    if (IsDigit(before)) {
      if (IsDigit(next)) return false;
      std::size_t digits = mark;
      while (digits > start && mark - digits < 4 &&
             IsDigit(static_cast<unsigned char>(text_[digits - 1])))
        --digits;
      const std::string_view head = Trim(text_.substr(start, digits - start));
      // "1. text" begins an item; "2024. 3. 15. 배포" goes on after its date.
      const bool date = head.size() > 1 && head.back() == '.' &&
                        IsDigit(static_cast<unsigned char>(head[head.size() - 2]));
      return !head.empty() && !(date && IsHangul(next));
    }
    // The word before the point, as far back as an abbreviation reaches.
    std::size_t word = mark;
    while (word > start && mark - word < 8) {
      const char c = text_[word - 1];
      const bool part = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.';
      if (!part) break;
      --word;
    }
    const std::string last = AsciiLower(text_.substr(word, mark - word));
    const bool initial = last.size() == 1 && text_[word] >= 'A' && text_[word] <= 'Z';
    if (IsDigit(next) && IsNumberAbbreviation(last)) return false;
    return !initial && !IsAbbreviation(last);
  }

  std::string_view text_;
  std::vector<ByteSpan>* spans_;
  std::size_t end_ = 0;
};

enum class LineKind { kBlank, kText, kItem, kAlone, kFence };

// "- ", "* ", "+ ", "• ", "1. ", "12) ".
bool IsListItem(std::string_view line) {
  if (line.starts_with("• ")) return true;
  if (line.size() > 1 && (line[0] == '-' || line[0] == '*' || line[0] == '+'))
    return line[1] == ' ';
  std::size_t digits = 0;
  while (digits < line.size() && digits < 4 && IsDigit(static_cast<unsigned char>(line[digits])))
    ++digits;
  return digits > 0 && digits + 1 < line.size() && (line[digits] == '.' || line[digits] == ')') &&
         line[digits + 1] == ' ';
}

LineKind KindOf(std::string_view line) {
  line = Trim(line);
  if (line.empty()) return LineKind::kBlank;
  if (line.starts_with("```") || line.starts_with("~~~")) return LineKind::kFence;
  const std::size_t hashes = std::min(line.find_first_not_of('#'), line.size());
  if (hashes > 0 && hashes <= 6 && (hashes == line.size() || line[hashes] == ' ')) {
    return LineKind::kAlone;
  }
  if (line.front() == '|') return LineKind::kAlone;
  const bool rule = line.size() >= 3 && (line[0] == '=' || line[0] == '-' || line[0] == '*') &&
                    line.find_first_not_of(line[0]) == std::string_view::npos;
  if (rule) return LineKind::kAlone;
  return IsListItem(line) ? LineKind::kItem : LineKind::kText;
}

}  // namespace

std::vector<ByteSpan> Sentences(std::string_view text) {
  std::vector<ByteSpan> spans;
  BlockSplitter splitter(text, &spans);
  std::size_t block = 0;  // Where the paragraph that is being read began.
  bool in_code = false;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t newline = text.find('\n', at);
    const std::size_t end = newline == std::string_view::npos ? text.size() : newline + 1;
    const LineKind kind = KindOf(text.substr(at, end - at));
    const bool alone = in_code || kind == LineKind::kAlone || kind == LineKind::kFence;
    if (alone || kind == LineKind::kBlank || kind == LineKind::kItem) {
      splitter.AddSentences(block, at);
      block = at;
    }
    if (alone) {
      splitter.AddWhole(at, end);
      block = end;
    }
    if (kind == LineKind::kFence) in_code = !in_code;
    at = end;
  }
  splitter.AddSentences(block, text.size());
  return spans;
}

}  // namespace malmoi::text
