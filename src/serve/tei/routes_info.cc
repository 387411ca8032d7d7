// /info, /health, /metrics and the documentation.
#include <utility>

#include "json/writer.h"
#include "serve/tei/handlers_internal.h"
#include "serve/tei/infer.h"
#include "serve/tei/openapi_internal.h"
#include "serve/tei/routes_internal.h"

namespace malmoi::serve::tei {
namespace {

void PutLabels(const embed::EngineInfo& info, json::Writer* w) {
  w->Key("id2label").BeginObject();
  for (std::size_t i = 0; i < info.labels.size(); ++i) {
    w->Field(std::to_string(i), info.labels[i]);
  }
  w->EndObject().Key("label2id").BeginObject();
  for (const auto& [label, id] : info.label_ids) w->Field(label, id);
  w->EndObject();
}

void PutModelType(const embed::EngineInfo& info, json::Writer* w) {
  w->Key("model_type").BeginObject();
  switch (info.kind) {
    case embed::ModelKind::kEmbedding:
    case embed::ModelKind::kSparse:
      w->Key("embedding").BeginObject().Field("pooling", info.pooling).EndObject();
      break;
    case embed::ModelKind::kClassifier:
    case embed::ModelKind::kReranker:
      w->Key(info.kind == embed::ModelKind::kReranker ? "reranker" : "classifier").BeginObject();
      PutLabels(info, w);
      w->EndObject();
      break;
  }
  w->EndObject();
}

void PutInfo(const Service& service, const Served& served, json::Writer* w) {
  const ServerOptions& options = service.options;
  const embed::EngineInfo& info = served.engine->info();
  w->BeginObject().Field("model_id", served.model_id).Key("model_sha");
  options.revision.empty() ? w->PutNull() : w->Put(options.revision);
  w->Field("model_dtype", info.dtype).Field("served_model_name", served.name);
  PutModelType(info, w);
  w->Field("max_concurrent_requests", options.max_concurrent_requests);
  w->Field("max_input_length", info.max_tokens);
  w->Field("max_batch_tokens", options.max_batch_tokens).Key("max_batch_requests");
  options.max_batch_requests ? w->Put(*options.max_batch_requests) : w->PutNull();
  w->Field("max_client_batch_size", options.max_client_batch_size);
  w->Field("auto_truncate", options.auto_truncate);
  w->Field("tokenization_workers", options.tokenization_workers);
  w->Field("version", kVersion).Key("sha").PutNull().Key("docker_label").PutNull();
  w->EndObject();
}

}  // namespace

// ?model=NAME for one of several models; the first without.
net::Response RouteInfo(const Context& context) {
  const std::string name = context.request.Parameter("model").value_or("");
  const auto served = context.service.Pick(name, {});
  if (!served.ok()) return NoSuchModel(served.error());
  json::Writer w;
  PutInfo(context.service, *served.value(), &w);
  return JsonResponse(std::move(w).Take());
}

net::Response RouteHealth(const Context&) {
  net::Response response;
  response.content_type.clear();
  return response;
}

net::Response RouteMetrics(const Context& context) {
  std::size_t waiting = 0;
  for (const Served& served : context.service.models) waiting += served.engine->waiting();
  context.service.metrics.queue_size.Set(static_cast<std::int64_t>(waiting));
  net::Response response;
  response.content_type = "text/plain; version=0.0.4";
  response.body = obs::Metrics().Expose();
  return response;
}

net::Response RouteOpenApi(const Context&) {
  return JsonResponse(std::string(OpenApiDocument()));
}

net::Response RouteDocs(const Context&) {
  net::Response response;
  response.content_type = "text/html; charset=utf-8";
  response.body = DocsPage();
  return response;
}

}  // namespace malmoi::serve::tei
