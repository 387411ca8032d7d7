#pragma once

#include <string_view>

#include "text/analysis/forms_internal.h"

namespace malmoi::text {

// True where a text has Kana: Han alone may be Chinese.
bool HasKana(std::string_view text);

// Forms of one morpheme of IPADIC: nouns, verbs, adjectives and adverbs in their dictionary form,
// marked with a leading '~' so that they do not meet the bigrams; no particles, auxiliaries,
// pronouns, bound nouns or suffixes. Latin words and numbers of the text too: beside words that
// count by each of their bigrams they would weigh too little (jsquad .948 without, .950 with).
void AddJapaneseNode(std::string_view surface, std::string_view feature, FormSink* sink);

}  // namespace malmoi::text
