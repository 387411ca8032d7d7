#pragma once

#include <cstdint>
#include <string_view>

namespace malmoi::text {

// Languages that analysis or fusion treats in its own way. Latin-script languages without a
// stemmer here, and anything unrecognised, are kOther.
enum class Language : std::uint8_t {
  kOther,
  kEnglish,
  kKorean,
  kJapanese,
  kChinese,
  kGerman,
  kFrench,
  kSpanish,
  kItalian,
  kPortuguese,
  kDutch,
  kRussian,
  kArabic,
  kGreek,
  kHindi,
  kTurkish,
  kRomanian,
  kVietnamese,
  kThai,
  kSwedish,
  kDanish,
  kNorwegian,
  kFinnish,
  kHungarian,
};

// ISO 639-1 code, "und" for kOther.
std::string_view LanguageCode(Language language);
Language LanguageFromCode(std::string_view code);

// The language that most of `text` is in: by script first, then, within Latin, Cyrillic and
// Devanagari, by function words. `fallback` where the text does not tell (a name, a number): give
// the corpus' language for a query. Deterministic; looks at no more than the first 4,096 bytes.
Language DetectLanguage(std::string_view text, Language fallback = Language::kOther);

}  // namespace malmoi::text
