// SageMaker's and Vertex's forms of the native routes.
#include <utility>

#include "serve/tei/handlers_internal.h"
#include "serve/tei/infer.h"
#include "serve/tei/routes_internal.h"

namespace malmoi::serve::tei {
namespace {

// An instance of a Vertex request: a rerank request where it can be read as one, else what the
// first model does.
Result<net::Response> Instance(const Context& context, const Body& body, const Node& node) {
  if (auto rerank = ReadRerank(body, node); rerank.ok()) return Rerank(context, rerank.value());
  const Served& served = context.service.models.front();
  if (served.Classifies()) {
    MALMOI_TRY(const auto request, ReadPredict(body, node));
    return Predict(context, request);
  }
  const bool sparse = served.engine->info().kind == embed::ModelKind::kSparse;
  MALMOI_TRY(const auto request,
             ReadEmbed(body, node, sparse ? EmbedForm::kTokensOrSparse : EmbedForm::kPooled));
  return sparse ? EmbedSparse(context, request) : Embed(context, request);
}

// The imitated tool wants TASK=sentence-similarity for it; the hub's client just sends it.
bool AsksSimilarity(const Context& context) {
  const auto body = Body::Parse(context.request.body);
  const Node* inputs = body.ok() ? body.value().root().Find("inputs") : nullptr;
  return inputs != nullptr && inputs->kind == Node::Kind::kObject;
}

}  // namespace

net::Response RouteVertex(const Context& context) {
  auto body = Body::Parse(context.request.body);
  if (!body.ok()) return RejectBody(body.error());
  const auto instances = ReadInstances(body.value(), body.value().root());
  if (!instances.ok()) return RejectBody(instances.error());
  body.value().HidePlaces();
  std::string out = "{\"predictions\":[";
  for (const Node& node : instances.value()->items) {
    auto prediction = Instance(context, body.value(), node);
    if (!prediction.ok()) return NativeError(prediction.error());
    if (out.back() != '[') out += ',';
    out += prediction.value().body;
  }
  return JsonResponse(out + "]}");
}

net::Response RouteDefault(const Context& context) {
  const Served& served = context.service.models.front();
  switch (served.engine->info().kind) {
    case embed::ModelKind::kClassifier:
      return RoutePredict(context);
    case embed::ModelKind::kReranker:
      return RouteRerank(context);
    case embed::ModelKind::kSparse:
      return RouteEmbedSparse(context);
    case embed::ModelKind::kEmbedding:
      break;
  }
  const bool similarity =
      context.service.options.task == "sentence-similarity" || AsksSimilarity(context);
  return similarity ? RouteSimilarity(context) : RouteEmbed(context);
}

}  // namespace malmoi::serve::tei
