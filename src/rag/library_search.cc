#include <algorithm>
#include <set>
#include <utility>

#include "base/clock.h"
#include "base/strings.h"
#include "rag/chunk_point.h"
#include "rag/library_impl_internal.h"

namespace malmoi::rag {
namespace {

// The hits that a reader may see. A file replaced while the store was asked may appear in its old
// version, its new one or both: the old one stands in only where the new one is missing, so that no
// document vanishes from a search because it changed.
Result<std::vector<SearchHit>> CurrentHits(const Retrieval& retrieval,
                                           const OpenCollection::Versions& before,
                                           const OpenCollection::Versions& after, std::size_t top) {
  std::vector<SearchHit> hits;
  std::set<std::pair<std::string, std::string>> renewed;
  for (const Candidate& candidate : retrieval.candidates) {
    MALMOI_TRY(StoredChunk chunk, ChunkFromPayload(candidate.payload));
    SearchHit hit;
    hit.passage = std::move(chunk.passage);
    hit.passage.score = candidate.fused;
    hit.passage.dense = hit.dense = candidate.has_dense ? candidate.dense : 0;
    hit.passage.lexical = hit.lexical = candidate.has_lexical ? candidate.lexical : 0;
    hit.has_dense = candidate.has_dense;
    hit.has_lexical = candidate.has_lexical;
    const bool current = Contains(after, hit.passage.version);
    if (!current && !Contains(before, hit.passage.version)) continue;
    if (current && &before != &after) renewed.emplace(hit.passage.root, hit.passage.path);
    hits.push_back(std::move(hit));
  }
  std::erase_if(hits, [&](const SearchHit& hit) {
    return !Contains(after, hit.passage.version) &&
           renewed.count({hit.passage.root, hit.passage.path}) != 0;
  });
  if (hits.size() > top) hits.resize(top);
  return hits;
}

// The parts of a fingerprint, "NAME DETAIL; ...", that the other one lacks, in short.
std::string Differing(std::string_view fingerprint, std::string_view other) {
  constexpr std::size_t kShown = 24;
  std::string out;
  for (const std::string_view part : Split(fingerprint, ';')) {
    const std::string_view name = Trim(part);
    // Details of the one before begin with a digit.
    if (name.empty() || (name[0] >= '0' && name[0] <= '9')) continue;
    if (other.find(part) != std::string_view::npos) continue;
    out += (out.empty() ? "'" : ", '") + std::string(name.substr(0, kShown)) + "'";
  }
  return out.empty() ? "none" : out;
}

}  // namespace

// The collection's model, if this library has it. Hybrid search does without, dense search gives
// Retrieve's error.
Status LibraryImpl::AddEmbedder(const CollectionSettings& settings, const std::string& collection,
                                Found* found) {
  if (found->options.mode == SearchMode::kLexical || settings.model_fingerprint.empty()) {
    return Ok();
  }
  auto embedder = GetEmbedder();
  if (!embedder.ok()) {
    if (embedder.error().code() != Code::kNotFound) return std::move(embedder.error());
    if (found->options.mode == SearchMode::kDense) {
      return Error(Code::kUnavailable, embedder.error().message());
    }
    return Ok();
  }
  if (embedder.value() == nullptr) return Ok();
  if (embedder.value()->fingerprint() != settings.model_fingerprint) {
    return Error(Code::kInvalidArgument,
                 "collection '" + collection + "' was indexed with model '" + settings.model +
                     "' (" + settings.model_fingerprint + "), this library has '" +
                     embedder.value()->id() + "' (" + embedder.value()->fingerprint() +
                     "); use --model " + settings.model + ", or index again: malmoi index FOLDER" +
                     " --collection " + collection + " --model " + embedder.value()->id());
  }
  found->ports.embedder = embedder.value();
  return Ok();
}

Result<LibraryImpl::Found> LibraryImpl::RetrieveHits(const std::string& collection,
                                                     std::string_view query,
                                                     const RetrieveOptions& options,
                                                     const Cancel* cancel) {
  MALMOI_TRY(const auto open, Find(collection));
  Found found;
  found.options = options;
  const CollectionSettings settings = open->settings();
  MALMOI_TRY(found.ports.analyzer, GetAnalyzer());
  if (options.mode != SearchMode::kDense &&
      settings.analyzer != found.ports.analyzer->fingerprint()) {
    return Error(
        Code::kInvalidArgument,
        "collection '" + collection + "' was analysed with other rules or dictionaries (" +
            Differing(settings.analyzer, found.ports.analyzer->fingerprint()) + " there, " +
            Differing(found.ports.analyzer->fingerprint(), settings.analyzer) +
            " here); index its folders again: malmoi index FOLDER --collection " + collection);
  }
  MALMOI_TRY(AddEmbedder(settings, collection, &found));
  MALMOI_TRY(const auto totals, open->Totals(*catalog_));
  found.vectors_complete = totals.chunks == totals.chunks_with_vectors;
  // Without a single vector the dense leg has nothing to say.
  if (found.options.mode == SearchMode::kHybrid && totals.chunks_with_vectors == 0 &&
      open->store()->Info().with_vector[kDenseVector] == 0) {
    found.ports.embedder = nullptr;
  }
  if (found.options.mode == SearchMode::kHybrid && found.ports.embedder == nullptr) {
    found.options.mode = SearchMode::kLexical;
  }
  found.ports.store = open->store();
  found.ports.generator = options_.generator;
  found.options.corpus_language = MajorityLanguage(totals);
  RetrieveOptions wider = found.options;
  // While files are being replaced, some candidates may be of versions that are not current.
  if (settings.indexing) wider.top = options.top * 2;
  const auto before = open->current();
  MALMOI_TRY(found.retrieval, Retrieve(found.ports, query, wider, cancel));
  const auto after = open->current();
  MALMOI_TRY(found.hits, CurrentHits(found.retrieval, *before, *after, options.top));
  return found;
}

Result<SearchReport> LibraryImpl::Search(const std::string& collection, std::string_view query,
                                         const RetrieveOptions& options, const Cancel* cancel) {
  const std::int64_t start = MonotonicNs();
  MALMOI_TRY(Found found, RetrieveHits(collection, query, options, cancel));
  SearchReport report;
  report.query = query;
  report.mode = ModeName(found.options.mode);
  report.hits = std::move(found.hits);
  report.dense_share = found.ports.embedder == nullptr ? 0 : found.retrieval.dense_share;
  report.vectors_complete = found.vectors_complete;
  report.seconds = SecondsSince(start);
  return report;
}

}  // namespace malmoi::rag
