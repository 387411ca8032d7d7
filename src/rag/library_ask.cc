#include <algorithm>
#include <optional>
#include <utility>

#include "rag/library_impl_internal.h"

namespace malmoi::rag {
namespace {

// Passages that an answer is made from: more add noise, fewer lose answers.
constexpr std::size_t kAnswerPassages = 8;

bool Holds(std::string_view text, const Citation& citation) {
  return citation.start <= citation.end && citation.end <= text.size() &&
         text.substr(citation.start, citation.end - citation.start) == citation.quote;
}

}  // namespace

Result<Answer> LibraryImpl::Ask(const std::string& collection, std::string_view question,
                                const AskOptions& options,
                                const std::function<bool(std::string_view)>& on_text,
                                const Cancel* cancel) {
  RetrieveOptions retrieve = options.retrieve;
  retrieve.top = std::min(retrieve.top, kAnswerPassages);
  MALMOI_TRY(const Found found, RetrieveHits(collection, question, retrieve, cancel));
  std::vector<Passage> passages;
  for (const SearchHit& hit : found.hits) passages.push_back(hit.passage);
  AnswerOptions how = options.answer;
  how.question_language = found.retrieval.query_language;
  const bool generated = found.ports.generator != nullptr && !options.extractive;
  auto made = generated ? AnswerGenerated(found.ports, question, passages, how, on_text, cancel)
                        : AnswerExtractive(found.ports, question, passages, how, on_text, cancel);
  MALMOI_TRY(Answer answer, std::move(made));

  // Citations of one answer often share their document: it is read once.
  std::string version;
  std::string text;
  const DocumentText text_of = [&](const Citation& citation) -> Result<std::string> {
    if (citation.version == version) return text;
    MALMOI_TRY(const auto row, catalog_->FindVersion(citation.version));
    if (!row || row->collection != collection) {
      return Error(Code::kNotFound, "'" + citation.path + "' is no longer indexed in this version");
    }
    MALMOI_TRY(auto document, ReadContent(*row));
    version = citation.version;
    text = std::move(document.text);
    return text;
  };
  MALMOI_TRY(VerifyCitations(text_of, &answer));
  return answer;
}

Result<std::vector<CitationCheck>> LibraryImpl::Verify(const std::string& collection,
                                                       const Answer& answer) {
  MALMOI_TRY(Find(collection));
  std::vector<CitationCheck> checks;
  for (const Citation& citation : answer.citations) {
    CitationCheck check{citation, false, {}};
    MALMOI_TRY(const auto row, FindRow(collection, citation.root, citation.path));
    if (!row) {
      check.reason = "no longer indexed";
    } else if (row->version.empty()) {
      check.reason = "the file can no longer be read: " + row->error;
    } else {
      MALMOI_TRY(const auto document, ReadContent(*row));
      check.holds = Holds(document.text, citation);
      // A saved answer may come without versions; the text alone decides whether it holds.
      const bool changed = !citation.version.empty() && citation.version != row->version;
      if (!check.holds) {
        check.reason =
            changed ? "the file has changed since" : "the quote does not stand at the cited place";
      }
    }
    check.citation.verified = check.holds;
    checks.push_back(std::move(check));
  }
  return checks;
}

}  // namespace malmoi::rag
