// Extractive answers: the sentences of the retrieved passages that answer best, as they stand.
#include <algorithm>
#include <cmath>

#include "base/strings.h"
#include "base/utf8.h"
#include "rag/answer.h"
#include "rag/refusal_internal.h"
#include "rag/sentence_index_internal.h"

namespace malmoi::rag {
namespace {

// Weights of a sentence's score, each part scaled to 0..1 over the question's sentences: what the
// sentence means, what words of the question it has, and how good its passage is.
constexpr float kDenseWeight = 0.5f;
constexpr float kCoverageWeight = 0.2f;
constexpr float kPassageWeight = 0.3f;
// Further sentences are quoted while they score at least this share of the best one.
constexpr float kFurtherShare = 0.8f;
// A quote takes in the sentences that follow it while it is at most this wide; Hangul, Han and Kana
// count two columns, since they say more.
constexpr std::size_t kQuoteColumns = 400;

// A question in a document (of an FAQ, a heading) is no answer, what follows it is.
bool IsQuestion(const Sentence& sentence, const std::vector<Passage>& passages) {
  const std::string_view text = passages[sentence.passage].text;
  const std::string_view s = text.substr(sentence.begin, sentence.end - sentence.begin);
  return s.ends_with('?') || s.ends_with("\uFF1F");  // The second: full-width, of CJK.
}
bool HasNext(const std::vector<Sentence>& sentences, std::size_t i) {
  return i + 1 < sentences.size() && sentences[i + 1].passage == sentences[i].passage;
}

struct Scale {
  float low = 0;
  float width = 0;
  float operator()(float v) const { return width > 0 ? (v - low) / width : 0; }
};

template <class F>
Scale ScaleOf(const std::vector<Sentence>& sentences, F value) {
  float low = value(sentences[0]);
  float high = low;
  for (const Sentence& s : sentences) {
    low = std::min(low, value(s));
    high = std::max(high, value(s));
  }
  return {low, high - low};
}

// A question is worth what it and its answer are worth: alone, questions are like each other
// whatever they ask.
void ScoreQuestions(const std::vector<Passage>& passages, std::vector<Sentence>* sentences) {
  for (std::size_t i = 0; i < sentences->size(); ++i) {
    if (!IsQuestion((*sentences)[i], passages) || !HasNext(*sentences, i)) continue;
    const Sentence& answer = (*sentences)[i + 1];
    Sentence& question = (*sentences)[i];
    question.dense = (question.dense + answer.dense) / 2;
    question.coverage = std::max(question.coverage, answer.coverage);
  }
}

// Indices of the sentences, best first.
std::vector<std::size_t> Rank(std::vector<Sentence>* sentences,
                              const std::vector<Passage>& passages) {
  const auto dense = [](const Sentence& s) { return s.dense; };
  const auto coverage = [](const Sentence& s) { return s.coverage; };
  const auto passage = [&](const Sentence& s) { return passages[s.passage].score; };
  ScoreQuestions(passages, sentences);
  const Scale dense_scale = ScaleOf(*sentences, dense);
  const Scale coverage_scale = ScaleOf(*sentences, coverage);
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < sentences->size(); ++i) {
    Sentence& s = (*sentences)[i];
    s.score = kDenseWeight * dense_scale(s.dense) + kCoverageWeight * coverage_scale(s.coverage) +
              kPassageWeight * passage(s);
    order.push_back(i);
  }
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return (*sentences)[a].score > (*sentences)[b].score;
  });
  return order;
}

std::size_t Columns(std::string_view text) {
  std::size_t columns = 0;
  for (std::size_t at = 0; at < text.size();) {
    const Rune rune = DecodeRune(text, at);
    at += rune.size;
    columns += rune.value >= 0x1100 ? 2 : 1;
  }
  return columns;
}

// Rows of tables and items of lists say one thing each.
bool IsRowOrItem(std::string_view s) {
  return s.starts_with('|') || s.starts_with("- ") || s.starts_with("* ") || s.starts_with("+ ");
}

// Where the quote of sentence i ends: it takes in the sentences behind it in the same paragraph
// while it stays short, since an answer often runs on. With a question goes what follows it.
std::uint64_t QuoteEnd(const std::vector<Sentence>& sentences, std::size_t i,
                       const std::vector<Passage>& passages) {
  const std::string_view passage = passages[sentences[i].passage].text;
  const std::uint64_t begin = sentences[i].begin;
  std::uint64_t end = sentences[i].end;
  if (IsRowOrItem(passage.substr(begin))) return end;
  std::size_t first = i + 1;
  if (IsQuestion(sentences[i], passages) && HasNext(sentences, i)) end = sentences[first++].end;
  for (std::size_t k = first; k < sentences.size(); ++k) {
    const Sentence& next = sentences[k];
    if (next.passage != sentences[i].passage || IsRowOrItem(passage.substr(next.begin))) break;
    if (passage.substr(end, next.begin - end).find("\n\n") != std::string_view::npos) break;
    if (Columns(passage.substr(begin, next.end - begin)) > kQuoteColumns) break;
    end = next.end;
  }
  return end;
}

Citation Quote(const std::vector<Sentence>& sentences, std::size_t i,
               const std::vector<Passage>& passages) {
  const Passage& passage = passages[sentences[i].passage];
  const std::uint64_t begin = sentences[i].begin;
  const std::uint64_t end = QuoteEnd(sentences, i, passages);
  Citation c;
  c.root = passage.root;
  c.path = passage.path;
  c.version = passage.version;
  c.start = passage.start + begin;
  c.end = passage.start + end;
  c.quote = passage.text.substr(begin, end - begin);
  c.page = passage.page;
  const auto newlines = std::count(passage.text.begin(),
                                   passage.text.begin() + static_cast<std::ptrdiff_t>(begin), '\n');
  c.line = passage.line == 0 ? 0 : passage.line + static_cast<std::uint32_t>(newlines);
  return c;
}

bool Overlaps(const Citation& a, const Citation& b) {
  return a.root == b.root && a.path == b.path && a.start < b.end && b.start < a.end;
}

// One line of prose for reading; the quote keeps the bytes.
std::string OneLine(std::string_view quote) {
  std::string out;
  bool space = false;
  for (const char c : quote) {
    if (c == '\n' || c == '\r' || c == '\t' || c == ' ') {
      space = !out.empty();
      continue;
    }
    if (space) out += ' ';
    space = false;
    out += c;
  }
  return out;
}

}  // namespace

double EvidenceOf(const SentenceIndex& index, const std::vector<Passage>& passages,
                  bool same_language) {
  if (passages.empty()) return 0;
  float coverage = 0;
  for (std::size_t i = 0; i < passages.size() && i < 3; ++i) {
    coverage = std::max(coverage, index.PassageCoverage(i));
  }
  float best_dense = 0;
  float best_coverage = 0;
  for (const Sentence& s : index.sentences()) {
    best_dense = std::max(best_dense, s.dense);
    best_coverage = std::max(best_coverage, s.coverage);
  }
  // Without a model, or where words can tell: coverage. Across languages words tell nothing.
  const double words = 0.5 * coverage + 0.5 * best_coverage;
  if (best_dense <= 0) return words;
  // multilingual-e5 crowds cosines into 0.7 to 0.95; other models spread wider. The map is monotone
  // for both: 0 at 0.6 and 1 at 1.
  const double meaning = std::clamp((best_dense - 0.6) / 0.4, 0.0, 1.0);
  return same_language ? 0.5 * words + 0.5 * meaning : meaning;
}

Result<Answer> AnswerExtractive(const Ports& ports, std::string_view question,
                                const std::vector<Passage>& passages, const AnswerOptions& options,
                                const std::function<bool(std::string_view)>& on_text,
                                const Cancel* cancel) {
  Answer out;
  out.question = question;
  out.generator = "extractive";
  MALMOI_TRY(const SentenceIndex index,
             SentenceIndex::Build(ports, question, passages, options.question_language, cancel));
  out.evidence = EvidenceOf(index, passages, SameLanguage(passages, options.question_language));
  if (index.sentences().empty() || out.evidence < LeastEvidence(options)) {
    out.abstained = true;
    out.text = RefusalText(options.question_language);
    if (on_text) on_text(out.text);
    return out;
  }
  std::vector<Sentence> sentences = index.sentences();
  const auto order = Rank(&sentences, passages);
  const float enough = sentences[order[0]].score * kFurtherShare;
  for (const std::size_t i : order) {
    if (out.citations.size() >= options.citations_max || sentences[i].score < enough) break;
    if (IsQuestion(sentences[i], passages) && !HasNext(sentences, i)) continue;
    Citation c = Quote(sentences, i, passages);
    const bool seen = std::any_of(out.citations.begin(), out.citations.end(), [&](const auto& d) {
      return Overlaps(c, d) || c.quote == d.quote;
    });
    if (seen) continue;
    c.n = static_cast<std::uint32_t>(out.citations.size() + 1);
    const std::string piece =
        (out.text.empty() ? "" : "\n") + OneLine(c.quote) + " [" + std::to_string(c.n) + "]";
    out.text += piece;
    out.citations.push_back(std::move(c));
    if (on_text && !on_text(piece)) return Error(Code::kCancelled, "the reader went away");
  }
  return out;
}

}  // namespace malmoi::rag
