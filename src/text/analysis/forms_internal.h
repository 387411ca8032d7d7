#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "text/analyzer.h"

namespace malmoi::text {

// Receives the analysed forms of a text in order: as hashed terms, as strings, or both.
class FormSink {
 public:
  FormSink(std::vector<Term>* terms, std::vector<std::string>* forms)
      : terms_(terms), forms_(forms) {}

  // What becomes of Korean nouns that touch ("사용" + "자", "벡터" + "데이터베이스").
  enum class Nouns : std::uint8_t {
    kApart,     // Each by itself.
    kAllWords,  // Each, and every word that neighbours make together: what a search may ask for.
    kOneWord,   // Only the word that all make together.
  };
  FormSink(std::vector<std::string>* forms, Nouns nouns)
      : terms_(nullptr), forms_(forms), nouns_(nouns) {}
  Nouns nouns() const { return nouns_; }

  // A noun or a part of one; `surface` is of the text that is analysed. EndNouns ends the last
  // word; before the text goes away.
  void AddNoun(std::string_view surface) {
    if (surface.data() != noun_end_) EndNouns();
    chain_.emplace_back(surface);
    noun_end_ = surface.data() + surface.size();
  }
  void EndNouns() {
    constexpr std::size_t kMost = 8;  // Of one word; those of longer ones are cut.
    if (nouns_ == Nouns::kOneWord && !chain_.empty()) {
      std::string whole;
      for (std::size_t i = 0; i < std::min(chain_.size(), kMost); ++i) whole += chain_[i];
      Add(whole, 1);
    }
    for (std::size_t i = 0; nouns_ == Nouns::kAllWords && i < chain_.size(); ++i) {
      std::string word;
      for (std::size_t k = i; k < std::min(chain_.size(), i + kMost); ++k) {
        word += chain_[k];
        Add(word, 1);
      }
    }
    chain_.clear();
    noun_end_ = nullptr;
  }

  void Add(std::string_view form, float weight) {
    if (terms_ != nullptr) terms_->push_back({static_cast<std::uint32_t>(Hash64(form)), weight});
    if (forms_ != nullptr) forms_->emplace_back(form);
  }

 private:
  std::vector<Term>* terms_;
  std::vector<std::string>* forms_;
  Nouns nouns_ = Nouns::kApart;
  std::vector<std::string> chain_ = {};
  const char* noun_end_ = nullptr;
};

}  // namespace malmoi::text
