#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "vec/payload_index.h"

namespace malmoi::text {
class SearchTokens;
}

namespace malmoi::vec {

// Tokens of a text index. Thread-safe.
class TextRules {
 public:
  // Errors: kInvalidArgument for a language that is not known. Kept and shared by parameters.
  static Result<std::shared_ptr<const TextRules>> For(const TextParams& params);
  explicit TextRules(const TextParams& params, std::shared_ptr<const text::SearchTokens> tokens);

  std::vector<std::string> Document(std::string_view text) const;
  std::vector<std::string> Query(std::string_view text) const;
  // Whether neighbours among the tokens are neighbours in the text, so that they tell phrases.
  // Else a phrase is looked for in the text itself.
  bool ordered() const { return params_.tokenizer != Tokenizer::kMultilingual; }
  const TextParams& params() const { return params_; }

 private:
  TextParams params_;
  std::shared_ptr<const text::SearchTokens> tokens_;
};

// A query against single texts.
class TextMatcher {
 public:
  TextMatcher(std::shared_ptr<const TextRules> rules, const MatchText& query);
  bool Matches(std::string_view text) const;
  // Marks which of tokens() one of several texts has; `seen` has a place for each.
  void Mark(std::string_view text, std::vector<bool>* seen) const;
  const std::vector<std::string>& tokens() const { return tokens_; }  // Sorted, each once.
  MatchText::Mode mode() const { return mode_; }

 private:
  bool HasPhrase(std::string_view text, const std::vector<std::string>& document) const;

  std::shared_ptr<const TextRules> rules_;
  MatchText::Mode mode_;
  std::string text_;
  std::vector<std::string> phrase_;
  std::vector<std::string> tokens_;
};

}  // namespace malmoi::vec
