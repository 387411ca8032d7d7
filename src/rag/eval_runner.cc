#include "rag/eval_runner.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <set>

#include "base/clock.h"
#include "base/strings.h"
#include "ingest/document.h"
#include "json/value.h"
#include "json/writer.h"
#include "rag/collection_settings.h"
#include "rag/lexical.h"

namespace malmoi::rag {
namespace {

using ProgressFn = std::function<void(const char*, std::uint64_t, std::uint64_t)>;

constexpr std::size_t kWriteBatch = 1000;
constexpr std::size_t kEmbedBatch = 256;
constexpr std::size_t kRunDepth = 100;    // recall@100 needs no more.
constexpr std::size_t kChunkDepth = 400;  // Chunks asked for, so that 100 documents remain.

// One thing to index: a whole document, or a chunk of one.
struct Unit {
  const BeirSet::Text* document = nullptr;
  std::uint64_t begin = 0, end = 0;
  std::string_view text() const {
    return std::string_view(document->text).substr(begin, end - begin);
  }
};

std::vector<Unit> MakeUnits(const BeirSet& set, bool chunked) {
  std::vector<Unit> out;
  for (const auto& document : set.corpus) {
    if (!chunked) {
      out.push_back({&document, 0, document.text.size()});
      continue;
    }
    ingest::Document parsed;
    parsed.text = document.text;
    parsed.format = "text";
    for (const auto& chunk : ingest::ChunkDocument(parsed)) {
      out.push_back({&document, chunk.begin, chunk.end});
    }
  }
  return out;
}

text::Language MajorityLanguage(const BeirSet& set) {
  std::map<text::Language, std::size_t> votes;
  const std::size_t step = std::max<std::size_t>(1, set.corpus.size() / 500);
  for (std::size_t i = 0; i < set.corpus.size(); i += step) {
    ++votes[text::DetectLanguage(set.corpus[i].title + "\n" + set.corpus[i].text)];
  }
  const auto best = std::max_element(
      votes.begin(), votes.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  return best == votes.end() ? text::Language::kOther : best->first;
}

std::string Payload(const Unit& unit) {
  json::Writer w;
  w.BeginObject().Field("doc", unit.document->id).Field("title", unit.document->title);
  w.Field("text", unit.text()).Field("start", unit.begin).Field("end", unit.end);
  w.EndObject();
  return std::move(w).Take();
}

std::string DenseText(const Unit& unit) {
  return unit.document->title.empty() ? std::string(unit.text())
                                      : unit.document->title + "\n" + std::string(unit.text());
}

// The collection's name holds everything that decides its contents.
std::string CollectionName(const BeirSet& set, const Ports& ports, bool chunked) {
  Sha256 hash;
  for (const auto& document : set.corpus) {
    for (const std::string* part : {&document.id, &document.title, &document.text}) {
      hash.Update(std::to_string(part->size()) + ":");
      hash.Update(*part);
    }
  }
  hash.Update(ports.analyzer->fingerprint());
  hash.Update(ports.embedder ? ports.embedder->fingerprint() : "none");
  hash.Update(chunked ? "chunked" : "whole");
  std::string name;
  for (const char c : set.name) {
    name += std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '-';
  }
  return "eval-" + name.substr(0, 64) + "-" + hash.HexDigest().substr(0, 24);
}

Status AddLexical(const std::vector<Unit>& units, const Ports& ports, text::Language language,
                  const ProgressFn& progress, vec::Collection* store) {
  const Bm25 bm25;
  std::vector<LexicalTerms> analyzed;
  double length = 0;
  for (std::size_t i = 0; i < units.size(); ++i) {
    analyzed.push_back(
        AnalyzePassage(*ports.analyzer, units[i].document->title, units[i].text(), language, bm25));
    length += analyzed.back().length;
    if (progress && i % 64 == 0) progress("analyse", i, units.size());
  }
  const double average = AverageLengthBucket(length / static_cast<double>(units.size()));
  std::vector<vec::Point> points;
  for (std::size_t i = 0; i < units.size(); ++i) {
    vec::Point point;
    point.id = static_cast<std::uint64_t>(i);
    point.payload = Payload(units[i]);
    vec::SparseVector v = PassageVector(analyzed[i], average, bm25);
    if (!v.indices.empty()) point.vectors.sparse[kLexicalVector] = std::move(v);
    points.push_back(std::move(point));
    if (points.size() == kWriteBatch || i + 1 == units.size()) {
      MALMOI_TRY(store->Upsert(points));
      points.clear();
    }
  }
  return Ok();
}

Status AddDense(const std::vector<Unit>& units, const Ports& ports, const ProgressFn& progress,
                const Cancel* cancel, vec::Collection* store) {
  for (std::size_t begin = 0; begin < units.size(); begin += kEmbedBatch) {
    const std::size_t end = std::min(units.size(), begin + kEmbedBatch);
    std::vector<std::string> texts;
    for (std::size_t i = begin; i < end; ++i) texts.push_back(DenseText(units[i]));
    const std::vector<std::string_view> views(texts.begin(), texts.end());
    MALMOI_TRY(const auto rows, ports.embedder->Embed(views, embed::Prompt::kPassage, cancel));
    std::vector<vec::Collection::VectorUpdate> updates;
    for (std::size_t i = begin; i < end; ++i) {
      vec::Collection::VectorUpdate update;
      update.id = static_cast<std::uint64_t>(i);
      const auto row = rows.row(i - begin);
      update.vectors.dense[kDenseVector].assign(row.begin(), row.end());
      updates.push_back(std::move(update));
    }
    MALMOI_TRY(store->UpdateVectors(updates));
    if (progress) progress("embed", end, units.size());
  }
  return Ok();
}

// Finds the cached collection or makes it; an index that was not finished is made anew.
Result<std::shared_ptr<vec::Collection>> OpenIndex(const BeirSet& set, const Ports& ports,
                                                   vec::Database& database, bool chunked,
                                                   text::Language language,
                                                   const ProgressFn& progress, const Cancel* cancel,
                                                   bool* cached) {
  const std::string name = CollectionName(set, ports, chunked);
  auto found = database.Get(name);
  if (found.ok()) {
    MALMOI_TRY(const json::Value metadata, json::Parse(found.value()->config().metadata));
    *cached = metadata.GetBool("complete");
    if (*cached) return found;
    MALMOI_TRY(database.Drop(name));
  }
  vec::CollectionConfig config;
  config.sparse[kLexicalVector].idf = true;
  if (ports.embedder) {
    config.dense[kDenseVector].dim = static_cast<std::uint32_t>(ports.embedder->dim());
    config.settings = StoreSettings(ports.embedder->dim());
  }
  MALMOI_TRY(auto store, database.Create(name, config));
  const auto units = MakeUnits(set, chunked);
  if (units.empty()) return Error(Code::kInvalidArgument, "the corpus is empty");
  MALMOI_TRY(AddLexical(units, ports, language, progress, store.get()));
  if (ports.embedder) MALMOI_TRY(AddDense(units, ports, progress, cancel, store.get()));
  MALMOI_TRY(store->SetMetadata(R"({"complete":true})"));
  MALMOI_TRY(store->Checkpoint());
  return store;
}

// A document's score is its best chunk's.
std::vector<std::pair<std::string, double>> ByDocument(const std::vector<Candidate>& candidates) {
  std::vector<std::pair<std::string, double>> out;
  std::set<std::string> seen;
  for (const Candidate& c : candidates) {
    const auto payload = json::Parse(c.payload);
    if (!payload.ok()) continue;
    std::string id(payload.value().GetString("doc"));
    if (seen.insert(id).second && out.size() < kRunDepth) out.emplace_back(std::move(id), c.fused);
  }
  return out;
}

ModeReport Summarize(const Qrels& qrels, const Run& run, std::vector<double> latencies) {
  std::vector<double> columns[5];
  for (const auto& [query, m] : Evaluate(qrels, run)) {
    const double values[] = {m.ndcg_10, m.mrr_10, m.map, m.recall_10, m.recall_100};
    for (int i = 0; i < 5; ++i) columns[i].push_back(values[i]);
  }
  ModeReport out;
  Interval* fields[] = {&out.ndcg_10, &out.mrr_10, &out.map, &out.recall_10, &out.recall_100};
  for (int i = 0; i < 5; ++i) *fields[i] = Bootstrap(columns[i]);
  std::sort(latencies.begin(), latencies.end());
  if (!latencies.empty()) {
    out.p50_ms = latencies[latencies.size() / 2];
    out.p99_ms = latencies[latencies.size() * 99 / 100];
  }
  return out;
}

RetrieveOptions OptionsFor(const EvalOptions& options, SearchMode mode, text::Language corpus) {
  RetrieveOptions out;
  out.mode = mode;
  out.fusion = options.fusion;
  out.dense_share = options.dense_share;
  out.corpus_language = corpus;
  out.top = options.chunked ? kChunkDepth : kRunDepth;
  out.candidates = out.top;
  return out;
}

std::vector<Passage> ToPassages(const std::vector<Candidate>& candidates, std::size_t most,
                                const std::map<std::string, int>* without) {
  std::vector<Passage> out;
  for (const Candidate& c : candidates) {
    if (out.size() == most) break;
    const auto payload = json::Parse(c.payload);
    if (!payload.ok()) continue;
    Passage p;
    p.path = payload.value().GetString("doc");
    if (without != nullptr && without->count(p.path) > 0) continue;
    p.heading = payload.value().GetString("title");
    p.text = payload.value().GetString("text");
    p.start = static_cast<std::uint64_t>(payload.value().GetInt("start"));
    p.end = static_cast<std::uint64_t>(payload.value().GetInt("end"));
    p.score = c.fused;
    p.dense = c.dense;
    p.lexical = c.lexical;
    out.push_back(std::move(p));
  }
  return out;
}

bool HoldsAnswer(const Answer& answer, const std::vector<std::string>& gold) {
  if (answer.abstained || answer.citations.empty()) return false;
  return std::any_of(gold.begin(), gold.end(), [&](const std::string& g) {
    return answer.citations[0].quote.find(g) != std::string::npos;
  });
}

// The gold documents are taken out of the ranked list, which equals an index without them up to
// the rarity of terms.
Result<AnswerReport> MeasureAnswers(const BeirSet& set, const Ports& ports,
                                    const EvalOptions& options, text::Language corpus,
                                    const ProgressFn& progress, const Cancel* cancel) {
  constexpr std::size_t kPassages = 8;
  AnswerReport out;
  RetrieveOptions retrieve =
      OptionsFor(options, ports.embedder ? SearchMode::kHybrid : SearchMode::kLexical, corpus);
  retrieve.top = 3 * kPassages;
  retrieve.candidates = kRunDepth;
  AnswerOptions answer_options;
  answer_options.evidence_min = options.evidence_min;
  std::uint64_t answered = 0, gold = 0, without = 0;
  for (const auto& query : set.queries) {
    if (query.answers.empty()) continue;
    ++out.questions;
    MALMOI_TRY(const Retrieval found, Retrieve(ports, query.text, retrieve, cancel));
    answer_options.question_language = found.query_language;
    for (const bool removed : {false, true}) {
      const auto passages =
          ToPassages(found.candidates, kPassages, removed ? &set.qrels.at(query.id) : nullptr);
      MALMOI_TRY(const Answer answer,
                 AnswerExtractive(ports, query.text, passages, answer_options, nullptr, cancel));
      (removed ? out.evidence_without : out.evidence_with).push_back(answer.evidence);
      if (removed) {
        without += !answer.abstained;
      } else {
        answered += !answer.abstained;
        gold += HoldsAnswer(answer, query.answers);
      }
    }
    if (progress) progress("answers", out.questions, set.queries.size());
  }
  const auto n = static_cast<double>(std::max<std::uint64_t>(out.questions, 1));
  out.answered = static_cast<double>(answered) / n;
  out.gold_in_first = static_cast<double>(gold) / n;
  out.answered_without = static_cast<double>(without) / n;
  return out;
}

}  // namespace

Result<EvalReport> RunEval(const BeirSet& set, const Ports& given, vec::Database& database,
                           const EvalOptions& options, const ProgressFn& progress,
                           const Cancel* cancel) {
  EvalReport out;
  out.set = set.name;
  out.model = given.embedder ? given.embedder->id() : "none";
  out.documents = set.corpus.size();
  out.queries = set.queries.size();
  out.corpus_language = MajorityLanguage(set);
  Ports ports = given;
  const std::int64_t start = MonotonicNs();
  MALMOI_TRY(ports.store, OpenIndex(set, ports, database, options.chunked, out.corpus_language,
                                    progress, cancel, &out.index_cached));
  out.index_seconds = SecondsSince(start);
  for (const SearchMode mode : options.modes) {
    const RetrieveOptions retrieve = OptionsFor(options, mode, out.corpus_language);
    Run run;
    std::vector<double> latencies;
    for (const auto& query : set.queries) {
      const std::int64_t begin = MonotonicNs();
      MALMOI_TRY(const Retrieval found, Retrieve(ports, query.text, retrieve, cancel));
      latencies.push_back(SecondsSince(begin) * 1e3);
      run[query.id] = ByDocument(found.candidates);
      if (progress) progress(ModeName(mode).data(), latencies.size(), set.queries.size());
    }
    out.modes[std::string(ModeName(mode))] = Summarize(set.qrels, run, std::move(latencies));
  }
  if (options.answers) {
    MALMOI_TRY(out.answer,
               MeasureAnswers(set, ports, options, out.corpus_language, progress, cancel));
  }
  return out;
}

}  // namespace malmoi::rag
