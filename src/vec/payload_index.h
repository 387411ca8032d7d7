#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "vec/filter.h"

namespace malmoi::vec {

enum class IndexKind : std::uint8_t {
  kKeyword,
  kInteger,
  kFloat,
  kBool,
  kGeo,
  kDatetime,
  kUuid,
  kText
};

enum class Tokenizer : std::uint8_t { kWord, kWhitespace, kPrefix, kMultilingual, kCode };

// How a text index cuts and normalises. Word, whitespace, prefix and code are Qdrant's;
// multilingual is text::Analyzer's forms: Korean morphemes and bigrams, Han and Kana bigrams, words
// elsewhere.
struct TextParams {
  Tokenizer tokenizer = Tokenizer::kWord;
  std::optional<std::uint32_t> min_token_len = {};  // In characters.
  std::optional<std::uint32_t> max_token_len = {};
  bool lowercase = true;
  bool ascii_folding = false;
  bool phrase_matching = false;
  std::vector<std::string> stopword_languages = {};  // "english", "korean", ...
  std::vector<std::string> stopwords = {};
  std::string stemmer = {};  // A Snowball language ("english"); empty: none.
};

struct PayloadIndexParams {
  IndexKind kind = IndexKind::kKeyword;
  TextParams text = {};         // For kText.
  std::string settings = "{}";  // The field schema's JSON object as given, for echo.
};

struct PayloadIndexInfo {
  PayloadIndexParams params;
  std::uint64_t points = 0;  // Live points with at least one value of the index's kind.
};

}  // namespace malmoi::vec
