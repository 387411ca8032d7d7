#include <unicode/uchar.h>

#include <algorithm>
#include <array>

#include "base/utf8.h"
#include "text/analysis/latin_internal.h"

namespace malmoi::text {
namespace {

// Parts of an identifier beside the whole. Measured, nDCG@10 at 0 / .5 / 1: scifact .689 / .693 /
// .691 (mRNA, HbA1c), fastapi-ko2ko .548 / .557 / .555.
constexpr float kPartWeight = 0.5f;

constexpr bool IsAsciiUpper(char c) {
  return c >= 'A' && c <= 'Z';
}
constexpr bool IsAsciiLower(char c) {
  return c >= 'a' && c <= 'z';
}
constexpr bool IsAsciiDigit(char c) {
  return c >= '0' && c <= '9';
}

bool IsLatinScript(Language language) {
  switch (language) {
    case Language::kEnglish:
    case Language::kGerman:
    case Language::kFrench:
    case Language::kSpanish:
    case Language::kItalian:
    case Language::kPortuguese:
    case Language::kDutch:
    case Language::kTurkish:
    case Language::kRomanian:
    case Language::kVietnamese:
    case Language::kSwedish:
    case Language::kDanish:
    case Language::kNorwegian:
    case Language::kFinnish:
    case Language::kHungarian:
    case Language::kOther:
      return true;
    default:
      return false;
  }
}

// The language whose rules a word gets, by its first letter's script.
Language RulesFor(char32_t first, Language text) {
  if (first < 0x370 || (first >= 0x1E00 && first < 0x1F00)) {
    return IsLatinScript(text) ? text : Language::kEnglish;
  }
  if (first < 0x400 || (first >= 0x1F00 && first < 0x2000)) return Language::kGreek;
  Language own = Language::kOther;
  if (first < 0x530) own = Language::kRussian;
  if (first >= 0x600 && first < 0x780) own = Language::kArabic;
  if (first >= 0x900 && first < 0x980) own = Language::kHindi;
  return own == text ? own : Language::kOther;
}

void AppendLower(std::string_view word, bool ascii, bool turkish, std::string* out) {
  out->clear();
  if (ascii && !turkish) {
    for (const char c : word) {
      if (c == ',') continue;  // 1,000 is 1000; only numbers hold a comma.
      out->push_back(IsAsciiUpper(c) ? static_cast<char>(c | 32) : c);
    }
    return;
  }
  for (std::size_t at = 0; at < word.size();) {
    const Rune rune = DecodeRune(word, at);
    at += rune.size;
    char32_t c = rune.value;
    if (c == ',') continue;
    if (c == 0x2019) {
      c = '\'';
    } else if (turkish && c == 'I') {
      c = 0x131;
    } else {
      c = static_cast<char32_t>(u_tolower(static_cast<UChar32>(c)));
    }
    AppendRune(out, c);
  }
}

// What an apostrophe ties to a word: French and Italian articles and pronouns before it (l'eau,
// dell'arte), Turkish endings after a name (Ankara'da).
std::string_view WithoutElision(std::string_view word, Language language) {
  if (language == Language::kTurkish) return word.substr(0, word.find('\''));
  if (language != Language::kFrench && language != Language::kItalian) return word;
  static constexpr std::array<std::string_view, 25> kPrefixes = {
      "l",     "d",      "j",      "m",      "t",   "s",    "n",   "c",    "qu",
      "jusqu", "lorsqu", "puisqu", "quoiqu", "un",  "dell", "all", "dall", "nell",
      "sull",  "quest",  "quell",  "dov",    "com", "c",    "v"};
  const std::size_t quote = word.find('\'');
  if (quote == std::string_view::npos || quote + 1 == word.size()) return word;
  const bool known =
      std::find(kPrefixes.begin(), kPrefixes.end(), word.substr(0, quote)) != kPrefixes.end();
  return known ? word.substr(quote + 1) : word;
}

// An identifier: a letter, and '_', '.', ':' inside or a capital after a small letter.
bool IsIdentifier(std::string_view word) {
  bool letter = false;
  bool joint = false;
  for (std::size_t i = 0; i < word.size(); ++i) {
    const char c = word[i];
    letter = letter || IsAsciiLower(c) || IsAsciiUpper(c);
    joint = joint || c == '_' || c == '.' || c == ':' ||
            (i > 0 && IsAsciiUpper(c) && IsAsciiLower(word[i - 1]));
  }
  return letter && joint;
}

// End of the part of an identifier that begins at `at`: fast|API, HTTP|Server, OAuth2, snake|case.
std::size_t PartEnd(std::string_view word, std::size_t at) {
  std::size_t end = at + 1;
  for (; end < word.size(); ++end) {
    const char c = word[end];
    if (c == '_' || c == '.' || c == ':' || c == '\'') break;
    if (!IsAsciiUpper(c)) continue;
    const bool after_small = IsAsciiLower(word[end - 1]);
    const bool before_small = end + 1 < word.size() && IsAsciiLower(word[end + 1]) &&
                              (IsAsciiUpper(word[end - 1]) || IsAsciiDigit(word[end - 1]));
    if (after_small || before_small) break;
  }
  return end;
}

}  // namespace

void WordForms::AddStem(std::string_view lower, Language language, float weight, FormSink* sink) {
  lower = WithoutElision(lower, language);
  if (lower.empty() || IsStopWord(lower, language)) return;
  sink->Add(stemmers_.Stem(lower, language), weight);
}

void WordForms::AddParts(std::string_view word, Language language, FormSink* sink) {
  for (std::size_t at = 0; at < word.size();) {
    const char c = word[at];
    if (c == '_' || c == '.' || c == ':' || c == '\'') {
      ++at;
      continue;
    }
    const std::size_t end = PartEnd(word, at);
    if (end - at > 1) {
      AppendLower(word.substr(at, end - at), true, false, &part_);
      AddStem(part_, language, kPartWeight, sink);
    }
    at = end;
  }
}

void WordForms::Add(std::string_view word, bool ascii, Language language, FormSink* sink) {
  const Language rules = RulesFor(DecodeRune(word, 0).value, language);
  AppendLower(word, ascii, rules == Language::kTurkish, &lower_);
  if (lower_.empty()) return;
  if (ascii && !IsAsciiDigit(word.front()) && IsIdentifier(word)) {
    sink->Add(lower_, 1);
    AddParts(word, rules, sink);
    return;
  }
  AddStem(lower_, rules, 1, sink);
}

}  // namespace malmoi::text
