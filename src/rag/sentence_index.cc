#include <algorithm>
#include <cmath>
#include <string>

#include "rag/sentence_index_internal.h"
#include "text/sentences.h"

namespace malmoi::rag {
namespace {

// Enough for the dozen best passages; bounds the embedding work of one question.
constexpr std::size_t kSentencesMax = 64;
constexpr std::size_t kSentenceBytesMin = 12;  // Shorter ones are headings, list marks, code ends.

bool IsHeadingOrFence(std::string_view s) {
  return s.starts_with('#') || s.starts_with("```") || s.starts_with("///") || s.starts_with("---");
}

}  // namespace

Result<SentenceIndex> SentenceIndex::Build(const Ports& ports, std::string_view question,
                                           const std::vector<Passage>& passages,
                                           text::Language language, const Cancel* cancel) {
  SentenceIndex out;
  for (std::size_t p = 0; p < passages.size(); ++p) {
    const Passage& passage = passages[p];
    const text::Language own = text::DetectLanguage(passage.text, language);
    out.passage_terms_.push_back(
        ports.analyzer->Analyze(passage.heading + "\n" + passage.text, own));
    for (const text::ByteSpan& span : text::Sentences(passage.text)) {
      if (out.sentences_.size() >= kSentencesMax) break;
      const std::string_view s =
          std::string_view(passage.text).substr(span.begin, span.end - span.begin);
      if (s.size() < kSentenceBytesMin || IsHeadingOrFence(s)) continue;
      Sentence sentence;
      sentence.passage = p;
      sentence.begin = span.begin;
      sentence.end = span.end;
      sentence.terms = ports.analyzer->Analyze(s, own);
      out.sentences_.push_back(std::move(sentence));
    }
  }
  const auto question_terms = ports.analyzer->Analyze(question, language);
  MALMOI_TRY(out.CountFrequencies(ports, question_terms));
  out.ScoreLexical(question_terms);
  if (ports.embedder != nullptr && !out.sentences_.empty()) {
    MALMOI_TRY(out.ScoreDense(ports, question, passages, cancel));
  }
  return out;
}

Status SentenceIndex::CountFrequencies(const Ports& ports,
                                       const std::vector<text::Term>& question) {
  for (const auto& terms : passage_terms_) {
    for (const text::Term& term : terms) ++document_frequency_[term.id];
  }
  document_count_ = static_cast<double>(passage_terms_.size());
  if (ports.store == nullptr) return Ok();
  for (const text::Term& term : question) document_frequency_.try_emplace(term.id, 0);
  std::vector<std::uint32_t> terms;
  for (const auto& [term, count] : document_frequency_) terms.push_back(term);
  MALMOI_TRY(const auto counts, ports.store->CountTerms(kLexicalVector, terms));
  for (std::size_t i = 0; i < terms.size(); ++i) document_frequency_[terms[i]] = counts[i];
  const auto info = ports.store->Info();
  const auto with = info.with_vector.find(kLexicalVector);
  document_count_ = with == info.with_vector.end() ? 0 : static_cast<double>(with->second);
  return Ok();
}

float SentenceIndex::Rarity(std::uint32_t term) const {
  const auto it = document_frequency_.find(term);
  const double df = it == document_frequency_.end() ? 0 : static_cast<double>(it->second);
  const double n = std::max(document_count_, df);
  return static_cast<float>(std::log(1 + (n - df + 0.5) / (df + 0.5)));
}

float SentenceIndex::Covered(const std::vector<text::Term>& wanted,
                             const std::vector<text::Term>& present) const {
  double all = 0;
  double found = 0;
  for (const text::Term& term : wanted) {
    const double weight = Rarity(term.id) * term.weight;
    all += weight;
    const auto it =
        std::lower_bound(present.begin(), present.end(), term.id,
                         [](const text::Term& t, std::uint32_t id) { return t.id < id; });
    if (it != present.end() && it->id == term.id) found += weight;
  }
  return all > 0 ? static_cast<float>(found / all) : 0.0f;
}

float SentenceIndex::Support(const std::vector<text::Term>& claim, const Sentence& sentence) const {
  return Covered(claim, sentence.terms);
}

void SentenceIndex::ScoreLexical(const std::vector<text::Term>& question) {
  for (const auto& terms : passage_terms_) passage_coverage_.push_back(Covered(question, terms));
  for (Sentence& s : sentences_) s.coverage = Covered(question, s.terms);
}

Status SentenceIndex::ScoreDense(const Ports& ports, std::string_view question,
                                 const std::vector<Passage>& passages, const Cancel* cancel) {
  MALMOI_TRY(const auto query,
             ports.embedder->Embed({&question, 1}, embed::Prompt::kQuery, cancel));
  std::vector<std::string_view> texts;
  for (const Sentence& s : sentences_) {
    texts.push_back(std::string_view(passages[s.passage].text).substr(s.begin, s.end - s.begin));
  }
  MALMOI_TRY(const auto rows, ports.embedder->Embed(texts, embed::Prompt::kPassage, cancel));
  const auto q = query.row(0);
  for (std::size_t i = 0; i < sentences_.size(); ++i) {
    const auto row = rows.row(i);
    double dot = 0;
    for (std::size_t d = 0; d < q.size(); ++d) dot += static_cast<double>(q[d]) * row[d];
    sentences_[i].dense = static_cast<float>(dot);
  }
  return Ok();
}

}  // namespace malmoi::rag
