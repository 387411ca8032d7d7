#pragma once

#include <string>
#include <vector>

#include "rag/answer.h"
#include "rag/sentence_index_internal.h"
#include "text/language.h"

namespace malmoi::rag {

// "The documents do not answer this question." in the question's language.
std::string RefusalText(text::Language language);

// Whether most of the passages are in the question's language.
bool SameLanguage(const std::vector<Passage>& passages, text::Language question);

// How well the passages support an answer, 0 to 1, from sentences that are scored already.
double EvidenceOf(const SentenceIndex& index, const std::vector<Passage>& passages,
                  bool same_language);

// What the options say, else what the question's language says.
inline double LeastEvidence(const AnswerOptions& options) {
  return options.evidence_min.value_or(EvidenceMin(options.question_language));
}

}  // namespace malmoi::rag
