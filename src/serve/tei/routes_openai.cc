// /v1/embeddings, /embeddings and /v1/models, and Ollama's /api routes.
#include <utility>

#include "base/clock.h"
#include "json/writer.h"
#include "serve/tei/handlers_internal.h"
#include "serve/tei/infer.h"
#include "serve/tei/routes_internal.h"

namespace malmoi::serve::tei {
namespace {

constexpr embed::ModelKind kDense[] = {embed::ModelKind::kEmbedding};

// Normalised vectors for the routes of other tools.
struct Vectors {
  Outcome outcome;
  const Served* served;
};
struct VectorsRequest {
  std::span<const embed::Input> inputs;
  bool single;
  std::optional<bool> truncate;
  std::optional<std::uint64_t> dimensions;
  std::string_view model;
};
Result<Vectors> EmbedVectors(const Context& context, const VectorsRequest& request) {
  MALMOI_TRY(const Served* served, context.service.Pick(request.model, kDense));
  if (!request.single) MALMOI_TRY(CheckBatch(context, request.inputs.size(), "inputs"));
  if (served->engine->info().kind == embed::ModelKind::kSparse) {
    return WrongModel(context, "`normalize` is not available for SPLADE models");
  }
  if (request.dimensions == 0u) {
    return Invalid(context, Code::kInvalidArgument, "`dimensions` should be positive");
  }
  if (served->Classifies()) return WrongModel(context, "Model is not an embedding model");
  MALMOI_TRY(Outcome outcome, Infer(context, *served, request.inputs,
                                    {.single = request.single, .truncate = request.truncate}));
  MALMOI_TRY(Shape(context, {true, request.dimensions}, &outcome.jobs));
  return Vectors{std::move(outcome), served};
}

void AppendVector(const embed::Job& job, bool base64, std::string* out) {
  if (!base64) {
    AppendFloats(job.values, out);
    return;
  }
  // Little endian, as all machines are that this runs on.
  const char* bytes = reinterpret_cast<const char*>(job.values.data());
  *out += '"' + Base64({bytes, job.values.size() * sizeof(float)}) + '"';
}

Result<net::Response> OpenAiEmbeddings(const Context& context, const OpenAiRequest& request) {
  MALMOI_TRY(const Vectors vectors, EmbedVectors(context, {.inputs = request.input.items,
                                                           .single = request.input.single,
                                                           .truncate = std::nullopt,
                                                           .dimensions = request.dimensions,
                                                           .model = request.model}));
  std::string body = "{\"object\":\"list\",\"data\":[";
  for (std::size_t i = 0; i < vectors.outcome.jobs.size(); ++i) {
    body += i == 0 ? "" : ",";
    body += "{\"object\":\"embedding\",\"embedding\":";
    AppendVector(vectors.outcome.jobs[i], request.base64, &body);
    body += ",\"index\":" + std::to_string(i) + "}";
  }
  const std::string tokens = std::to_string(vectors.outcome.tokens);
  body += "],\"model\":" + json::Quote(vectors.served->name) +
          ",\"usage\":{\"prompt_tokens\":" + tokens + ",\"total_tokens\":" + tokens + "}}";
  return JsonResponse(std::move(body), Finish(context, vectors.outcome, request.input.single));
}

Result<Vectors> OllamaVectors(const Context& context, const OllamaRequest& request) {
  std::vector<embed::Input> inputs;
  for (const std::string_view text : request.input) inputs.push_back({.text = text});
  return EmbedVectors(context, {.inputs = inputs,
                                .single = inputs.size() == 1,
                                .truncate = request.truncate,
                                .dimensions = request.dimensions,
                                .model = request.model});
}

// An empty list is answered with none, as Ollama does.
Result<net::Response> OllamaEmbed(const Context& context, const OllamaRequest& request) {
  std::string body = "{\"model\":" + json::Quote(request.model) + ",\"embeddings\":[";
  if (request.input.empty()) return JsonResponse(body + "]}");
  MALMOI_TRY(const Vectors vectors, OllamaVectors(context, request));
  for (const embed::Job& job : vectors.outcome.jobs) {
    if (body.back() == ']') body += ',';
    AppendFloats(job.values, &body);
  }
  body += "],\"total_duration\":" + std::to_string(MonotonicNs() - context.start_ns) +
          ",\"load_duration\":0,\"prompt_eval_count\":" + std::to_string(vectors.outcome.tokens) +
          "}";
  return JsonResponse(std::move(body), Finish(context, vectors.outcome, false));
}

Result<net::Response> OllamaOld(const Context& context, const OllamaRequest& request) {
  MALMOI_TRY(const Vectors vectors, OllamaVectors(context, request));
  std::string body = "{\"embedding\":";
  AppendFloats(vectors.outcome.jobs.front().values, &body);
  return JsonResponse(std::move(body += '}'), Finish(context, vectors.outcome, true));
}

void PutModel(const Served& served, json::Writer* w) {
  w->BeginObject().Field("id", served.name).Field("object", "model").Field("created", 0);
  w->Field("owned_by", "malmoi").EndObject();
}

}  // namespace

net::Response RouteOpenAiEmbeddings(const Context& context) {
  return Answer(
      context, OpenAiEmbeddings, [](const Body& body) { return ReadOpenAi(body, body.root()); },
      OpenAiError);
}

net::Response RouteOllamaEmbed(const Context& context) {
  return Answer(
      context, OllamaEmbed, [](const Body& body) { return ReadOllama(body, body.root(), "input"); },
      OllamaError);
}

net::Response RouteOllamaEmbeddings(const Context& context) {
  return Answer(
      context, OllamaOld, [](const Body& body) { return ReadOllama(body, body.root(), "prompt"); },
      OllamaError);
}

// The list, or one model by name: /v1/models/ORG/NAME.
net::Response RouteOpenAiModels(const Context& context) {
  constexpr std::string_view kList = "/v1/models";
  json::Writer w;
  const std::string& path = context.request.path;
  if (path.size() > kList.size() + 1) {
    const std::string name = path.substr(kList.size() + 1);
    for (const Served& served : context.service.models) {
      if (served.name != name) continue;
      PutModel(served, &w);
      return JsonResponse(std::move(w).Take());
    }
    return NoSuchModel(Error(Code::kNotFound, kNoSuchModel + name));
  }
  w.BeginObject().Field("object", "list").Key("data").BeginArray();
  for (const Served& served : context.service.models) PutModel(served, &w);
  w.EndArray().EndObject();
  return JsonResponse(std::move(w).Take());
}

net::Response RouteOllamaTags(const Context& context) {
  json::Writer w;
  w.BeginObject().Key("models").BeginArray();
  for (const Served& served : context.service.models) {
    w.BeginObject().Field("name", served.name).Field("model", served.name).EndObject();
  }
  w.EndArray().EndObject();
  return JsonResponse(std::move(w).Take());
}

net::Response RouteOllamaVersion(const Context&) {
  return JsonResponse("{\"version\":\"0.0.0-malmoi\"}");
}

}  // namespace malmoi::serve::tei
