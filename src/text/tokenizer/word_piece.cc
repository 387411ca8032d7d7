#include <utility>

#include "base/utf8.h"
#include "text/tokenizer/stages.h"
#include "text/tokenizer/vocabulary.h"

namespace malmoi::text {
namespace {

// Greedy longest match from the left (Wu et al. 2016); a word that cannot be covered, or longer
// than the limit, is one unknown token.
class WordPiece : public Model {
 public:
  WordPiece(Vocabulary vocabulary, std::string_view prefix, std::size_t max_characters,
            std::int32_t unknown)
      : vocabulary_(std::move(vocabulary)),
        inner_(vocabulary_.trie().Walk(ByteTrie::kRoot, prefix)),
        max_characters_(max_characters),
        unknown_(unknown) {}

  void Tokenize(std::string_view word, std::vector<ModelToken>* tokens,
                TokenizerScratch*) const override {
    const std::size_t first = tokens->size();
    bool covered = word.size() <= max_characters_ || CountRunes(word) <= max_characters_;
    for (std::size_t begin = 0; covered && begin < word.size();) {
      const ModelToken token = Longest(word, begin);
      covered = token.id >= 0;
      tokens->push_back(token);
      begin = token.end;
    }
    if (covered) return;
    tokens->resize(first);
    tokens->push_back({unknown_, 0, static_cast<std::uint32_t>(word.size())});
  }

  std::size_t size() const override { return vocabulary_.count(); }
  std::int32_t IdOf(std::string_view token) const override { return vocabulary_.IdOf(token); }
  std::string_view TokenOf(std::int32_t id) const override { return vocabulary_.TokenOf(id); }

 private:
  ModelToken Longest(std::string_view word, std::size_t begin) const {
    const ByteTrie& trie = vocabulary_.trie();
    ByteTrie::Node node = begin == 0 ? ByteTrie::kRoot : inner_;
    ModelToken best{-1, static_cast<std::uint32_t>(begin), 0};
    for (std::size_t at = begin; at < word.size() && node != ByteTrie::kNone; ++at) {
      node = trie.Child(node, word[at]);
      if (node == ByteTrie::kNone) break;
      if (trie.IdAt(node) >= 0) {
        best.id = trie.IdAt(node);
        best.end = static_cast<std::uint32_t>(at + 1);
      }
    }
    return best;
  }

  const Vocabulary vocabulary_;
  const ByteTrie::Node inner_;  // After the prefix that continuing pieces have ("##").
  const std::size_t max_characters_;
  const std::int32_t unknown_;
};

// A word is one token, or unknown as a whole.
class WordLevel : public Model {
 public:
  WordLevel(Vocabulary vocabulary, std::int32_t unknown)
      : vocabulary_(std::move(vocabulary)), unknown_(unknown) {}

  void Tokenize(std::string_view word, std::vector<ModelToken>* tokens,
                TokenizerScratch*) const override {
    const std::int32_t id = IdOf(word);
    tokens->push_back({id >= 0 ? id : unknown_, 0, static_cast<std::uint32_t>(word.size())});
  }
  std::size_t size() const override { return vocabulary_.count(); }
  std::int32_t IdOf(std::string_view token) const override { return vocabulary_.IdOf(token); }
  std::string_view TokenOf(std::int32_t id) const override { return vocabulary_.TokenOf(id); }

 private:
  const Vocabulary vocabulary_;
  const std::int32_t unknown_;
};

// The vocabulary and the id of its unknown token.
Result<std::pair<Vocabulary, std::int32_t>> ReadWords(const json::Value& value,
                                                      std::string_view default_unknown) {
  MALMOI_TRY(auto vocabulary, Vocabulary::Read(value));
  const std::string_view unknown = value.GetString("unk_token", default_unknown);
  const std::int32_t id = vocabulary.IdOf(unknown);
  if (id < 0) {
    return MalformedModel(value, "unk_token '" + std::string(unknown) + "' is not in 'vocab'");
  }
  return std::pair(std::move(vocabulary), id);
}

}  // namespace

Result<std::unique_ptr<const Model>> ReadWordPiece(const json::Value& value) {
  MALMOI_TRY(auto words, ReadWords(value, "[UNK]"));
  if (words.first.longest() > kMaxSearchedToken) {
    return MalformedModel(value, "a token is longer than 1024 bytes");
  }
  const std::int64_t limit = value.GetInt("max_input_chars_per_word", 100);
  if (limit < 0) return MalformedModel(value, "max_input_chars_per_word is negative");
  return std::unique_ptr<const Model>(
      new WordPiece(std::move(words.first), value.GetString("continuing_subword_prefix", "##"),
                    static_cast<std::size_t>(limit), words.second));
}

Result<std::unique_ptr<const Model>> ReadWordLevel(const json::Value& value) {
  MALMOI_TRY(auto words, ReadWords(value, "<unk>"));
  return std::unique_ptr<const Model>(new WordLevel(std::move(words.first), words.second));
}

}  // namespace malmoi::text
