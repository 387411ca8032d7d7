#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "json/value.h"
#include "text/tokenizer/trie.h"

namespace malmoi::text {

// Tokens and their ids, both ways. Immutable.
class Vocabulary {
 public:
  // Token i has id i; an empty one is a gap.
  explicit Vocabulary(std::vector<std::string> tokens);
  // The member "vocab" of a model: an object of token: id. Errors: kInvalidArgument where it is
  // none, or an id is negative, too large, or leaves too large a gap (memory follows the number of
  // tokens, not an id that a damaged file gives). Of tokens with one id the last keeps it for
  // TokenOf().
  static Result<Vocabulary> Read(const json::Value& model);

  const ByteTrie& trie() const { return trie_; }
  // Bytes of the longest token. Models that look for tokens at each place of a text limit it.
  std::size_t longest() const;
  std::size_t count() const { return count_; }  // Of tokens, gaps left out.
  std::int32_t IdOf(std::string_view token) const {
    return token.empty() ? empty_id_ : trie_.Find(token);
  }
  // Empty for an unknown id.
  std::string_view TokenOf(std::int32_t id) const {
    if (id < 0 || static_cast<std::size_t>(id) >= tokens_.size()) return {};
    return tokens_[static_cast<std::size_t>(id)];
  }

 private:
  Vocabulary() = default;
  std::vector<std::string> tokens_;
  ByteTrie trie_;
  std::size_t count_ = 0;
  std::int32_t empty_id_ = -1;
};

inline constexpr std::size_t kMaxSearchedToken = 1024;

// "model '<type>': <what>" as one kInvalidArgument.
Error MalformedModel(const json::Value& model, std::string_view what);

}  // namespace malmoi::text
