#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "json/value.h"
#include "text/tokenizer/stages.h"
#include "text/tokenizer/trie.h"

namespace malmoi::text {

struct AddedToken {
  std::int32_t id = 0;
  std::string content;
  std::string shown;         // What decoding writes: `content`, normalised where `normalized`.
  bool single_word = false;  // Not inside a word.
  bool lstrip = false;       // Takes the spaces before it.
  bool rstrip = false;       // And those after it.
  bool normalized = false;   // Looked for in the normalised text, not in the raw one.
  bool special = false;      // Left out of decoded text on request.
};

// The "added_tokens" of a tokenizer.json: strings that are recognised before the model runs.
class AddedTokens {
 public:
  // A token's id is the model's, where the model has it; else the next after the model's, whatever
  // the file says: so the package reads it. Errors: kInvalidArgument.
  static Result<AddedTokens> Read(const json::Value* list, const Model& model,
                                  const Normalizer* normalizer);

  // Appends pieces that cover `text` to *pieces, in order, tokens among them: longest match first
  // from the left. `normalized` says in which of the two passes this is. Spaces that a token took
  // behind it may begin the next token too: those two pieces overlap (by kMaxOverlap bytes at
  // most).
  void Find(std::string_view text, bool normalized, std::vector<Piece>* pieces) const;

  const AddedToken* ById(std::int32_t id) const;
  const AddedToken* ByContent(std::string_view content) const;
  // No token of the normalised text reaches over the blank before a word: see cuts.h.
  bool keeps_to_words() const;
  // One past the largest id, 0 where there is no token.
  std::int32_t end_id() const { return end_id_; }
  // How many tokens the model does not have.
  std::size_t beyond_model() const { return beyond_model_; }

 private:
  struct Matcher {
    ByteTrie trie;  // To indices of tokens_.
    // A token of which normalizing left nothing: it is everywhere, as the empty string.
    std::int32_t nothing = -1;
    std::array<bool, 256> starts{};
    bool empty = true;
  };
  struct Match {
    std::int32_t index = -1;  // Of tokens_; -1: none.
    std::size_t end = 0;
  };
  Matcher MakeMatcher(bool normalized) const;
  Match MatchAt(const Matcher& matcher, std::string_view text, std::size_t at) const;
  bool IsWholeWord(std::string_view text, std::size_t begin, std::size_t end) const;

  std::vector<AddedToken> tokens_;
  std::unordered_map<std::int32_t, std::size_t> by_id_;
  ByteTrie by_content_;
  Matcher raw_;
  Matcher normalized_;
  std::int32_t end_id_ = 0;
  std::size_t beyond_model_ = 0;
};

}  // namespace malmoi::text
