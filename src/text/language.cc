#include "text/language.h"

#include <unicode/uchar.h>

#include <algorithm>
#include <array>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/utf8.h"
#include "text/analysis/letters_internal.h"
#include "text/analysis/stopwords_internal.h"
#include "text/analysis/words_internal.h"
#include "text/unicode.h"

namespace malmoi::text {
namespace {

constexpr std::size_t kMostBytes = 4096;

// One syllable or character of Hangul, Han and Kana says as much as this many Latin letters.
constexpr int kLettersPerSyllable = 3;

struct LanguageName {
  Language language;
  std::string_view code;
};
constexpr std::array<LanguageName, kLanguages> kNames = {{
    {Language::kOther, "und"},     {Language::kEnglish, "en"},  {Language::kKorean, "ko"},
    {Language::kJapanese, "ja"},   {Language::kChinese, "zh"},  {Language::kGerman, "de"},
    {Language::kFrench, "fr"},     {Language::kSpanish, "es"},  {Language::kItalian, "it"},
    {Language::kPortuguese, "pt"}, {Language::kDutch, "nl"},    {Language::kRussian, "ru"},
    {Language::kArabic, "ar"},     {Language::kGreek, "el"},    {Language::kHindi, "hi"},
    {Language::kTurkish, "tr"},    {Language::kRomanian, "ro"}, {Language::kVietnamese, "vi"},
    {Language::kThai, "th"},       {Language::kSwedish, "sv"},  {Language::kDanish, "da"},
    {Language::kNorwegian, "no"},  {Language::kFinnish, "fi"},  {Language::kHungarian, "hu"},
}};

// For each function word, the languages that have it.
const std::unordered_map<std::string_view, std::vector<Language>>& Words() {
  static const auto words = [] {
    std::unordered_map<std::string_view, std::vector<Language>> map;
    for (std::size_t i = 0; i < kLanguages; ++i) {
      const auto language = static_cast<Language>(i);
      std::string_view rest = i == 0 ? OtherFunctionWords() : FunctionWords(language);
      while (!rest.empty()) {
        const std::size_t end = std::min(rest.find(' '), rest.size());
        auto& owners = map[rest.substr(0, end)];
        if (owners.empty() || owners.back() != language) owners.push_back(language);
        rest.remove_prefix(std::min(end + 1, rest.size()));
      }
    }
    return map;
  }();
  return words;
}

struct Evidence {
  Scores scores{};
  int words = 0;        // Of alphabetic scripts.
  int plain_words = 0;  // ASCII, small letters only, three or more.
};

// A function word counts more where fewer languages have it.
Evidence ReadWords(std::string_view text) {
  Evidence evidence;
  AddLetterHints(text, &evidence.scores);
  std::vector<Run> runs;
  SplitRuns(text, &runs);
  std::string lower;
  for (const Run& run : runs) {
    if (run.kind != RunKind::kWord) continue;
    lower.clear();
    bool plain = run.ascii && run.end - run.begin >= 3;
    for (std::size_t at = run.begin; at < run.end;) {
      const Rune rune = DecodeRune(text, at);
      at += rune.size;
      plain = plain && rune.value >= 'a' && rune.value <= 'z';
      AppendRune(&lower, rune.value == 0x2019
                             ? U'\''
                             : static_cast<char32_t>(u_tolower(static_cast<UChar32>(rune.value))));
    }
    ++evidence.words;
    evidence.plain_words += plain;
    auto found = Words().find(lower);
    if (const auto quote = lower.find('\''); found == Words().end() && quote < lower.size()) {
      lower.resize(quote);  // l'eau, what's.
      found = Words().find(lower);
    }
    if (found == Words().end()) continue;
    for (const Language owner : found->second) {
      evidence.scores[static_cast<std::size_t>(owner)] +=
          1.0 / static_cast<double>(found->second.size()) + 0.25;
    }
  }
  return evidence;
}

bool IsCjkLanguage(Language language) {
  return language == Language::kKorean || language == Language::kJapanese ||
         language == Language::kChinese;
}

bool IsLatinLanguage(Language language) {
  switch (language) {
    case Language::kKorean:
    case Language::kJapanese:
    case Language::kChinese:
    case Language::kRussian:
    case Language::kArabic:
    case Language::kGreek:
    case Language::kHindi:
    case Language::kThai:
      return false;
    default:
      return true;
  }
}

Language EastAsian(const Letters& n, Language fallback) {
  if (n.hangul > 0 && n.hangul * 2 >= n.han + n.kana) return Language::kKorean;
  if (n.kana > 0 && n.kana * 12 >= n.han) return Language::kJapanese;
  // Han alone, in a name: the corpus decides.
  if (n.kana == 0 && n.hangul == 0 && n.han <= 8 && IsCjkLanguage(fallback)) return fallback;
  return Language::kChinese;
}

// Whether East Asian characters among Latin letters make the text East Asian: most of it, or a
// short question about Latin names ("FastAPI에서 Depends를 어떻게 쓰나요?") rather than an English
// sentence about a word ("what does 안녕하세요 mean?").
bool IsEastAsian(const Letters& n, std::string_view text) {
  const int east = n.hangul + n.kana + n.han;
  if (east == 0) return false;
  const int alphabetic = std::max({n.latin, n.cyrillic, n.greek, n.arabic, n.devanagari, n.thai});
  if (east * kLettersPerSyllable >= alphabetic) return true;
  if (alphabetic > 200 || alphabetic > n.latin || east < 2) return false;
  const Evidence evidence = ReadWords(text);
  return *std::max_element(evidence.scores.begin(), evidence.scores.end()) < 1;
}

Language Latin(const Letters& n, std::string_view text, Language fallback) {
  if (n.vietnamese >= 2 && n.vietnamese * 25 >= n.latin) return Language::kVietnamese;
  const Evidence evidence = ReadWords(text);
  const auto best_at = std::max_element(evidence.scores.begin(), evidence.scores.end());
  const double best = *best_at;
  const auto language = static_cast<Language>(best_at - evidence.scores.begin());
  // In a long text of a language we know, every third word or so is on its list.
  const bool told = best >= 1 && (evidence.words < 20 || best * 8 >= evidence.words);
  if (told) {
    // A short text must beat the corpus' language clearly.
    const double own = evidence.scores[static_cast<std::size_t>(fallback)];
    const bool may_be_fallback = fallback != Language::kOther && IsLatinLanguage(fallback);
    if (may_be_fallback && evidence.words < 20 && own + 1.2 > best) return fallback;
    return language;
  }
  if (evidence.words >= 20) return Language::kOther;
  // Plain small words without a function word: English, when the corpus' language has another
  // script and so cannot be meant.
  if (!IsLatinLanguage(fallback) && evidence.plain_words >= 3) return Language::kEnglish;
  return fallback;
}

}  // namespace

std::string_view LanguageCode(Language language) {
  for (const auto& name : kNames) {
    if (name.language == language) return name.code;
  }
  return "und";
}

Language LanguageFromCode(std::string_view code) {
  for (const auto& name : kNames) {
    if (name.code == code) return name.language;
  }
  return Language::kOther;
}

Language DetectLanguage(std::string_view text, Language fallback) {
  const std::string prefix = Nfc(ToValidUtf8(
      text.substr(0, text.size() > kMostBytes ? FloorRune(text, kMostBytes) : text.size())));
  const Letters n = CountLetters(prefix);
  if (IsEastAsian(n, prefix)) return EastAsian(n, fallback);
  const int most =
      std::max({n.latin, n.cyrillic, n.greek, n.arabic, n.devanagari, n.thai, n.other});
  if (most == 0) return fallback;
  if (n.latin == most) return Latin(n, prefix, fallback);
  if (n.greek == most) return Language::kGreek;
  if (n.thai == most) return Language::kThai;
  if (n.cyrillic == most) {
    const bool long_text = n.cyrillic >= 200;
    if (n.foreign_cyrillic * 50 > n.cyrillic || (long_text && n.only_russian == 0)) {
      return Language::kOther;
    }
    return Language::kRussian;
  }
  if (n.arabic == most) {
    return n.foreign_arabic * 20 > n.arabic ? Language::kOther : Language::kArabic;
  }
  if (n.devanagari == most) {
    const Evidence evidence = ReadWords(prefix);
    const double hindi = evidence.scores[static_cast<std::size_t>(Language::kHindi)];
    return evidence.scores[0] > hindi ? Language::kOther : Language::kHindi;
  }
  return Language::kOther;
}

}  // namespace malmoi::text
