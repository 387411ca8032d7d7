#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "text/language.h"

namespace malmoi::text {

// One lexical term of a text: the bag-of-words entry that BM25 counts.
struct Term {
  std::uint32_t id = 0;  // Hash of the analysed form; in 32 bits, as sparse vectors address it.
  float weight =
      0;  // Occurrences, each counted with its kind's weight (a bigram less than a word).
};

struct AnalyzerOptions {
  // Compiled mecab-ko-dic; empty: particles are stripped by a table and bigrams carry the rest.
  std::string korean_dictionary;
  float korean_bigram_weight = 0.25f;
  float cjk_unigram_weight = 0.5f;
};

// Turns text into terms for lexical search, for documents and queries alike: words by UAX #29
// with combining marks kept, lower-cased, stop words dropped, stemmed (Snowball) in the text's
// language; Korean by morphemes (content tags only) and character bigrams; Han and Kana by
// bigrams and half-weight unigrams. Works on the NFC form of any UTF-8.
//
// Thread safety: Analyze may run concurrently. Cost: linear; about 1-5 MB/s for Korean.
class Analyzer {
 public:
  static Result<std::shared_ptr<const Analyzer>> Create(const AnalyzerOptions& options);
  virtual ~Analyzer() = default;

  // Terms with their summed weights, sorted by id, each id once. `language` decides stemming and
  // stop words of Latin and similar scripts; Hangul, Han and Kana runs are analysed by their own
  // rules inside any language.
  virtual std::vector<Term> Analyze(std::string_view text, Language language) const = 0;
  // The analysed forms in order, for explanations and tests.
  virtual std::vector<std::string> Forms(std::string_view text, Language language) const = 0;
  // Changes whenever the same text could give other terms: part of an index's fingerprint.
  // Contains rules' version, Snowball's and the dictionary's identity.
  virtual std::string fingerprint() const = 0;
  // False when the Korean dictionary is missing and the table stands in.
  virtual bool has_korean_dictionary() const = 0;
};

}  // namespace malmoi::text
