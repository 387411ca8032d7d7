#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "text/tokenizer/stages.h"
#include "text/tokenizer/vocabulary.h"

namespace malmoi::text {
namespace {

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

  std::size_t size() const override { return vocabulary_.count(); }
  std::int32_t IdOf(std::string_view token) const override { return vocabulary_.IdOf(token); }
  std::string_view TokenOf(std::int32_t id) const override { return vocabulary_.TokenOf(id); }
  std::int32_t named_by_text() const override { return unknown_; }

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

}  // namespace

Result<std::unique_ptr<const Model>> ReadUnigram(const json::Value& value) {
  const json::Value* vocab = value.Find("vocab");
  if (vocab == nullptr || !vocab->is_array()) {
    return MalformedModel(value, "'vocab' is not an array");
  }
  std::vector<std::string> tokens;
  std::vector<double> scores;
  tokens.reserve(vocab->items().size());
  scores.reserve(vocab->items().size());
  for (const json::Value& item : vocab->items()) {
    const auto& pair = item.items();
    if (pair.size() != 2 || !pair[0].is_string() || !pair[1].is_number()) {
      return MalformedModel(
          value, "entry " + std::to_string(tokens.size()) + " of 'vocab' is not [token, score]");
    }
    tokens.emplace_back(*pair[0].AsString());
    scores.push_back(pair[1].AsDouble().value_or(0));
  }
  const std::int64_t unknown = value.GetInt("unk_id", -1);
  if (unknown < 0 || static_cast<std::size_t>(unknown) >= tokens.size()) {
    return MalformedModel(
        value, "unk_id is missing or past the vocabulary of " + std::to_string(tokens.size()));
  }
  Vocabulary vocabulary(std::move(tokens));
  if (vocabulary.longest() > kMaxSearchedToken) {
    return MalformedModel(value, "a token is longer than 1024 bytes");
  }
  return std::unique_ptr<const Model>(new Unigram(std::move(vocabulary), std::move(scores),
                                                  static_cast<std::int32_t>(unknown),
                                                  value.GetBool("byte_fallback")));
}

}  // namespace malmoi::text
