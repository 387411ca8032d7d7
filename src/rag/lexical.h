#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "text/analyzer.h"
#include "vec/point.h"

namespace malmoi::rag {

// BM25 as sparse vectors (Robertson & Zaragoza 2009; Lucene's IDF, which the store multiplies in at
// query time): a document's value is tf (k1 + 1) / (tf + k1 (1 - b + b len / average)), a query's
// the term's weight. Title and headings are counted `title_weight` times.
struct Bm25 {
  float k1 = 1.2f;
  float b = 0.75f;
  float title_weight = 2.0f;
};

// The terms of a passage, title terms included, with its length (the sum of weights).
struct LexicalTerms {
  std::vector<text::Term> terms;  // Sorted by id.
  double length = 0;
};
LexicalTerms AnalyzePassage(const text::Analyzer& analyzer, std::string_view title,
                            std::string_view text, text::Language language, const Bm25& bm25);

// `average_length` goes into every stored value, so it is rounded to a power of 1.1: small changes
// of the corpus do not change all vectors. At least 1.
double AverageLengthBucket(double mean);

vec::SparseVector PassageVector(const LexicalTerms& terms, double average_length, const Bm25& bm25);
vec::SparseVector QueryVector(const text::Analyzer& analyzer, std::string_view query,
                              text::Language language);

}  // namespace malmoi::rag
