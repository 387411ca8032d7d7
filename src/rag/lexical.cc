#include "rag/lexical.h"

#include <cmath>

namespace malmoi::rag {
namespace {

// Adds `from`, each weight times `factor`, to the sorted terms of `to`.
void MergeTerms(const std::vector<text::Term>& from, float factor, std::vector<text::Term>* to) {
  std::vector<text::Term> merged;
  merged.reserve(from.size() + to->size());
  std::size_t i = 0;
  std::size_t j = 0;
  while (i < from.size() || j < to->size()) {
    const bool take_from = j == to->size() || (i < from.size() && from[i].id <= (*to)[j].id);
    if (!take_from) {
      merged.push_back((*to)[j++]);
      continue;
    }
    text::Term term{from[i].id, from[i].weight * factor};
    if (j < to->size() && (*to)[j].id == term.id) term.weight += (*to)[j++].weight;
    ++i;
    merged.push_back(term);
  }
  *to = std::move(merged);
}

}  // namespace

LexicalTerms AnalyzePassage(const text::Analyzer& analyzer, std::string_view title,
                            std::string_view text, text::Language language, const Bm25& bm25) {
  LexicalTerms out;
  out.terms = analyzer.Analyze(text, language);
  if (!title.empty() && bm25.title_weight > 0) {
    MergeTerms(analyzer.Analyze(title, language), bm25.title_weight, &out.terms);
  }
  for (const text::Term& term : out.terms) out.length += term.weight;
  return out;
}

double AverageLengthBucket(double mean) {
  if (!(mean > 1)) return 1;
  return std::pow(1.1, std::round(std::log(mean) / std::log(1.1)));
}

vec::SparseVector PassageVector(const LexicalTerms& terms, double average_length,
                                const Bm25& bm25) {
  const auto norm =
      static_cast<float>(bm25.k1 * (1.0 - bm25.b + bm25.b * terms.length / average_length));
  vec::SparseVector out;
  out.indices.reserve(terms.terms.size());
  out.values.reserve(terms.terms.size());
  for (const text::Term& term : terms.terms) {
    out.indices.push_back(term.id);
    out.values.push_back(term.weight * (bm25.k1 + 1) / (term.weight + norm));
  }
  return out;
}

vec::SparseVector QueryVector(const text::Analyzer& analyzer, std::string_view query,
                              text::Language language) {
  vec::SparseVector out;
  for (const text::Term& term : analyzer.Analyze(query, language)) {
    out.indices.push_back(term.id);
    out.values.push_back(term.weight);
  }
  return out;
}

}  // namespace malmoi::rag
