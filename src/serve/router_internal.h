#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "json/value.h"
#include "net/server.h"
#include "rag/library.h"
#include "serve/app.h"

namespace malmoi::serve {

// What every route works with.
struct Services {
  rag::Library& library;
  AppOptions options;
};

// A route answers through the responder, or returns an error, which its API's table turns into a
// body. After the answer has begun, errors must be sent in the stream instead.
using Route = Status (*)(const Services& services, const net::Request& request,
                         net::Responder& responder);

// malmoi's own API.
Status RouteSearch(const Services&, const net::Request&, net::Responder&);
Status RouteAsk(const Services&, const net::Request&, net::Responder&);
Status RouteIndex(const Services&, const net::Request&, net::Responder&);
Status RouteVerify(const Services&, const net::Request&, net::Responder&);
Status RouteStatus(const Services&, const net::Request&, net::Responder&);
Status RouteCollections(const Services&, const net::Request&, net::Responder&);
Status RouteDocument(const Services&, const net::Request&, net::Responder&);
Status RouteHealth(const Services&, const net::Request&, net::Responder&);
Status RouteMetrics(const Services&, const net::Request&, net::Responder&);
// The OpenAI-compatible API.
Status RouteChat(const Services&, const net::Request&, net::Responder&);
Status RouteModels(const Services&, const net::Request&, net::Responder&);
// The page and its files.
Status RoutePage(const Services&, const net::Request&, net::Responder&);

// The only tables from error codes to HTTP.
int HttpStatus(Code code);
std::string ApiErrorBody(const Error& error);
std::string OpenAiErrorBody(const Error& error);

// The collection that a request names, or the default one.
std::string CollectionOf(const Services& services, const std::string& named);
// The request's body as JSON. Errors: kInvalidArgument.
Result<json::Value> JsonBody(const net::Request& request);

}  // namespace malmoi::serve
