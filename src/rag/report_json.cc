#include <utility>

#include "json/writer.h"
#include "rag/library.h"

namespace malmoi::rag {
namespace {

// Formats without pages have no page number: null, not 0.
void PutPage(json::Writer* w, std::uint32_t page) {
  w->Key("page");
  if (page == 0) {
    w->PutNull();
  } else {
    w->Put(page);
  }
}

void PutScore(json::Writer* w, const char* name, bool has, float score) {
  w->Key(name);
  if (has) {
    w->Put(score);
  } else {
    w->PutNull();
  }
}

void PutHit(json::Writer* w, const SearchHit& hit) {
  const Passage& p = hit.passage;
  w->BeginObject();
  w->Field("path", p.path).Field("root", p.root);
  w->Field("start", p.start).Field("end", p.end);
  PutPage(w, p.page);
  w->Field("line", p.line).Field("score", p.score);
  w->Key("scores").BeginObject();
  w->Field("fused", p.score);
  PutScore(w, "dense", hit.has_dense, hit.dense);
  PutScore(w, "lexical", hit.has_lexical, hit.lexical);
  w->EndObject();
  w->Field("title", p.title).Field("heading", p.heading).Field("text", p.text);
  w->Field("version", p.version);
  w->EndObject();
}

}  // namespace

std::string ToJson(const IndexReport& report) {
  json::Writer w;
  w.BeginObject();
  w.Field("collection", report.collection).Field("root", report.root);
  w.Field("files", report.files).Field("added", report.added).Field("changed", report.changed);
  w.Field("unchanged", report.unchanged).Field("removed", report.removed);
  w.Field("failed", report.failed).Field("chunks", report.chunks);
  w.Field("vectors_added", report.vectors_added);
  w.Field("vectors_complete", report.vectors_complete).Field("note", report.note);
  w.Field("seconds", report.seconds);
  w.Key("failures").BeginArray();
  for (const auto& failure : report.failures) {
    w.BeginObject();
    w.Field("path", failure.path).Field("code", failure.code).Field("reason", failure.reason);
    w.EndObject();
  }
  w.EndArray().EndObject();
  return std::move(w).Take();
}

std::string ToJson(const SearchReport& report) {
  json::Writer w;
  w.BeginObject();
  // The first hit's folder; each hit names its own, since a collection may hold several.
  w.Field("root", report.hits.empty() ? "" : report.hits[0].passage.root);
  w.Field("query", report.query).Field("mode", report.mode);
  w.Field("vectors_complete", report.vectors_complete).Field("dense_share", report.dense_share);
  w.Field("seconds", report.seconds);
  w.Key("hits").BeginArray();
  for (const SearchHit& hit : report.hits) PutHit(&w, hit);
  w.EndArray().EndObject();
  return std::move(w).Take();
}

std::string ToJson(const CollectionStatus& status) {
  json::Writer w;
  w.BeginObject();
  w.Field("name", status.name).Field("model", status.model);
  w.Field("model_fingerprint", status.model_fingerprint);
  w.Key("roots").BeginArray();
  for (const std::string& root : status.roots) w.Put(root);
  w.EndArray();
  const catalog::CollectionTotals& totals = status.totals;
  w.Field("documents", totals.documents).Field("failed", totals.failed);
  w.Field("chunks", totals.chunks).Field("chunks_with_vectors", totals.chunks_with_vectors);
  w.Field("vectors_complete", totals.chunks == totals.chunks_with_vectors);
  w.Key("languages").BeginObject();
  for (const auto& [language, chunks] : totals.languages) w.Field(language, chunks);
  w.EndObject();
  w.Field("points", status.points).Field("disk_bytes", status.disk_bytes);
  w.Field("average_length", status.average_length);
  w.EndObject();
  return std::move(w).Take();
}

std::string ToJson(const std::vector<CitationCheck>& checks) {
  json::Writer w;
  bool all = true;
  w.BeginObject();
  w.Key("citations").BeginArray();
  for (const CitationCheck& check : checks) {
    const Citation& c = check.citation;
    all = all && check.holds;
    w.BeginObject();
    w.Field("n", c.n).Field("path", c.path).Field("root", c.root);
    w.Field("start", c.start).Field("end", c.end);
    PutPage(&w, c.page);
    w.Field("line", c.line).Field("quote", c.quote);
    w.Field("holds", check.holds).Field("reason", check.reason);
    w.EndObject();
  }
  w.EndArray();
  w.Field("all_hold", all);
  w.EndObject();
  return std::move(w).Take();
}

}  // namespace malmoi::rag
