#include "serve/tei/server.h"

#include <algorithm>
#include <utility>

#include "base/clock.h"
#include "base/strings.h"
#include "embed/model_store.h"
#include "net/http.h"
#include "obs/log.h"
#include "os/cpu_info.h"
#include "os/vfs.h"
#include "serve/tei/errors_internal.h"
#include "serve/tei/handlers_internal.h"
#include "serve/tei/routes_internal.h"
#include "serve/tei/service.h"

namespace malmoi::serve::tei {
namespace {

// Every admitted request waits on a thread of its own; those past the limit are refused by these.
constexpr std::size_t kSpareThreads = 8;
constexpr std::size_t kThreadsMax = 1024;

struct Entry {
  const char* method;
  const char* path;  // A last "/" stands for all paths below.
  Route route;
  bool open = false;  // Answers without the API key.
};
constexpr Entry kRoutes[] = {
    {"POST", "/embed", RouteEmbed},
    {"POST", "/embed_all", RouteEmbedAll},
    {"POST", "/embed_sparse", RouteEmbedSparse},
    {"POST", "/predict", RoutePredict},
    {"POST", "/rerank", RouteRerank},
    {"POST", "/similarity", RouteSimilarity},
    {"POST", "/tokenize", RouteTokenize},
    {"POST", "/decode", RouteDecode},
    {"GET", "/info", RouteInfo},
    {"POST", "/embeddings", RouteOpenAiEmbeddings},
    {"POST", "/v1/embeddings", RouteOpenAiEmbeddings},
    {"GET", "/v1/models", RouteOpenAiModels},
    {"GET", "/v1/models/", RouteOpenAiModels},
    {"POST", "/v1/rerank", RouteRerankV1},
    {"POST", "/v2/rerank", RouteRerankV2},
    {"POST", "/api/embed", RouteOllamaEmbed},
    {"POST", "/api/embeddings", RouteOllamaEmbeddings},
    {"GET", "/api/tags", RouteOllamaTags},
    {"GET", "/api/version", RouteOllamaVersion},
    {"POST", "/vertex", RouteVertex},
    {"POST", "/invocations", RouteDefault},
    {"POST", "/", RouteDefault},
    {"GET", "/", RouteHealth, true},
    {"GET", "/health", RouteHealth, true},
    {"GET", "/ping", RouteHealth, true},
    {"GET", "/metrics", RouteMetrics, true},
    {"GET", "/docs", RouteDocs, true},
    {"GET", "/docs/", RouteDocs, true},
    {"GET", "/api-doc/openapi.json", RouteOpenApi, true},
};

bool PathFits(std::string_view pattern, std::string_view path) {
  if (pattern.size() > 1 && pattern.back() == '/') return path.starts_with(pattern);
  return path == pattern;
}

// Equal time for any guess of the same length.
bool SameText(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  unsigned char difference = 0;
  for (std::size_t i = 0; i < a.size(); ++i) difference |= static_cast<unsigned char>(a[i] ^ b[i]);
  return difference == 0;
}

// "application/json", "application/ld+json; charset=utf-8".
bool IsJson(std::string_view content_type) {
  const std::string type = AsciiLower(Trim(content_type.substr(0, content_type.find(';'))));
  return type == "application/json" ||
         (type.starts_with("application/") && type.ends_with("+json"));
}

net::Response Refusal(int status, const std::string& message) {
  if (status == 503) return NativeError(Error(Code::kOverloaded, "Model is overloaded"));
  if (status == 413) {
    return PlainText(413, "Failed to buffer the request body: length limit exceeded");
  }
  return PlainText(status, message);
}

class ServerImpl : public Server {
 public:
  explicit ServerImpl(const ServerOptions& options) : service_{.options = options} {
    if (service_.options.tokenization_workers == 0) {
      service_.options.tokenization_workers = std::clamp<std::size_t>(os::UsableCores() - 1, 1, 64);
    }
    const auto& origins = options.cors_allow_origin;
    any_origin_ =
        origins.empty() || std::find(origins.begin(), origins.end(), "*") != origins.end();
  }
  ~ServerImpl() override { Stop(); }

  Status OpenModels() {
    const ServerOptions& o = service_.options;
    if (o.models.empty()) return Error(Code::kInvalidArgument, "no model: give --model-id");
    for (const ModelOptions& model : o.models) {
      MALMOI_TRY(const std::string directory, embed::FindModel(model.id));
      embed::EngineOptions options = {.threads = o.threads,
                                      .batch_tokens_max = o.max_batch_tokens,
                                      .batch_jobs_max = o.max_batch_requests.value_or(0),
                                      .jobs_max = o.max_concurrent_requests,
                                      .auto_truncate = o.auto_truncate,
                                      .pooling = o.pooling,
                                      .dtype = o.dtype,
                                      .default_prompt = o.default_prompt,
                                      .default_prompt_name = o.default_prompt_name};
      options.on_batch = [this](std::size_t jobs, std::size_t tokens, std::size_t) {
        service_.metrics.batch_size.Observe(static_cast<double>(jobs));
        service_.metrics.batch_tokens.Observe(static_cast<double>(tokens));
      };
      MALMOI_TRY(auto engine, embed::Engine::Open(directory, options));
      engines_.push_back(engine);
      service_.models.push_back(
          {model.id, model.served_name.empty() ? model.id : model.served_name, engine});
    }
    return Ok();
  }

  Status Listen() {
    net::ServerOptions options;
    options.host = service_.options.hostname;
    options.port = service_.options.port;
    options.handler_threads =
        std::min(service_.options.max_concurrent_requests + kSpareThreads, kThreadsMax);
    options.queue_max = options.handler_threads;
    options.connections_max = 4096;
    options.body_bytes_max = service_.options.payload_limit;
    options.tls_certificate = service_.options.tls_cert;
    options.tls_key = service_.options.tls_key;
    options.refusal = [this](int status, const std::string& message) {
      if (status == 503) service_.metrics.Failure("overloaded");  // No handler has seen it.
      return Refusal(status, message);
    };
    const auto handler = [this](const net::Request& request, net::Responder& responder) {
      responder.Send(Handle(request, responder.cancel()));
    };
    MALMOI_TRY(server_, net::HttpServer::Start(options, handler));
    if (service_.options.prometheus_port == 0) return Ok();
    options.port = service_.options.prometheus_port;
    options.handler_threads = 1;
    MALMOI_TRY(metrics_server_, net::HttpServer::Start(options, [this](const net::Request& request,
                                                                       net::Responder& responder) {
                 responder.Send(RouteMetrics({{service_, responder.cancel(), 0}, request}));
               }));
    return Ok();
  }

  std::uint16_t port() const override { return server_->port(); }
  const Service& service() const override { return service_; }
  const std::vector<std::shared_ptr<embed::Engine>>& engines() const override { return engines_; }
  void Stop() override {
    if (server_) server_->Stop(service_.options.stop_seconds);
    if (metrics_server_) metrics_server_->Stop(0);
  }

 private:
  net::Response Handle(const net::Request& request, const Cancel& cancel) const {
    const std::int64_t start = MonotonicNs();
    net::Response response =
        request.method == "OPTIONS" ? Preflight() : Dispatch({{service_, cancel, start}, request});
    AddOrigin(request, &response);
    if (response.status >= 500) {
      obs::LogLine(obs::Level::kError, "request_failed")
          .Field("path", request.path)
          .Field("status", response.status);
    }
    return response;
  }

  net::Response Dispatch(const Context& context) const {
    const net::Request& request = context.request;
    std::string allowed;
    for (const Entry& entry : kRoutes) {
      if (!PathFits(entry.path, request.path)) continue;
      if (MethodFits(entry.method, request.method)) return Run(context, entry);
      allowed += (allowed.empty() ? "" : ",") + std::string(entry.method);
      if (allowed == "GET") allowed += ",HEAD";
    }
    const ServerOptions& options = service_.options;
    if (!options.vertex_predict_route.empty() && request.path == options.vertex_predict_route) {
      return Run(context, {"POST", "", RouteVertex});
    }
    if (!options.vertex_health_route.empty() && request.path == options.vertex_health_route) {
      return Run(context, {"GET", "", RouteHealth, true});
    }
    if (allowed.empty()) return PlainText(404, "");
    net::Response response = PlainText(405, "");
    response.headers.emplace_back("Allow", allowed);
    return response;
  }

  static bool MethodFits(std::string_view wanted, std::string_view method) {
    return method == wanted || (method == "HEAD" && wanted == "GET");
  }

  net::Response Run(const Context& context, const Entry& entry) const {
    const net::Headers& headers = context.request.headers;
    const std::string& key = service_.options.api_key;
    if (!key.empty() && !entry.open &&
        !SameText(net::FindHeader(headers, "Authorization"), "Bearer " + key)) {
      net::Response response = PlainText(401, "");
      response.headers.emplace_back("WWW-Authenticate", "Bearer");
      return response;
    }
    if (context.request.method == "POST" && !IsJson(net::FindHeader(headers, "Content-Type"))) {
      return PlainText(415, "Expected request with `Content-Type: application/json`");
    }
    return entry.route(context);
  }

  static net::Response Preflight() {
    net::Response response;
    response.content_type.clear();
    response.headers.emplace_back("access-control-allow-methods", "GET,POST");
    response.headers.emplace_back("access-control-allow-headers", "content-type");
    return response;
  }

  void AddOrigin(const net::Request& request, net::Response* response) const {
    response->headers.emplace_back(
        "vary", "origin, access-control-request-method, access-control-request-headers");
    const std::string_view origin = net::FindHeader(request.headers, "Origin");
    const auto& allowed = service_.options.cors_allow_origin;
    if (any_origin_) {
      response->headers.emplace_back("access-control-allow-origin", "*");
    } else if (std::find(allowed.begin(), allowed.end(), origin) != allowed.end()) {
      response->headers.emplace_back("access-control-allow-origin", origin);
    }
  }

  Service service_;
  std::vector<std::shared_ptr<embed::Engine>> engines_;
  bool any_origin_ = true;
  std::unique_ptr<net::HttpServer> server_, metrics_server_;
};

}  // namespace

bool Served::Classifies() const {
  const embed::ModelKind kind = engine->info().kind;
  return kind == embed::ModelKind::kClassifier || kind == embed::ModelKind::kReranker;
}

Result<const Served*> Service::Pick(std::string_view name,
                                    std::span<const embed::ModelKind> wanted) const {
  for (const Served& served : models) {
    if (!name.empty() && (served.name == name || served.model_id == name)) return &served;
  }
  if (!name.empty() && models.size() > 1) {
    std::string names;
    for (const Served& served : models) names += (names.empty() ? "" : ", ") + served.name;
    return Error(Code::kNotFound, kNoSuchModel + std::string(name) + "; served are " + names);
  }
  for (const embed::ModelKind kind : wanted) {
    for (const Served& served : models) {
      if (served.engine->info().kind == kind) return &served;
    }
  }
  return &models.front();
}

Result<std::unique_ptr<Server>> Server::Start(const ServerOptions& options) {
  auto server = std::make_unique<ServerImpl>(options);
  MALMOI_TRY(server->OpenModels());
  MALMOI_TRY(server->Listen());
  return std::unique_ptr<Server>(std::move(server));
}

}  // namespace malmoi::serve::tei
