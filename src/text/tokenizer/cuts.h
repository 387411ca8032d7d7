#pragma once

#include <cstddef>
#include <string_view>

#include "text/tokenizer/added_tokens.h"
#include "text/tokenizer/stages.h"

namespace malmoi::text {

// Where a text may be cut before it is normalised, so that its parts can be tokenized one by one
// and words that were seen before need not be: before blanks, if every stage says that it keeps to
// one side of them (AtCut). Most models for embeddings are of this kind; those that see the whole
// text as one word are not.
//
// What the stages cannot promise beforehand is checked afterwards by IsSound(): a normalizer may
// have made a blank of the character before a cut, or have lost count of its characters. The caller
// then tokenizes the uncut text. cuts_test.cc compares both ways.
class Cuts {
 public:
  Cuts() = default;  // Never cuts.
  Cuts(const Normalizer* normalizer, const PreTokenizer* pre_tokenizer, const AddedTokens& added);

  bool enabled() const { return enabled_; }
  // The part that begins at the start of the text has to be tokenized where it stands.
  bool first_is_special() const { return first_is_special_; }

  // End of the part that begins at `at` < s.size(), which the last call gave, or 0.
  std::size_t Next(std::string_view s, std::size_t at) const;
  // Blanks at the start of a part that no stage needs.
  std::size_t Skippable(std::string_view part) const;
  // Of a normalised part; `first` and `last` say that nothing is before and behind it.
  bool IsSound(const Normalized& part, bool drifted, bool first, bool last) const;

 private:
  bool MayFollow(std::string_view s, std::size_t at) const;

  bool enabled_ = false;
  bool first_is_special_ = false;
  bool any_blanks_ = false;  // Runs of blanks of any kind: no stage minds how many there are.
  bool line_ends_ = false;   // A lone line end is a blank too.
};

}  // namespace malmoi::text
