#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "base/utf8.h"
#include "text/tokenizer/stages.h"
#include "text/tokenizer/trie.h"

namespace malmoi::text {
namespace {

constexpr std::int64_t kMaxId = 1 << 27;  // 250,002 is the largest vocabulary that is in use.

// Ids to tokens and back.
class Vocabulary {
 public:
  // Ids may have gaps; the token of a gap is empty.
  explicit Vocabulary(std::vector<std::string> tokens) : tokens_(std::move(tokens)) {
    std::vector<std::pair<std::string_view, std::int32_t>> keys;
    keys.reserve(tokens_.size());
    for (std::size_t id = 0; id < tokens_.size(); ++id) {
      keys.emplace_back(tokens_[id], static_cast<std::int32_t>(id));
    }
    trie_ = ByteTrie::Build(std::move(keys));
  }
  const ByteTrie& trie() const { return trie_; }
  std::size_t size() const { return tokens_.size(); }
  std::string_view TokenOf(std::int32_t id) const {
    if (id < 0 || static_cast<std::size_t>(id) >= tokens_.size()) return {};
    return tokens_[static_cast<std::size_t>(id)];
  }

 private:
  std::vector<std::string> tokens_;
  ByteTrie trie_;
};

// Greedy longest match from the left (Wu et al. 2016); a word that cannot be covered, or longer
// than the limit, is one unknown token.
class WordPiece : public Model {
 public:
  WordPiece(Vocabulary vocabulary, std::size_t count, std::string_view prefix,
            std::size_t max_characters, std::int32_t unknown)
      : vocabulary_(std::move(vocabulary)),
        count_(count),
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

  std::size_t size() const override { return count_; }
  std::int32_t IdOf(std::string_view token) const override {
    return vocabulary_.trie().Find(token);
  }
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
  const std::size_t count_;     // Of tokens, gaps left out.
  const ByteTrie::Node inner_;  // After the prefix that continuing pieces have ("##").
  const std::size_t max_characters_;
  const std::int32_t unknown_;
};

// The most probable segmentation (Kudo 2018) by dynamic programming over bytes. Characters without
// a piece get the least score of the vocabulary less kUnknownPenalty; neighbours of them become one
// unknown token, or its bytes where the vocabulary has them.
class Unigram : public Model {
 public:
  Unigram(Vocabulary vocabulary, std::vector<double> scores, std::int32_t unknown,
          bool byte_fallback)
      : vocabulary_(std::move(vocabulary)), scores_(std::move(scores)), unknown_(unknown) {
    double least = std::numeric_limits<double>::infinity();
    for (const double score : scores_) least = std::min(least, score);
    unknown_score_ = least - kUnknownPenalty;
    if (byte_fallback) ReadBytes();
  }

  void Tokenize(std::string_view word, std::vector<ModelToken>* tokens,
                TokenizerScratch* scratch) const override {
    Search(word, &scratch->steps);
    const std::size_t first = tokens->size();
    std::size_t end = word.size();
    while (end > 0) {
      const auto stop = static_cast<std::uint32_t>(end);
      std::int32_t id = scratch->steps[end].id;
      end = scratch->steps[end].from;
      if (id != unknown_) {
        tokens->push_back({id, static_cast<std::uint32_t>(end), stop});
        continue;
      }
      while (end > 0 && scratch->steps[end].id == unknown_) end = scratch->steps[end].from;
      PutUnknown(word, end, stop, tokens);
    }
    std::reverse(tokens->begin() + static_cast<std::ptrdiff_t>(first), tokens->end());
  }

  std::size_t size() const override { return vocabulary_.size(); }
  std::int32_t IdOf(std::string_view token) const override {
    return vocabulary_.trie().Find(token);
  }
  std::string_view TokenOf(std::int32_t id) const override { return vocabulary_.TokenOf(id); }

 private:
  static constexpr double kUnknownPenalty = 10;
  static constexpr std::int32_t kNoStep = -1;

  void ReadBytes() {
    constexpr char kHex[] = "0123456789ABCDEF";
    for (unsigned b = 0; b < 256; ++b) {
      const char name[] = {'<', '0', 'x', kHex[b >> 4], kHex[b & 15], '>'};
      bytes_[b] = IdOf({name, sizeof name});
    }
  }

  // Fills steps[0..word.size()] with the best path to each character start.
  void Search(std::string_view word, std::vector<TokenizerScratch::Step>* steps) const {
    const ByteTrie& trie = vocabulary_.trie();
    steps->assign(word.size() + 1, {0, 0, kNoStep});
    const auto offer = [&](std::size_t from, std::size_t to, double score, std::int32_t id) {
      auto& step = (*steps)[to];
      if (step.id != kNoStep && !(score > step.score)) return;
      step = {score, static_cast<std::uint32_t>(from), id};
    };
    for (std::size_t from = 0; from < word.size();) {
      const double base = (*steps)[from].score;
      const std::size_t size = RuneSize(word[from]);
      bool single = false;
      ByteTrie::Node node = ByteTrie::kRoot;
      for (std::size_t at = from; at < word.size();) {
        node = trie.Child(node, word[at++]);
        if (node == ByteTrie::kNone) break;
        const std::int32_t id = trie.IdAt(node);
        if (id < 0) continue;
        offer(from, at, scores_[static_cast<std::size_t>(id)] + base, id);
        single = single || at - from == size;
      }
      if (!single) offer(from, from + size, unknown_score_ + base, unknown_);
      from += size;
    }
  }

  // The tokens come out in reverse: the caller turns them round.
  void PutUnknown(std::string_view word, std::size_t begin, std::uint32_t end,
                  std::vector<ModelToken>* tokens) const {
    const auto from = static_cast<std::uint32_t>(begin);
    const std::string_view part = word.substr(begin, end - begin);
    const std::int32_t id = IdOf(part);  // A text may spell the unknown token itself.
    const auto has = [&](char c) { return bytes_[static_cast<unsigned char>(c)] >= 0; };
    if (id < 0 && std::all_of(part.begin(), part.end(), has)) {
      for (auto c = part.rbegin(); c != part.rend(); ++c) {
        tokens->push_back({bytes_[static_cast<unsigned char>(*c)], from, end});
      }
      return;
    }
    tokens->push_back({id >= 0 ? id : unknown_, from, end});
  }

  const Vocabulary vocabulary_;
  const std::vector<double> scores_;
  const std::int32_t unknown_;
  double unknown_score_ = 0;
  std::array<std::int32_t, 256> bytes_ = [] {
    std::array<std::int32_t, 256> none{};
    none.fill(-1);
    return none;
  }();
};

Error Malformed(std::string_view model, std::string_view what) {
  return Error(Code::kInvalidArgument, "model '" + std::string(model) + "': " + std::string(what));
}

}  // namespace

Result<std::unique_ptr<const Model>> ReadWordPiece(const json::Value& value) {
  const json::Value* vocab = value.Find("vocab");
  if (vocab == nullptr || !vocab->is_object() || vocab->members().empty()) {
    return Malformed("WordPiece", "'vocab' is not an object with tokens");
  }
  std::vector<std::string> tokens;
  for (const auto& [token, id_value] : vocab->members()) {
    const auto id = id_value.AsInt();
    if (!id || *id < 0 || *id >= kMaxId) {
      return Malformed("WordPiece", "id of '" + token + "' is " + id_value.Dump() +
                                        ", not an integer in [0, 134217728)");
    }
    // Memory follows the number of tokens, not a single id that a damaged file gives.
    if (static_cast<std::size_t>(*id) >= 64 * vocab->members().size() + 65536) {
      return Malformed("WordPiece", "id of '" + token + "' leaves too large a gap");
    }
    if (static_cast<std::size_t>(*id) >= tokens.size()) {
      tokens.resize(static_cast<std::size_t>(*id) + 1);
    }
    tokens[static_cast<std::size_t>(*id)] = token;
  }
  Vocabulary vocabulary(std::move(tokens));
  const std::string_view unknown = value.GetString("unk_token", "[UNK]");
  const std::int32_t unknown_id = vocabulary.trie().Find(unknown);
  if (unknown_id < 0) {
    return Malformed("WordPiece", "unk_token '" + std::string(unknown) + "' is not in 'vocab'");
  }
  const std::int64_t limit = value.GetInt("max_input_chars_per_word", 100);
  if (limit < 0) return Malformed("WordPiece", "max_input_chars_per_word is negative");
  return std::unique_ptr<const Model>(
      new WordPiece(std::move(vocabulary), vocab->members().size(),
                    value.GetString("continuing_subword_prefix", "##"),
                    static_cast<std::size_t>(limit), unknown_id));
}

Result<std::unique_ptr<const Model>> ReadUnigram(const json::Value& value) {
  const json::Value* vocab = value.Find("vocab");
  if (vocab == nullptr || !vocab->is_array()) {
    return Malformed("Unigram", "'vocab' is not an array");
  }
  std::vector<std::string> tokens;
  std::vector<double> scores;
  tokens.reserve(vocab->items().size());
  scores.reserve(vocab->items().size());
  for (const json::Value& item : vocab->items()) {
    const auto& pair = item.items();
    if (pair.size() != 2 || !pair[0].is_string() || !pair[1].is_number()) {
      return Malformed("Unigram", "entry " + std::to_string(tokens.size()) +
                                      " of 'vocab' is not [token, score]");
    }
    tokens.emplace_back(*pair[0].AsString());
    scores.push_back(pair[1].AsDouble().value_or(0));
  }
  const std::int64_t unknown = value.GetInt("unk_id", -1);
  if (unknown < 0 || static_cast<std::size_t>(unknown) >= tokens.size()) {
    return Malformed(
        "Unigram", "unk_id is missing or past the vocabulary of " + std::to_string(tokens.size()));
  }
  return std::unique_ptr<const Model>(new Unigram(Vocabulary(std::move(tokens)), std::move(scores),
                                                  static_cast<std::int32_t>(unknown),
                                                  value.GetBool("byte_fallback")));
}

Result<std::unique_ptr<const Model>> ReadModel(const json::Value& value) {
  const std::string_view type = value.GetString("type");
  if (type == "WordPiece") return ReadWordPiece(value);
  if (type == "Unigram") return ReadUnigram(value);
  return UnknownComponent("model", value, "WordPiece, Unigram");
}

}  // namespace malmoi::text
