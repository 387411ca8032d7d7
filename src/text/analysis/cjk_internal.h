#pragma once

#include <memory>
#include <string_view>

#include "text/analysis/forms_internal.h"

namespace malmoi::text {

// Han and Kana: every two neighbours at weight 1, every character at `unigram_weight`. A run goes
// on across the change from Han to Kana, as in Lucene's CJK analyser.
void AddCjkForms(std::string_view run, float unigram_weight, FormSink* sink);

// Hangul of one word: every two neighbouring syllables, marked with a leading '~' so that they do
// not meet words of two syllables.
void AddHangulBigrams(std::string_view run, float weight, FormSink* sink);

// Words of Thai, Lao, Khmer and Myanmar by ICU's dictionaries. One thread at a time.
class ComplexWords {
 public:
  ComplexWords();
  ~ComplexWords();
  void AddForms(std::string_view run, FormSink* sink);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace malmoi::text
