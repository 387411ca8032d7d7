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

// Weights hold on both sides, query and document, so that a match counts about their product.
struct AnalyzerOptions {
  // Compiled mecab-ko-dic; empty: particles are stripped by a table and bigrams, half as heavy
  // again, carry the rest.
  std::string korean_dictionary;
  // Compiled IPADIC in UTF-8; empty: Japanese by bigrams and single characters alone. nDCG@10 of
  // jsquad, drcd, cmrc without and with it: .946 .973 .990; .950 .974 .992.
  std::string japanese_dictionary = {};
  // Of two neighbouring syllables beside the morphemes; 0: none. nDCG@10 on kobest-boolq and
  // fastapi-ko2ko: 0 .959 .551; .25 .963 .555; .35 .967 .559; .5 .967 .555.
  float korean_bigram_weight = 0.35f;
  // Of single Han and Kana characters beside bigrams at 1. jsquad, drcd, cmrc: .5 .946 .973 .991;
  // .7 .947 .974 .991; 1 .949 .975 .990.
  float cjk_unigram_weight = 0.7f;
};

// Turns text into terms for lexical search, for documents and queries alike: words by UAX #29
// with combining marks kept, lower-cased, stop words dropped, stemmed (Snowball) in the text's
// language; identifiers (snake_case, camelCase, dotted.names) whole and, at half weight, in
// parts; Korean by morphemes (content tags only) and character bigrams; Han and Kana by bigrams
// and lighter unigrams, Japanese (text with Kana, or `language`) also by morphemes; Thai, Lao,
// Khmer and Myanmar by ICU's dictionaries. Works on the NFC form of any bytes: ill-formed ones are
// read as U+FFFD, which separates words.
//
// Latin words in Korean, Japanese, Russian, ... text get English rules, so that a Korean question
// meets the English words of an English document.
//
// Thread safety: all const members may run concurrently. Cost: linear, also for a megabyte
// without a space; one core of 2.6 GHz: English 26 MB/s, Japanese 31, Hindi 31, Korean 6.4.
class Analyzer {
 public:
  // Errors: kUnavailable where a dictionary of `options` is not one that libmecab reads.
  // Cost: maps the dictionaries (100 and 50 MB, shared between processes).
  static Result<std::shared_ptr<const Analyzer>> Create(const AnalyzerOptions& options);
  virtual ~Analyzer() = default;

  // Terms with their summed weights, sorted by id, each id once. `language` decides stemming and
  // stop words of Latin and similar scripts; Hangul, Han and Kana runs are analysed by their own
  // rules inside any language.
  virtual std::vector<Term> Analyze(std::string_view text, Language language) const = 0;
  // The analysed forms, for explanations and tests: in order, morphemes after the rest.
  // Hangul bigrams and Japanese morphemes begin with '~', so that they meet nothing else.
  virtual std::vector<std::string> Forms(std::string_view text, Language language) const = 0;
  // Forms for filters by words, which must agree however a noun is cut: Korean compounds are cut by
  // what stands around them ("사용자" stays whole, or is "사용" and "자"). Of a document every word
  // that touching nouns make together and the parts of the dictionary's compounds; of a query the
  // one that all make. Else as Forms, without Hangul bigrams.
  virtual std::vector<std::string> SearchForms(std::string_view text, Language language,
                                               bool document) const = 0;
  // Changes whenever the same text could give other terms: part of an index's fingerprint.
  // Contains rules' version, Snowball's and the dictionary's identity.
  virtual std::string fingerprint() const = 0;
  // False when the Korean dictionary is missing and the table stands in.
  virtual bool has_korean_dictionary() const = 0;
  // False when the Japanese dictionary is missing and bigrams stand alone.
  virtual bool has_japanese_dictionary() const = 0;
};

}  // namespace malmoi::text
