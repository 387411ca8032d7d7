#pragma once

#include <cstddef>
#include <string_view>

namespace malmoi::text {

// Hand-written scanners for the expressions by which byte-level models split text; other
// expressions run in Regex, with the same result. regex_test.cc compares the two.
//
// All of these leave nothing between two matches, and a match that holds a blank which stands alone
// between other characters begins with it (AtCut::kSplits).
struct KnownPattern {
  std::string_view expression;
  // End of the match that begins at `at` < text.size(); text is valid UTF-8.
  std::size_t (*scan)(std::string_view text, std::size_t at);
};

// Null where the expression is not known.
const KnownPattern* FindKnownPattern(std::string_view expression);

// 's|'t|'re|... of GPT-2, which the ByteLevel pre-tokenizer uses too.
const KnownPattern& Gpt2Pattern();

}  // namespace malmoi::text
