#include "serve/app.h"

#include <algorithm>

#include "base/clock.h"
#include "base/strings.h"
#include "net/http.h"
#include "obs/log.h"
#include "obs/metrics.h"
#include "serve/router_internal.h"

namespace malmoi::serve {
namespace {

struct Entry {
  const char* method;
  const char* path;
  Route route;
  bool open;  // Answers without the API key: nothing of the documents is in it.
};
constexpr Entry kRoutes[] = {
    {"GET", "/healthz", RouteHealth, true},
    {"GET", "/metrics", RouteMetrics, false},
    {"POST", "/api/search", RouteSearch, false},
    {"POST", "/api/ask", RouteAsk, false},
    {"POST", "/api/index", RouteIndex, false},
    {"POST", "/api/verify", RouteVerify, false},
    {"GET", "/api/status", RouteStatus, false},
    {"GET", "/api/collections", RouteCollections, false},
    {"GET", "/api/document", RouteDocument, false},
    {"POST", "/v1/chat/completions", RouteChat, false},
    {"GET", "/v1/models", RouteModels, false},
    {"GET", "/", RoutePage, true},
    {"GET", "/icon.svg", RoutePage, true},
    {"GET", "/app.js", RoutePage, true},
    {"GET", "/style.css", RoutePage, true},
};

bool IsLoopback(std::string_view host) {
  return host == "localhost" || host == "::1" || host.starts_with("127.");
}

// "127.0.0.1" of "127.0.0.1:7700", "::1" of "[::1]:7700".
std::string_view HostName(std::string_view authority) {
  if (authority.starts_with('[')) {
    return authority.substr(1, std::min(authority.find(']'), authority.size()) - 1);
  }
  return authority.substr(0, authority.find(':'));
}

// Equal time for any guess of the same length.
bool SameKey(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  unsigned char difference = 0;
  for (std::size_t i = 0; i < a.size(); ++i) difference |= static_cast<unsigned char>(a[i] ^ b[i]);
  return difference == 0;
}

class AppImpl : public App {
 public:
  AppImpl(rag::Library& library, const AppOptions& options) : services_{library, options} {}

  Status Listen() {
    net::ServerOptions options;
    options.host = services_.options.host;
    options.port = services_.options.port;
    MALMOI_TRY(server_,
               net::HttpServer::Start(options, [this](const net::Request& request,
                                                      net::Responder& r) { Handle(request, r); }));
    return Ok();
  }
  std::uint16_t port() const override { return server_->port(); }
  void Stop() override { server_->Stop(services_.options.stop_seconds); }

 private:
  // A page of another site that the person visits must not reach a server without a key: neither
  // under a name that was pointed here (Host), nor by a request across origins (Origin).
  Status CheckOrigin(const net::Request& request) const {
    const std::string_view host = net::FindHeader(request.headers, "Host");
    const std::string_view origin = net::FindHeader(request.headers, "Origin");
    if (services_.options.api_key.empty() && !IsLoopback(HostName(host))) {
      return Error(Code::kPermissionDenied, "host '" + std::string(host) +
                                                "' is not a loopback name; serve with --api-key "
                                                "to be reached under other names");
    }
    if (!origin.empty() && origin != "http://" + std::string(host) &&
        origin != "https://" + std::string(host) && services_.options.api_key.empty()) {
      return Error(Code::kPermissionDenied,
                   "requests from the page at '" + std::string(origin) + "' need an API key");
    }
    return Ok();
  }
  Status CheckKey(const net::Request& request) const {
    const std::string& key = services_.options.api_key;
    if (key.empty()) return Ok();
    const std::string_view header = net::FindHeader(request.headers, "Authorization");
    if (header.starts_with("Bearer ") && SameKey(header.substr(7), key)) return Ok();
    return Error(Code::kPermissionDenied, "send the API key as 'Authorization: Bearer KEY'");
  }

  static const Entry* FindRoute(const net::Request& request, bool* path_known) {
    for (const Entry& entry : kRoutes) {
      if (request.path != entry.path) continue;
      *path_known = true;
      const bool head = request.method == "HEAD" && std::string_view(entry.method) == "GET";
      if (request.method == entry.method || head) return &entry;
    }
    return nullptr;
  }

  void Handle(const net::Request& request, net::Responder& responder) {
    const std::int64_t start = MonotonicNs();
    bool path_known = false;
    const Entry* entry = FindRoute(request, &path_known);
    const Status status = [&]() -> Status {
      MALMOI_TRY(CheckOrigin(request));
      if (entry == nullptr) {
        return Error(path_known ? Code::kInvalidArgument : Code::kNotFound,
                     request.method + " " + request.path +
                         (path_known ? ": wrong method" : ": no such route"));
      }
      if (!entry->open) MALMOI_TRY(CheckKey(request));
      return entry->route(services_, request, responder);
    }();
    if (!status.ok()) SendError(request, status.error(), responder);
    const char* name = entry == nullptr ? "unknown" : entry->path;
    Count(name, status.ok() ? 200 : HttpStatus(status.error().code()), SecondsSince(start));
  }

  static void SendError(const net::Request& request, const Error& error,
                        net::Responder& responder) {
    net::Response response;
    response.status = HttpStatus(error.code());
    response.body = request.path.starts_with("/v1/") ? OpenAiErrorBody(error) : ApiErrorBody(error);
    if (response.status == 429 || response.status == 503) {
      response.headers.emplace_back("Retry-After", "1");
    }
    if (response.status >= 500) {
      obs::LogLine(obs::Level::kError, "request_failed")
          .Field("path", request.path)
          .Field("error", error.message());
    }
    responder.Send(response);
  }

  static void Count(const char* route, int status, double seconds) {
    const std::string label = "route=\"" + std::string(route) + "\"";
    obs::Metrics()
        .GetCounter("malmoi_http_requests_total", "Requests answered.",
                    label + ",status=\"" + std::to_string(status) + "\"")
        .Add();
    obs::Metrics()
        .GetHistogram("malmoi_http_request_seconds", "Time to the end of the answer.",
                      obs::LatencyBounds(), label)
        .Observe(seconds);
  }

  Services services_;
  std::unique_ptr<net::HttpServer> server_;
};

}  // namespace

std::string CollectionOf(const Services& services, const std::string& named) {
  return named.empty() ? services.options.collection : named;
}

Result<json::Value> JsonBody(const net::Request& request) {
  return json::Parse(request.body).With("request body");
}

Result<std::unique_ptr<App>> App::Start(rag::Library& library, const AppOptions& options) {
  if (!IsLoopback(options.host) && options.api_key.empty()) {
    return Error(Code::kInvalidArgument,
                 "host '" + options.host +
                     "' is reachable from other machines: serve it with --api-key KEY, or use "
                     "127.0.0.1");
  }
  auto app = std::make_unique<AppImpl>(library, options);
  MALMOI_TRY(app->Listen());
  return std::unique_ptr<App>(std::move(app));
}

}  // namespace malmoi::serve
