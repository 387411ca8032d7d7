#pragma once

#include <array>
#include <memory>
#include <string>
#include <string_view>

#include "text/analysis/stopwords_internal.h"

struct sb_stemmer;

namespace malmoi::text {

// Snowball stemmers of all languages that have one, made when first asked for. An object belongs
// to one thread at a time: a Snowball stemmer has a buffer.
class Stemmers {
 public:
  Stemmers();
  ~Stemmers();

  // The stem of a lower-case word; the word itself where the language has no stemmer or the word
  // is longer than any real one. Valid until the next call.
  std::string_view Stem(std::string_view word, Language language);

 private:
  struct Deleter {
    void operator()(sb_stemmer* stemmer) const;
  };
  std::array<std::unique_ptr<sb_stemmer, Deleter>, kLanguages> stemmers_;
  std::array<bool, kLanguages> tried_{};
};

}  // namespace malmoi::text
