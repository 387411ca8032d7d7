#pragma once

#include <cstdint>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/cancel.h"
#include "base/result.h"
#include "rag/answer.h"
#include "text/analyzer.h"

namespace malmoi::rag {

// A sentence of a passage with what is needed to compare it with a question.
struct Sentence {
  std::size_t passage = 0;           // Index into the passages.
  std::uint64_t begin = 0, end = 0;  // Within the passage's text.
  std::vector<text::Term> terms;
  float coverage = 0;  // Share of the question's term weight (by rarity) in the sentence.
  float dense = 0;     // Cosine with the question; 0 without a model.
  float score = 0;
};

// The sentences of the passages, scored against a question. Rarity of a term is
// ln(1 + (n - df + 0.5) / (df + 0.5)), n and df counted over the collection; without a store over
// the given passages, in which a question's own topic looks common.
class SentenceIndex {
 public:
  // Looks at no more than `sentences_max` sentences, in the passages' order.
  static Result<SentenceIndex> Build(const Ports& ports, std::string_view question,
                                     const std::vector<Passage>& passages, text::Language language,
                                     const Cancel* cancel);

  const std::vector<Sentence>& sentences() const { return sentences_; }
  // Share of the question's term weight that passage i holds.
  float PassageCoverage(std::size_t i) const { return passage_coverage_[i]; }
  // Share of `terms`' weight (by rarity) that the sentence holds: how far it supports a claim.
  float Support(const std::vector<text::Term>& claim, const Sentence& sentence) const;

 private:
  Status CountFrequencies(const Ports& ports, const std::vector<text::Term>& question);
  void ScoreLexical(const std::vector<text::Term>& question);
  Status ScoreDense(const Ports& ports, std::string_view question,
                    const std::vector<Passage>& passages, const Cancel* cancel);
  float Rarity(std::uint32_t term) const;
  float Covered(const std::vector<text::Term>& wanted,
                const std::vector<text::Term>& present) const;

  std::vector<Sentence> sentences_;
  std::vector<std::vector<text::Term>> passage_terms_;
  std::vector<float> passage_coverage_;
  std::unordered_map<std::uint32_t, std::uint64_t> document_frequency_;
  double document_count_ = 0;
};

}  // namespace malmoi::rag
