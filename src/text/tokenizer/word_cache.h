#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

namespace malmoi::text {

// What short texts were tokenized into, so that a word that comes again costs one look-up.
//
// Direct-mapped: a newer text takes the slot of an older one, and when the store is full everything
// is forgotten. Memory is bounded by kSlots and kStoreWords: 0.7 MB. Not thread-safe: one a Work
// (hf_tokenizer.cc).
class WordCache {
 public:
  static constexpr std::size_t kMaxBytes = 64;   // Of a text; offsets fit a byte.
  static constexpr std::size_t kMaxTokens = 48;  // Of a text.

  struct Token {
    std::int32_t id = 0;
    std::uint8_t begin = 0;  // Bytes of the text.
    std::uint8_t end = 0;
    std::uint16_t unused = 0;
  };
  struct Tokens {
    const Token* first = nullptr;  // Null: not here.
    std::size_t count = 0;
  };

  WordCache() : slots_(kSlots) { store_.reserve(kStoreWords); }

  static std::uint64_t HashOf(std::string_view text) {
    std::uint64_t h = text.size() * 0x9E3779B97F4A7C15u;
    const char* p = text.data();
    std::size_t left = text.size();
    for (; left >= 8; p += 8, left -= 8) {
      std::uint64_t word;
      std::memcpy(&word, p, 8);
      h = Mix(h ^ word);
    }
    if (left > 0) {
      std::uint64_t word = 0;
      std::memcpy(&word, p, left);
      h = Mix(h ^ word);
    }
    return h;
  }

  Tokens Find(std::string_view text, std::uint64_t hash) const {
    const Slot& slot = slots_[hash & (kSlots - 1)];
    if (slot.hash != static_cast<std::uint32_t>(hash >> 32) || slot.bytes != text.size()) return {};
    if (std::memcmp(store_.data() + slot.at, text.data(), text.size()) != 0) return {};
    return {TokensAt(slot.at + WordsOf(text.size())), slot.count};
  }

  // The caller holds to kMaxBytes and kMaxTokens; `text` is not empty.
  void Put(std::string_view text, std::uint64_t hash, const std::vector<Token>& tokens) {
    const std::size_t words = WordsOf(text.size()) + tokens.size();
    if (store_.size() + words > kStoreWords) {
      store_.clear();
      slots_.assign(kSlots, {});
    }
    const std::size_t at = store_.size();
    store_.resize(at + words);
    std::memcpy(static_cast<void*>(store_.data() + at), text.data(), text.size());
    std::copy(tokens.begin(), tokens.end(),
              store_.begin() + static_cast<std::ptrdiff_t>(at + WordsOf(text.size())));
    slots_[hash & (kSlots - 1)] = {
        static_cast<std::uint32_t>(hash >> 32), static_cast<std::uint32_t>(at),
        static_cast<std::uint16_t>(text.size()), static_cast<std::uint16_t>(tokens.size())};
  }

 private:
  static constexpr std::size_t kSlots = 1 << 14;
  static constexpr std::size_t kStoreWords = 1 << 16;  // Of 8 bytes.
  static_assert(sizeof(Token) == 8);
  struct Slot {
    std::uint32_t hash = 0;
    std::uint32_t at = 0;     // Word of store_ where the text begins; its tokens follow.
    std::uint16_t bytes = 0;  // 0: the slot is free.
    std::uint16_t count = 0;
  };

  static std::uint64_t Mix(std::uint64_t h) {
    h *= 0xD6E8FEB86659FD93u;
    return h ^ h >> 32;
  }
  static std::size_t WordsOf(std::size_t bytes) { return (bytes + 7) / 8; }
  const Token* TokensAt(std::size_t word) const { return store_.data() + word; }

  std::vector<Slot> slots_;
  std::vector<Token> store_;  // Texts (as bytes, padded) and their tokens.
};

}  // namespace malmoi::text
