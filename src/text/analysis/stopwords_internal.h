#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "text/language.h"

namespace malmoi::text {

// Number of values of Language.
inline constexpr std::size_t kLanguages = static_cast<std::size_t>(Language::kHungarian) + 1;

// Function words of the language, lower-case NFC, separated by single spaces; empty where none are
// kept. They tell languages apart (language.cc).
std::string_view FunctionWords(Language language);

// Function words of languages that have no value of their own (Polish, Czech, Indonesian, ...), so
// that such text is not taken for a neighbour.
std::string_view OtherFunctionWords();

// True for a word that carries no topic in that language: a subset of the function words. `word`
// is lower-case NFC with apostrophes as U+0027.
bool IsStopWord(std::string_view word, Language language);

}  // namespace malmoi::text
