#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "embed/engine.h"
#include "net/server.h"
#include "serve/tei/metrics_internal.h"
#include "serve/tei/server.h"

namespace malmoi::serve::tei {

struct Served {
  std::string model_id;  // As it was asked for.
  std::string name;      // served_model_name.
  std::shared_ptr<embed::Engine> engine;

  bool Classifies() const;  // Classifier or reranker.
};

// What every route works with.
struct Service {
  ServerOptions options;
  std::vector<Served> models = {};
  Metrics metrics = {};

  // The model that a request names. With one model any name will do, as for the tool that this
  // follows; with several an unknown name is an error (kNotFound). Without a name: the first of the
  // kinds wanted, else the first.
  Result<const Served*> Pick(std::string_view name, std::span<const embed::ModelKind> wanted) const;
};

// One request.
struct Context {
  const Service& service;
  const net::Request& request;
  const Cancel& cancel;
  std::int64_t start_ns;
};

using Route = net::Response (*)(const Context& context);

net::Response RouteEmbed(const Context& context);
net::Response RouteEmbedAll(const Context& context);
net::Response RouteEmbedSparse(const Context& context);
net::Response RouteSimilarity(const Context& context);
net::Response RoutePredict(const Context& context);
net::Response RouteRerank(const Context& context);
net::Response RouteTokenize(const Context& context);
net::Response RouteDecode(const Context& context);
net::Response RouteDefault(const Context& context);  // POST / and /invocations.
net::Response RouteVertex(const Context& context);
net::Response RouteOpenAiEmbeddings(const Context& context);
net::Response RouteOpenAiModels(const Context& context);
net::Response RouteRerankV1(const Context& context);
net::Response RouteRerankV2(const Context& context);
net::Response RouteOllamaEmbed(const Context& context);
net::Response RouteOllamaEmbeddings(const Context& context);
net::Response RouteOllamaTags(const Context& context);
net::Response RouteOllamaVersion(const Context& context);
net::Response RouteInfo(const Context& context);
net::Response RouteHealth(const Context& context);
net::Response RouteMetrics(const Context& context);
net::Response RouteDocs(const Context& context);
net::Response RouteOpenApi(const Context& context);

inline constexpr const char* kVersion = "1.9.3";  // Of the interface.

}  // namespace malmoi::serve::tei
