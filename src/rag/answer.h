#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/cancel.h"
#include "base/result.h"
#include "rag/ports.h"

namespace malmoi::rag {

// A retrieved passage as the answerer sees it: `text` is bytes [start, end) of the document's
// extracted text.
struct Passage {
  std::string root, path, version, title, heading;
  std::uint64_t start = 0, end = 0;
  std::uint32_t page = 0, line = 0;
  std::string text;
  float score = 0;    // Fused, 0 to 1 within one query.
  float dense = 0;    // Cosine; 0 where there is none.
  float lexical = 0;  // BM25.
};

struct Citation {
  std::uint32_t n = 0;  // The number in the answer's text, from 1.
  std::string root, path, version;
  std::uint64_t start = 0, end = 0;  // Bytes of the document's extracted text.
  std::uint32_t page = 0, line = 0;
  std::string quote;  // Exactly those bytes.
  bool verified = false;
};

struct Answer {
  std::string question;
  std::string text;  // With [1] behind each sentence that a citation carries.
  bool abstained = false;
  std::vector<Citation> citations;
  double evidence = 0;        // 0 to 1; below the threshold the answer is "not in the documents".
  std::string generator;      // "extractive" or the model's name.
  std::uint32_t dropped = 0;  // Citations that did not verify and were left out.
};

// The least evidence of an answer to a question in `question`: where answerable and unanswerable
// questions of that language part best, by `malmoi eval --answers`. Japanese, whose passages share
// more of their terms (bigrams of Kana), has evidence for everything.
constexpr double EvidenceMin(text::Language question) {
  return question == text::Language::kJapanese ? 0.57 : 0.5;
}

struct AnswerOptions {
  std::size_t citations_max = 4;
  // Answers with less evidence are refused; unset: EvidenceMin.
  std::optional<double> evidence_min = {};
  text::Language question_language = text::Language::kOther;
};

// The best sentences of the passages, quoted, each with its citation; refuses when evidence is
// weak. Deterministic. `on_text` gets the answer piece by piece (may be null).
Result<Answer> AnswerExtractive(const Ports& ports, std::string_view question,
                                const std::vector<Passage>& passages, const AnswerOptions& options,
                                const std::function<bool(std::string_view)>& on_text,
                                const Cancel* cancel = nullptr);

// ports.generator writes the answer from the numbered passages; each sentence's [n] becomes a
// citation of the sentence of passage n that supports it best; sentences without support lose
// their number and are marked in the text as unsupported. Retrieved text is never in the system
// role and is fenced by a delimiter made for the request.
Result<Answer> AnswerGenerated(const Ports& ports, std::string_view question,
                               const std::vector<Passage>& passages, const AnswerOptions& options,
                               const std::function<bool(std::string_view)>& on_text,
                               const Cancel* cancel = nullptr);

// The document's text for a citation's version; kNotFound when the version is no longer current.
using DocumentText = std::function<Result<std::string>(const Citation&)>;
// Sets `verified` of each citation by comparing bytes [start, end) with the quote, drops those that
// fail and counts them.
Status VerifyCitations(const DocumentText& text_of, Answer* answer);

// The JSON of `ask --json` and of POST /api/ask.
std::string AnswerToJson(const Answer& answer);
Result<Answer> AnswerFromJson(std::string_view json);

}  // namespace malmoi::rag
