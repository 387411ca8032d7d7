#pragma once

#include <unicode/uniset.h>

#include <string_view>

namespace malmoi::text {

// The characters of a property in a regular expression, as Oniguruma 6.9.10 (Unicode 16) has them:
// general categories, scripts and binary properties by ICU's names, loosely matched, and the POSIX
// names with "word", whose answers for Latin-1 are others inside brackets (`in_set`). False where
// there is no such property. *set is replaced.
//
// The library underneath (ICU 72) knows Unicode 15: categories of later code points are listed
// here; scripts and binary properties are without them.
bool FindRegexProperty(std::string_view name, bool in_set, icu::UnicodeSet* set);

}  // namespace malmoi::text
