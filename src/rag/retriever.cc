#include "rag/retriever.h"

#include <algorithm>
#include <map>
#include <utility>

#include "base/clock.h"
#include "rag/lexical.h"
#include "text/language.h"

namespace malmoi::rag {
namespace {

using CandidateMap = std::map<vec::PointId, Candidate>;

// The legs of one question as store queries. Either may be missing.
struct Legs {
  std::vector<float> dense;
  vec::SparseVector lexical;
  bool has_dense = false;
  bool has_lexical = false;
};

void AddHits(vec::QueryOutcome& outcome, bool dense, CandidateMap* candidates) {
  for (vec::Hit& hit : outcome.hits) {
    Candidate& c = (*candidates)[hit.id];
    c.id = hit.id;
    (dense ? c.dense : c.lexical) = hit.score;
    (dense ? c.has_dense : c.has_lexical) = true;
    if (!hit.payload.empty()) c.payload = std::move(hit.payload);
  }
}

// Whether the dense leg compares the question with every vector.
bool IsExact(const vec::Collection& store) {
  const auto info = store.Info();
  const auto with = info.with_vector.find(kDenseVector);
  return with == info.with_vector.end() || with->second <= kExactVectors;
}

vec::VectorQuery LegQuery(const Legs& legs, bool dense, std::size_t limit,
                          const vec::Filter* filter, bool with_payload) {
  vec::VectorQuery query;
  query.using_vector = dense ? kDenseVector : kLexicalVector;
  if (dense) {
    query.vector = legs.dense;
  } else {
    query.vector = legs.lexical;
  }
  query.limit = limit;
  query.filter = filter;
  query.with_payload = with_payload;
  return query;
}

// Payloads come with the hits, out of one snapshot: read afterwards, those of a document replaced
// in between would be gone.
Status RunLegs(const vec::Collection& store, const Legs& legs, std::size_t limit,
               const vec::Filter* filter, const Cancel* cancel, CandidateMap* candidates) {
  std::vector<vec::VectorQuery> queries;
  if (legs.has_dense) {
    queries.push_back(LegQuery(legs, true, limit, filter, true));
    queries.back().params.exact = IsExact(store);
  }
  if (legs.has_lexical) queries.push_back(LegQuery(legs, false, limit, filter, true));
  if (queries.empty()) return Ok();
  MALMOI_TRY(auto outcomes, store.QueryBatch(queries, cancel));
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    AddHits(outcomes[i], queries[i].using_vector == kDenseVector, candidates);
  }
  return Ok();
}

// Scores, in each leg, the candidates that only the other leg found.
Status CompleteScores(const vec::Collection& store, const Legs& legs, const Cancel* cancel,
                      CandidateMap* candidates) {
  if (!legs.has_dense || !legs.has_lexical) return Ok();
  vec::HasId without_dense;
  vec::HasId without_lexical;
  for (const auto& [id, c] : *candidates) {
    if (!c.has_dense) without_dense.ids.push_back(id);
    if (!c.has_lexical) without_lexical.ids.push_back(id);
  }
  const std::size_t counts[2] = {without_dense.ids.size(), without_lexical.ids.size()};
  vec::Filter filters[2];
  filters[0].must.push_back({std::move(without_dense)});
  filters[1].must.push_back({std::move(without_lexical)});
  std::vector<vec::VectorQuery> queries;
  for (const int leg : {0, 1}) {
    if (counts[leg] == 0) continue;
    queries.push_back(LegQuery(legs, leg == 0, counts[leg], &filters[leg], false));
    queries.back().params.exact = true;  // Each of them, not most.
  }
  if (queries.empty()) return Ok();
  MALMOI_TRY(auto outcomes, store.QueryBatch(queries, cancel));
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    AddHits(outcomes[i], queries[i].using_vector == kDenseVector, candidates);
  }
  return Ok();
}

Result<Legs> MakeLegs(const Ports& ports, std::string_view query, const RetrieveOptions& options,
                      text::Language language, const Cancel* cancel) {
  Legs legs;
  if (options.mode != SearchMode::kLexical) {
    if (ports.embedder == nullptr && options.mode == SearchMode::kDense) {
      return Error(Code::kUnavailable,
                   "dense search needs an embedding model and none is configured; run: malmoi "
                   "models list");
    }
    if (ports.embedder != nullptr) {
      MALMOI_TRY(const auto rows,
                 ports.embedder->Embed({&query, 1}, embed::Prompt::kQuery, cancel));
      const auto row = rows.row(0);
      legs.dense.assign(row.begin(), row.end());
      legs.has_dense = true;
    }
  }
  if (options.mode != SearchMode::kDense) {
    legs.lexical = QueryVector(*ports.analyzer, query, language);
    legs.has_lexical = !legs.lexical.indices.empty();
  }
  return legs;
}

FusionMethod MethodFor(const RetrieveOptions& options, const Legs& legs) {
  if (options.mode == SearchMode::kDense || !legs.has_lexical) return FusionMethod::kDense;
  if (options.mode == SearchMode::kLexical || !legs.has_dense) return FusionMethod::kLexical;
  return options.fusion;
}

}  // namespace

Result<SearchMode> ParseMode(std::string_view name) {
  for (const SearchMode mode : {SearchMode::kHybrid, SearchMode::kDense, SearchMode::kLexical}) {
    if (name == ModeName(mode)) return mode;
  }
  return Error(Code::kInvalidArgument,
               "unknown mode '" + std::string(name) + "': use hybrid, dense or lexical");
}

std::string_view ModeName(SearchMode mode) {
  switch (mode) {
    case SearchMode::kHybrid:
      return "hybrid";
    case SearchMode::kDense:
      return "dense";
    case SearchMode::kLexical:
      return "lexical";
  }
  return "hybrid";
}

Result<Retrieval> Retrieve(const Ports& ports, std::string_view query,
                           const RetrieveOptions& options, const Cancel* cancel) {
  Retrieval out;
  out.query_language = text::DetectLanguage(query, options.corpus_language);
  out.dense_share =
      options.dense_share.value_or(DenseShare(out.query_language, options.corpus_language));

  const std::int64_t start = MonotonicNs();
  MALMOI_TRY(const Legs legs, MakeLegs(ports, query, options, out.query_language, cancel));
  out.embed_seconds = SecondsSince(start);

  const std::int64_t search_start = MonotonicNs();
  const std::size_t limit = std::max(options.candidates, options.top);
  CandidateMap found;
  MALMOI_TRY(RunLegs(*ports.store, legs, limit, options.filter, cancel, &found));
  const FusionMethod method = MethodFor(options, legs);
  if (method != FusionMethod::kRrf) {
    MALMOI_TRY(CompleteScores(*ports.store, legs, cancel, &found));
  }
  for (auto& [id, candidate] : found) {
    out.dense_used = out.dense_used || candidate.has_dense;
    out.candidates.push_back(std::move(candidate));
  }
  Fuse(method, out.dense_share, &out.candidates);
  if (out.candidates.size() > options.top) out.candidates.resize(options.top);
  out.search_seconds = SecondsSince(search_start);
  return out;
}

}  // namespace malmoi::rag
