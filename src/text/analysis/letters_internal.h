#pragma once

#include <array>
#include <string_view>

#include "text/analysis/stopwords_internal.h"

namespace malmoi::text {

// What the letters of a text say.
struct Letters {
  int latin = 0, hangul = 0, kana = 0, han = 0, cyrillic = 0, greek = 0, arabic = 0;
  int devanagari = 0, thai = 0, other = 0;
  int vietnamese = 0;        // Letters with a horn or two marks, and Đ.
  int foreign_cyrillic = 0;  // Not in Russian: і ї є ґ ј љ њ ә қ ң ...
  int foreign_arabic = 0;    // Not in Arabic: پ چ ژ گ ک ی ٹ ڈ ڑ ے.
  int only_russian = 0;      // ы э ё, absent from Bulgarian, Serbian and Ukrainian.
};

// `text` is valid UTF-8 in NFC.
Letters CountLetters(std::string_view text);

// Evidence for each language; [kOther] is for languages without a value.
using Scores = std::array<double, kLanguages>;

// Adds what letters say that few of the Latin-script languages have (ğ, ß, ñ, ...).
void AddLetterHints(std::string_view text, Scores* scores);

}  // namespace malmoi::text
