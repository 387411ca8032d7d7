#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace malmoi::text {

// The words of source code: what the tokenizer `code` of Qdrant 1.20 makes of a text.
//
// A run of letters, digits and underscores is an identifier, or a number where 0 to 9 begin it.
// A number is one word, without its underscores ("100_000": "100000"). An identifier is cut at
// underscores, before a capital that follows no capital, and before the last capital of several
// that another letter follows: "HTTPServer2Go": "HTTP", "Server2", "Go". Digits stay with what
// stands before them. Observed on qdrant-edge-py 0.9.0; no source of it was at hand.
//
// Thread-safe; a pure function. Cost: linear in the text.
struct CodeWords {
  std::vector<std::string> words;  // In the order of the text.
  // What an identifier of several parts is called as a whole, so that it is found by that too:
  // the pieces between underscores ("mixedCase" of "snake_mixedCase") and all of it without them
  // ("snakemixedCase"). In the order of the text, but of no place among the words.
  std::vector<std::string> compounds;
};
CodeWords SplitCode(std::string_view text);

}  // namespace malmoi::text
