#pragma once

#include <string_view>

#include "text/analysis/forms_internal.h"

namespace malmoi::text {

// `word` (Hangul only) without the particles and endings of a table, as long as there is one and a
// syllable is left: stands in for a dictionary, and cuts words that a dictionary does not know.
std::string_view StripKoreanEnding(std::string_view word);

// Forms of one morpheme of mecab-ko-dic: nouns, verb and adjective stems, roots, unknown words; no
// particles, endings or auxiliaries.
void AddKoreanNode(std::string_view surface, std::string_view feature, FormSink* sink);

}  // namespace malmoi::text
