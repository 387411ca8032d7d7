#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace malmoi::text {

// How a text becomes the tokens that a full-text filter compares.
struct SearchTokenOptions {
  enum class Tokenizer : std::uint8_t {
    kWord,        // Runs of letters and digits of any script.
    kWhitespace,  // Runs without white space.
    kPrefix,      // Every beginning of each word, for search while typing.
    // Analyzer::SearchForms: Korean morphemes, so that a noun is found before any particle and
    // inside a longer one; Han and Kana by bigrams and characters; dictionaries for Thai and its
    // neighbours; words elsewhere.
    kMultilingual,
    kCode,  // Parts of identifiers (identifiers.h); documents have the identifiers whole too.
  };
  Tokenizer tokenizer = Tokenizer::kWord;
  std::optional<std::uint32_t> min_length = {};  // In characters.
  std::optional<std::uint32_t> max_length = {};
  bool lowercase = true;
  bool ascii_folding = false;
  std::vector<std::string> stopword_languages = {};  // English names: "english", "german".
  std::vector<std::string> stopwords = {};
  std::string stemmer = {};            // The English name of a Snowball language; empty: none.
  std::string korean_dictionary = {};  // As in AnalyzerOptions; for kMultilingual.
};

// Thread-safe; a pure function of options and text. Cost: linear in the text; multilingual as
// Analyzer, the rest some 50 MB/s.
class SearchTokens {
 public:
  // Errors: kInvalidArgument for a language that is not known; kUnavailable as Analyzer::Create.
  static Result<std::shared_ptr<const SearchTokens>> Create(const SearchTokenOptions& options);
  virtual ~SearchTokens() = default;

  // Tokens in the order of the text, repeated as often as they stand there; compounds of kCode
  // after all others.
  virtual std::vector<std::string> Document(std::string_view text) const = 0;
  // The tokens that a document must have: as of a document, but prefixes are not spread
  // and there are no compounds.
  virtual std::vector<std::string> Query(std::string_view text) const = 0;
};

}  // namespace malmoi::text
