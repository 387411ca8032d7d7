#pragma once

#include "net/server.h"
#include "serve/tei/service.h"

namespace malmoi::serve::tei {

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

}  // namespace malmoi::serve::tei
