// /embed, /embed_all, /embed_sparse and /similarity.
#include <cmath>
#include <utility>

#include "serve/tei/errors_internal.h"
#include "serve/tei/handlers_internal.h"
#include "serve/tei/infer.h"
#include "serve/tei/routes_internal.h"

namespace malmoi::serve::tei {
namespace {

constexpr embed::ModelKind kDense[] = {embed::ModelKind::kEmbedding};
constexpr embed::ModelKind kSparse[] = {embed::ModelKind::kSparse};

bool IsSparse(const Served& served) {
  return served.engine->info().kind == embed::ModelKind::kSparse;
}

Wish WishOf(const EmbedRequest& request, embed::Output output) {
  return {.single = request.inputs.single,
          .truncate = request.truncate,
          .cut_left = request.cut_left,
          .prompt_name = request.prompt_name,
          .output = output};
}

Result<Outcome> Run(const Context& context, const Served& served, const EmbedRequest& request,
                    embed::Output output) {
  if (!request.inputs.single) {
    MALMOI_TRY(CheckBatch(context, request.inputs.items.size(), "inputs"));
  }
  if (served.Classifies()) return WrongModel(context, "Model is not an embedding model");
  return Infer(context, served, request.inputs.items, WishOf(request, output));
}

void AppendSparse(const embed::Job& job, std::string* out) {
  *out += '[';
  for (const embed::SparseWeight& weight : job.sparse) {
    if (weight.value == 0) continue;
    if (out->back() != '[') *out += ',';
    *out += "{\"index\":" + std::to_string(weight.index) + ",\"value\":";
    const std::size_t at = out->size();
    AppendFloats(std::span(&weight.value, 1), out);
    out->erase(at, 1);  // Its brackets.
    out->back() = '}';
  }
  *out += ']';
}

}  // namespace

Result<net::Response> Embed(const Context& context, const EmbedRequest& request) {
  MALMOI_TRY(const Served* served, context.service.Pick(request.model, kDense));
  if (!request.inputs.single) {
    MALMOI_TRY(CheckBatch(context, request.inputs.items.size(), "inputs"));
  }
  if (IsSparse(*served) && request.normalize) {
    return WrongModel(context, "`normalize` is not available for SPLADE models");
  }
  if (request.dimensions == 0u) {
    return Invalid(context, Code::kInvalidArgument, "`dimensions` should be positive");
  }
  MALMOI_TRY(Outcome outcome, Run(context, *served, request, embed::Output::kPooled));
  MALMOI_TRY(Shape(context, {request.normalize, request.dimensions}, &outcome.jobs));
  std::string body = "[";
  for (const embed::Job& job : outcome.jobs) {
    if (body.size() > 1) body += ',';
    AppendFloats(job.values, &body);
  }
  return JsonResponse(std::move(body += ']'), Finish(context, outcome, request.inputs.single));
}

Result<net::Response> EmbedAll(const Context& context, const EmbedRequest& request) {
  MALMOI_TRY(const Served* served, context.service.Pick(request.model, kDense));
  if (IsSparse(*served)) {
    return WrongModel(context, "`embed_all` is not available for SPLADE models");
  }
  MALMOI_TRY(const Outcome outcome, Run(context, *served, request, embed::Output::kTokens));
  std::string body = "[";
  for (const embed::Job& job : outcome.jobs) {
    body += body.size() > 1 ? ",[" : "[";
    const std::span<const float> values(job.values);
    for (std::size_t at = 0; at < values.size(); at += job.width) {
      if (at > 0) body += ',';
      AppendFloats(values.subspan(at, job.width), &body);
    }
    body += ']';
  }
  return JsonResponse(std::move(body += ']'), Finish(context, outcome, request.inputs.single));
}

Result<net::Response> EmbedSparse(const Context& context, const EmbedRequest& request) {
  MALMOI_TRY(const Served* served, context.service.Pick(request.model, kSparse));
  if (!served->engine->info().has_sparse) {
    return WrongModel(context, "Model is not an embedding model with SPLADE pooling");
  }
  MALMOI_TRY(const Outcome outcome, Run(context, *served, request, embed::Output::kSparse));
  std::string body = "[";
  for (const embed::Job& job : outcome.jobs) {
    if (body.size() > 1) body += ',';
    AppendSparse(job, &body);
  }
  return JsonResponse(std::move(body += ']'), Finish(context, outcome, request.inputs.single));
}

Result<net::Response> Similarity(const Context& context, const SimilarityRequest& request) {
  if (request.sentences.empty()) {
    context.service.metrics.Failure("validation");
    return Error(Code::kNotFound, "`inputs.sentences` cannot be empty");
  }
  MALMOI_TRY(CheckBatch(context, request.sentences.size() + 1, "inputs"));
  EmbedRequest embed;
  embed.inputs.items.push_back({.text = request.source});
  for (const std::string_view text : request.sentences) {
    embed.inputs.items.push_back({.text = text});
  }
  embed.truncate = request.truncate;
  embed.cut_left = request.cut_left;
  embed.prompt_name = request.prompt_name;
  MALMOI_TRY(const Served* served, context.service.Pick(request.model, kDense));
  MALMOI_TRY(const Outcome outcome, Run(context, *served, embed, embed::Output::kPooled));
  const auto dot = [](std::span<const float> a, std::span<const float> b) {
    double sum = 0;
    for (std::size_t i = 0; i < a.size(); ++i) sum += static_cast<double>(a[i]) * b[i];
    return sum;
  };
  const std::span<const float> source(outcome.jobs.front().values);
  std::vector<float> cosines;
  for (std::size_t i = 1; i < outcome.jobs.size(); ++i) {
    const std::span<const float> other(outcome.jobs[i].values);
    const double lengths = std::sqrt(dot(source, source)) * std::sqrt(dot(other, other));
    cosines.push_back(static_cast<float>(dot(source, other) / lengths));
  }
  std::string body;
  AppendFloats(cosines, &body);
  return JsonResponse(std::move(body), Finish(context, outcome, false));
}

net::Response RouteEmbed(const Context& context) {
  return Answer(context, Embed,
                [](const Body& body) { return ReadEmbed(body, body.root(), EmbedForm::kPooled); });
}

net::Response RouteEmbedAll(const Context& context) {
  return Answer(context, EmbedAll, [](const Body& body) {
    return ReadEmbed(body, body.root(), EmbedForm::kTokensOrSparse);
  });
}

net::Response RouteEmbedSparse(const Context& context) {
  return Answer(context, EmbedSparse, [](const Body& body) {
    return ReadEmbed(body, body.root(), EmbedForm::kTokensOrSparse);
  });
}

net::Response RouteSimilarity(const Context& context) {
  return Answer(context, Similarity,
                [](const Body& body) { return ReadSimilarity(body, body.root()); });
}

}  // namespace malmoi::serve::tei
