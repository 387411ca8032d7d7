#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <utility>

#include "base/utf8.h"
#include "text/tokenizer/normalized.h"
#include "text/tokenizer/stages.h"
#include "text/tokenizer/vocabulary.h"

namespace malmoi::text {
namespace {

struct Merge {
  std::uint32_t rank = 0;
  std::int32_t id = -1;  // Of the joined token; -1: the two do not join.
};

// Pairs of ids to merges: open addressing, at most half full.
class MergeTable {
 public:
  explicit MergeTable(std::size_t count) {
    std::size_t size = 16;
    while (size < 2 * count) size *= 2;
    slots_.resize(size);
  }
  void Put(std::int32_t left, std::int32_t right, Merge merge) {
    Slot& slot = slots_[Locate(KeyOf(left, right))];
    slot.key = KeyOf(left, right);
    slot.merge = merge;  // Of a repeated pair the last one counts.
  }
  Merge Find(std::int32_t left, std::int32_t right) const {
    const Slot& slot = slots_[Locate(KeyOf(left, right))];
    return slot.key == kFree ? Merge() : slot.merge;
  }

 private:
  static constexpr std::uint64_t kFree = ~std::uint64_t{0};
  struct Slot {
    std::uint64_t key = kFree;
    Merge merge;
  };
  static std::uint64_t KeyOf(std::int32_t left, std::int32_t right) {
    return static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32 |
           static_cast<std::uint32_t>(right);
  }
  std::size_t Locate(std::uint64_t key) const {
    std::uint64_t h = key * 0x9E3779B97F4A7C15u;
    h ^= h >> 32;
    std::size_t at = h & (slots_.size() - 1);
    while (slots_[at].key != key && slots_[at].key != kFree) at = (at + 1) & (slots_.size() - 1);
    return at;
  }
  std::vector<Slot> slots_;
};

// Byte pair encoding (Sennrich et al. 2016): characters are joined pair by pair, the pair of the
// lowest rank first, of equal ones the leftmost. Cost: n log n in the word's characters; short
// words look for the next pair by scanning.
class Bpe : public Model {
 public:
  struct Options {
    std::int32_t unknown = -1;  // -1: characters without a token are left out.
    std::string prefix;         // Of characters that continue a word.
    std::string suffix;         // Of the last character of a word.
    bool fuse_unknown = false;
    bool byte_fallback = false;
    bool ignore_merges = false;  // A word that is a token is not split first.
  };
  Bpe(Vocabulary vocabulary, MergeTable merges, Options options)
      : vocabulary_(std::move(vocabulary)),
        merges_(std::move(merges)),
        options_(std::move(options)) {
    constexpr char kHex[] = "0123456789ABCDEF";
    bytes_.fill(-1);
    for (unsigned b = 0; b < 256 && options_.byte_fallback; ++b) {
      const char name[] = {'<', '0', 'x', kHex[b >> 4], kHex[b & 15], '>'};
      bytes_[b] = vocabulary_.IdOf({name, sizeof name});
    }
    for (char32_t c = 0; c < kDirect; ++c) {
      std::string text;
      AppendRune(&text, c);
      direct_[c] = vocabulary_.IdOf(text);
    }
  }

  void Tokenize(std::string_view word, std::vector<ModelToken>* tokens,
                TokenizerScratch* scratch) const override {
    if (options_.ignore_merges) {
      const std::int32_t id = vocabulary_.IdOf(word);
      if (id >= 0) {
        tokens->push_back({id, 0, static_cast<std::uint32_t>(word.size())});
        return;
      }
    }
    auto& symbols = scratch->symbols;
    symbols.clear();
    Spell(word, &symbols);
    if (symbols.size() <= kShort) {
      MergeShort(&symbols);
    } else {
      MergeLong(&symbols, &scratch->candidates);
    }
    std::uint32_t at = 0;
    for (const auto& symbol : symbols) {
      if (symbol.length == 0) continue;
      tokens->push_back({symbol.id, at, at + symbol.length});
      at += symbol.length;
    }
  }

  std::size_t size() const override { return vocabulary_.count(); }
  std::int32_t IdOf(std::string_view token) const override { return vocabulary_.IdOf(token); }
  std::string_view TokenOf(std::int32_t id) const override { return vocabulary_.TokenOf(id); }

 private:
  using Symbol = TokenizerScratch::Symbol;
  using Candidate = TokenizerScratch::Candidate;
  using Symbols = std::vector<Symbol>;
  static constexpr std::size_t kShort = 24;
  static constexpr std::uint32_t kNone = 0xFFFFFFFF;
  static constexpr char32_t kDirect = 512;  // Byte-level vocabularies spell with these.

  static void Add(std::int32_t id, std::size_t length, Symbols* symbols) {
    const auto at = static_cast<std::uint32_t>(symbols->size());
    if (at > 0) symbols->back().next = at;
    symbols->push_back({id, static_cast<std::uint32_t>(length), at > 0 ? at - 1 : kNone, kNone});
  }

  // The token of the character at word[begin, end).
  std::int32_t IdOfCharacter(std::string_view word, std::size_t begin, std::size_t end) const {
    const bool prefixed = begin > 0 && !options_.prefix.empty();
    const bool suffixed = end == word.size() && !options_.suffix.empty();
    if (!prefixed && !suffixed) {
      std::size_t size = 0;
      const char32_t c = ReadRune(word, begin, &size);
      return c < kDirect ? direct_[c] : vocabulary_.IdOf(word.substr(begin, end - begin));
    }
    std::string text = prefixed ? options_.prefix : std::string();
    text += word.substr(begin, end - begin);
    if (suffixed) text += options_.suffix;
    return vocabulary_.IdOf(text);
  }

  // The bytes that stand for a character without a token; false where one of them has none either.
  bool SpellBytes(std::string_view word, std::size_t begin, std::size_t end,
                  Symbols* symbols) const {
    std::string text = begin > 0 ? options_.prefix : std::string();
    text += word.substr(begin, end - begin);
    if (end == word.size()) text += options_.suffix;
    const auto has = [&](char c) { return bytes_[static_cast<unsigned char>(c)] >= 0; };
    if (!std::all_of(text.begin(), text.end(), has)) return false;
    for (const char c : text) Add(bytes_[static_cast<unsigned char>(c)], 1, symbols);
    return true;
  }

  // Characters to tokens. An unknown one waits until it is known whether the next joins it; bytes
  // that come between overtake it, as they do in the imitated package.
  void Spell(std::string_view word, Symbols* symbols) const {
    std::size_t waiting = 0;  // Bytes of the unknown token that waits.
    for (std::size_t at = 0, end = 0; at < word.size(); at = end) {
      end = at + RuneSize(word[at]);
      const std::int32_t id = IdOfCharacter(word, at, end);
      if (id >= 0) {
        if (waiting > 0) Add(options_.unknown, waiting, symbols);
        waiting = 0;
        Add(id, end - at, symbols);
        continue;
      }
      if (options_.byte_fallback && SpellBytes(word, at, end, symbols)) continue;
      if (options_.unknown < 0) continue;
      if (waiting > 0 && !options_.fuse_unknown) {
        Add(options_.unknown, waiting, symbols);
        waiting = 0;
      }
      waiting += end - at;
    }
    if (waiting > 0) Add(options_.unknown, waiting, symbols);
  }

  void Join(std::uint32_t left, std::int32_t id, Symbols* symbols) const {
    Symbol& a = (*symbols)[left];
    Symbol& b = (*symbols)[a.next];
    a.id = id;
    a.length += b.length;
    b.length = 0;
    a.next = b.next;
    if (a.next != kNone) (*symbols)[a.next].previous = left;
  }

  Merge At(const Symbols& symbols, std::uint32_t left) const {
    const std::uint32_t right = symbols[left].next;
    return right == kNone ? Merge() : merges_.Find(symbols[left].id, symbols[right].id);
  }

  void MergeShort(Symbols* symbols) const {
    std::array<Merge, kShort> merges;
    for (std::uint32_t i = 0; i < symbols->size(); ++i) merges[i] = At(*symbols, i);
    for (;;) {
      std::uint32_t best = kNone;
      for (std::uint32_t i = 0; i < symbols->size(); ++i) {
        if (merges[i].id >= 0 && (best == kNone || merges[i].rank < merges[best].rank)) best = i;
      }
      if (best == kNone) return;
      merges[(*symbols)[best].next] = Merge();
      Join(best, merges[best].id, symbols);
      merges[best] = At(*symbols, best);
      const std::uint32_t before = (*symbols)[best].previous;
      if (before != kNone) merges[before] = At(*symbols, before);
    }
  }

  void MergeLong(Symbols* symbols, std::vector<Candidate>* heap) const {
    const auto later = [](const Candidate& a, const Candidate& b) {
      return a.rank != b.rank ? a.rank > b.rank : a.at > b.at;
    };
    heap->clear();
    const auto offer = [&](std::uint32_t left) {
      const Merge merge = At(*symbols, left);
      if (merge.id < 0) return false;
      heap->push_back({merge.rank, left, merge.id});
      return true;
    };
    for (std::uint32_t i = 0; i < symbols->size(); ++i) offer(i);
    std::make_heap(heap->begin(), heap->end(), later);
    while (!heap->empty()) {
      std::pop_heap(heap->begin(), heap->end(), later);
      const Candidate top = heap->back();
      heap->pop_back();
      // The pair may have changed since.
      if ((*symbols)[top.at].length == 0 || At(*symbols, top.at).id != top.id) continue;
      Join(top.at, top.id, symbols);
      const std::uint32_t before = (*symbols)[top.at].previous;
      if (before != kNone && offer(before)) std::push_heap(heap->begin(), heap->end(), later);
      if (offer(top.at)) std::push_heap(heap->begin(), heap->end(), later);
    }
  }

  const Vocabulary vocabulary_;
  const MergeTable merges_;
  const Options options_;
  std::array<std::int32_t, 256> bytes_;
  std::array<std::int32_t, kDirect> direct_;
};

// "a b" or ["a", "b"].
std::optional<std::pair<std::string_view, std::string_view>> ReadPair(const json::Value& item) {
  if (item.items().size() == 2 && item.items()[0].is_string() && item.items()[1].is_string()) {
    return std::pair(*item.items()[0].AsString(), *item.items()[1].AsString());
  }
  const auto text = item.AsString();
  if (!text) return std::nullopt;
  const std::size_t space = text->find(' ');
  if (space == text->npos || text->find(' ', space + 1) != text->npos) return std::nullopt;
  return std::pair(text->substr(0, space), text->substr(space + 1));
}

Result<MergeTable> ReadMerges(const json::Value& value, const Vocabulary& vocabulary,
                              std::size_t prefix) {
  const json::Value* list = value.Find("merges");
  if (list == nullptr || !list->is_array()) {
    return MalformedModel(value, "'merges' is not an array");
  }
  MergeTable merges(list->items().size());
  std::string joined;
  std::uint32_t rank = 0;
  for (const json::Value& item : list->items()) {
    const auto text = item.AsString();
    if (text && text->starts_with("#version")) continue;
    const auto pair = ReadPair(item);
    if (!pair || pair->second.size() < prefix) {
      return MalformedModel(
          value, "merge " + std::to_string(rank) + " is " + item.Dump() + ", not two tokens");
    }
    joined.assign(pair->first).append(pair->second.substr(prefix));
    const std::int32_t left = vocabulary.IdOf(pair->first);
    const std::int32_t right = vocabulary.IdOf(pair->second);
    const std::int32_t both = vocabulary.IdOf(joined);
    if (left < 0 || right < 0 || both < 0) {
      return MalformedModel(value, "merge " + std::to_string(rank) + ", " + item.Dump() +
                                       ", has or makes a token that is not in 'vocab'");
    }
    merges.Put(left, right, {rank++, both});
  }
  return merges;
}

}  // namespace

Result<std::unique_ptr<const Model>> ReadBpe(const json::Value& value) {
  const double dropout = value.GetDouble("dropout");
  if (dropout != 0) {
    return Error(Code::kUnsupported, "model 'BPE': dropout " + std::to_string(dropout) +
                                         ": encoding is deterministic; set it to null");
  }
  MALMOI_TRY(auto vocabulary, Vocabulary::Read(value));
  Bpe::Options options;
  options.unknown = vocabulary.IdOf(value.GetString("unk_token"));
  options.prefix = value.GetString("continuing_subword_prefix");
  options.suffix = value.GetString("end_of_word_suffix");
  options.fuse_unknown = value.GetBool("fuse_unk");
  options.byte_fallback = value.GetBool("byte_fallback");
  options.ignore_merges = value.GetBool("ignore_merges");
  MALMOI_TRY(auto merges, ReadMerges(value, vocabulary, options.prefix.size()));
  return std::unique_ptr<const Model>(
      new Bpe(std::move(vocabulary), std::move(merges), std::move(options)));
}

}  // namespace malmoi::text
