// /predict, /rerank, and the rerank routes of Cohere and Jina.
#include <algorithm>
#include <cmath>
#include <utility>

#include "base/hash.h"
#include "json/writer.h"
#include "serve/tei/handlers_internal.h"
#include "serve/tei/infer.h"
#include "serve/tei/routes_internal.h"
#include "serve/tei/scores.h"

namespace malmoi::serve::tei {
namespace {

constexpr embed::ModelKind kRerankers[] = {embed::ModelKind::kReranker};
constexpr embed::ModelKind kClassifiers[] = {embed::ModelKind::kClassifier,
                                             embed::ModelKind::kReranker};

void PutScore(float value, json::Writer* w) {
  std::string text;
  AppendFloats(std::span(&value, 1), &text);
  w->Key("score").PutRaw(std::string_view(text).substr(1, text.size() - 2));
}

void PutPredictions(const Served& served, std::span<const float> scores, json::Writer* w) {
  const std::vector<std::string>& labels = served.engine->info().labels;
  w->BeginArray();
  for (const Score& score : Sorted(scores)) {
    w->BeginObject();
    PutScore(score.value, w);
    w->Field("label", score.index < labels.size() ? labels[score.index]
                                                  : "LABEL_" + std::to_string(score.index));
    w->EndObject();
  }
  w->EndArray();
}

struct Ranking {
  std::vector<Score> ranks;
  Outcome outcome;
  const Served* served;
};

Result<Ranking> Rank(const Context& context, const RerankRequest& request) {
  if (request.texts.empty()) {
    context.service.metrics.Failure("validation");
    return Error(Code::kNotFound, "`texts` cannot be empty");
  }
  MALMOI_TRY(const Served* served, context.service.Pick(request.model, kRerankers));
  if (served->engine->info().kind != embed::ModelKind::kReranker) {
    return WrongModel(context, "model is not a re-ranker model");
  }
  MALMOI_TRY(CheckBatch(context, request.texts.size(), "texts"));
  std::vector<embed::Input> inputs;
  for (const std::string_view text : request.texts) {
    inputs.push_back({.text = request.query, .second = text});
  }
  MALMOI_TRY(Outcome outcome, Infer(context, *served, inputs,
                                    {.truncate = request.truncate,
                                     .cut_left = request.cut_left,
                                     .output = embed::Output::kScores}));
  std::vector<float> scores;
  for (embed::Job& job : outcome.jobs) {
    MALMOI_TRY(CheckNumbers(job.values));
    scores.push_back(request.raw_scores ? job.values.front() : Sigmoid(job.values.front()));
  }
  return Ranking{Sorted(scores), std::move(outcome), served};
}

// The answer of Cohere's and Jina's routes. `version`: 1 has documents unless they are not wanted.
Result<net::Response> RerankDocuments(const Context& context, const DocumentRerankRequest& request,
                                      int version) {
  const RerankRequest rerank = {
      .query = request.query, .texts = request.documents, .model = request.model};
  MALMOI_TRY(const Ranking ranking, Rank(context, rerank));
  const std::size_t top = static_cast<std::size_t>(
      std::min<std::uint64_t>(request.top_n.value_or(UINT64_MAX), ranking.ranks.size()));
  const bool with_text = request.return_documents.value_or(version == 1);
  json::Writer w;
  w.BeginObject();
  w.Field(
      "id",
      "rerank-" + Sha256Hex(context.request.body + std::to_string(context.start_ns)).substr(0, 32));
  w.Field("object", "list").Field("model", ranking.served->name).Key("results").BeginArray();
  for (const Score& rank : std::span(ranking.ranks).first(top)) {
    w.BeginObject().Field("index", rank.index).Field("relevance_score", rank.value);
    if (with_text) {
      w.Key("document").BeginObject().Field("text", request.documents[rank.index]).EndObject();
    }
    w.EndObject();
  }
  w.EndArray().Key("usage").BeginObject();
  w.Field("prompt_tokens", ranking.outcome.tokens).Field("total_tokens", ranking.outcome.tokens);
  w.EndObject().Key("meta").BeginObject().Key("api_version").BeginObject();
  w.Field("version", std::to_string(version)).EndObject();
  w.Key("billed_units").BeginObject().Field("search_units", 1).EndObject();
  w.EndObject().EndObject();
  return JsonResponse(std::move(w).Take(), Finish(context, ranking.outcome, false));
}

}  // namespace

Result<net::Response> Predict(const Context& context, const PredictRequest& request) {
  MALMOI_TRY(const Served* served, context.service.Pick(request.model, kClassifiers));
  if (!request.inputs.single) {
    MALMOI_TRY(CheckBatch(context, request.inputs.items.size(), "inputs"));
  }
  if (!served->Classifies()) return WrongModel(context, "Model is not a classifier model");
  MALMOI_TRY(Outcome outcome, Infer(context, *served, request.inputs.items,
                                    {.single = request.inputs.single,
                                     .truncate = request.truncate,
                                     .cut_left = request.cut_left,
                                     .output = embed::Output::kScores}));
  json::Writer w;
  if (!request.inputs.single) w.BeginArray();
  for (embed::Job& job : outcome.jobs) {
    if (!request.raw_scores) Squash(&job.values);
    MALMOI_TRY(CheckNumbers(job.values));
    PutPredictions(*served, job.values, &w);
  }
  if (!request.inputs.single) w.EndArray();
  return JsonResponse(std::move(w).Take(), Finish(context, outcome, request.inputs.single));
}

Result<net::Response> Rerank(const Context& context, const RerankRequest& request) {
  MALMOI_TRY(const Ranking ranking, Rank(context, request));
  json::Writer w;
  w.BeginArray();
  for (const Score& rank : ranking.ranks) {
    w.BeginObject().Field("index", rank.index);
    if (request.return_text) w.Field("text", request.texts[rank.index]);
    PutScore(rank.value, &w);
    w.EndObject();
  }
  w.EndArray();
  return JsonResponse(std::move(w).Take(), Finish(context, ranking.outcome, false));
}

net::Response RoutePredict(const Context& context) {
  return Answer(context, Predict, [](const Body& body) { return ReadPredict(body, body.root()); });
}

net::Response RouteRerank(const Context& context) {
  return Answer(context, Rerank, [](const Body& body) { return ReadRerank(body, body.root()); });
}

net::Response RouteRerankV1(const Context& context) {
  return Answer(
      context,
      [](const Context& c, const DocumentRerankRequest& r) { return RerankDocuments(c, r, 1); },
      [](const Body& body) { return ReadDocumentRerank(body, body.root()); }, OpenAiError);
}

net::Response RouteRerankV2(const Context& context) {
  return Answer(
      context,
      [](const Context& c, const DocumentRerankRequest& r) { return RerankDocuments(c, r, 2); },
      [](const Body& body) { return ReadDocumentRerank(body, body.root()); }, OpenAiError);
}

}  // namespace malmoi::serve::tei
