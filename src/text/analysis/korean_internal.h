#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "text/analysis/forms_internal.h"
#include "text/analysis/words_internal.h"

namespace malmoi::text {

// `word` (Hangul only) without the longest particle or ending of a table, leaving at least one
// syllable: what stands in for a dictionary, and cuts words that a dictionary does not know.
std::string_view StripKoreanEnding(std::string_view word);

// Korean by mecab-ko-dic: nouns, verb and adjective stems, roots, unknown words; no particles,
// endings or auxiliaries.
//
// Thread safety: const methods may run concurrently, each with its own Scratch.
class KoreanDictionary {
 public:
  struct Impl;
  struct Scratch;
  struct ScratchDeleter {
    void operator()(Scratch* scratch) const;
  };
  using ScratchPtr = std::unique_ptr<Scratch, ScratchDeleter>;

  // Errors: kUnavailable when `folder` holds no dictionary that libmecab reads.
  static Result<std::shared_ptr<const KoreanDictionary>> Open(const std::string& folder);
  explicit KoreanDictionary(std::unique_ptr<Impl> impl);
  ~KoreanDictionary();

  ScratchPtr NewScratch() const;
  // Morphemes of the lines of `text` that hold Hangul. `runs` are all runs of `text`, in order.
  void AddMorphemes(std::string_view text, std::span<const Run> runs, Scratch* scratch,
                    FormSink* sink) const;
  // Changes with the dictionary.
  const std::string& identity() const;

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace malmoi::text
