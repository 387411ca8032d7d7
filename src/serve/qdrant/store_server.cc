#include "serve/qdrant/store_server.h"

#include <algorithm>
#include <chrono>
#include <ctime>

#include "base/strings.h"
#include "os/vfs.h"
#include "serve/qdrant/store_front_internal.h"

namespace malmoi::serve {
namespace {

using json::Writer;

constexpr std::uint64_t kBodyMax = 512ull << 20;  // Uploads of snapshots are held in memory.
constexpr std::size_t kFileChunk = 256 << 10;
constexpr std::size_t kShownBodyMax = 1 << 20;  // Of a slow request; a larger one is told by size.

double Now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

struct Pattern {
  RouteEntry entry;
  std::vector<std::string_view> parts;
};

std::vector<std::string_view> PartsOf(std::string_view path) {
  while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  auto parts = Split(path, '/');
  // Several slashes count as one, as in Qdrant.
  if (parts.size() > 1) parts.erase(std::remove(parts.begin() + 1, parts.end(), ""), parts.end());
  parts.erase(parts.begin());
  return parts;
}

bool Matches(const Pattern& pattern, const std::vector<std::string_view>& parts,
             std::vector<std::string>* args) {
  if (pattern.parts.size() != parts.size()) return false;
  args->clear();
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (pattern.parts[i] == "{}") {
      if (parts[i].empty()) return false;
      args->emplace_back(parts[i]);
    } else if (pattern.parts[i] != parts[i]) {
      return false;
    }
  }
  return true;
}

void PrintUsage(const qdrant::InferenceUsage& usage, Writer* writer) {
  if (usage.empty()) return;
  writer->Key("usage").BeginObject().Key("inference").BeginObject().Key("models").BeginObject();
  for (const auto& [model, tokens] : usage) {
    writer->Key(model).BeginObject().Field("tokens", tokens).EndObject();
  }
  writer->EndObject().EndObject().EndObject();
}

net::Response ErrorResponse(const Error& error, double seconds) {
  Writer writer;
  writer.BeginObject().Key("status").BeginObject().Field("error", error.message()).EndObject();
  writer.Field("time", seconds).EndObject();
  net::Response response{.status = StoreHttpStatus(error), .body = std::move(writer).Take()};
  const std::size_t at = error.message().find("Retry after ");
  if (response.status == 429 && at != std::string::npos) {
    const std::string_view rest = std::string_view(error.message()).substr(at + 12);
    response.headers.emplace_back("Retry-After", std::string(rest.substr(0, rest.find('s'))));
  }
  return response;
}

net::Response ReplyResponse(const Reply& reply, const Call& call, double seconds) {
  if (reply.body) {
    return {.status = reply.status, .content_type = reply.content_type, .body = *reply.body};
  }
  Writer writer;
  writer.BeginObject();
  if (!call.accepted) writer.Key("result").PutRaw(reply.result);
  writer.Field("status", call.accepted ? "accepted" : "ok").Field("time", seconds);
  PrintUsage(call.usage, &writer);
  writer.EndObject();
  return {.status = call.accepted ? 202 : 200, .body = std::move(writer).Take()};
}

// Keeps what is sent.
class Kept final : public net::Responder {
 public:
  void Send(const net::Response& response) override { response_ = response; }
  void Start(int status, const std::string& content_type, const net::Headers& headers) override {
    response_ = {.status = status, .content_type = content_type, .body = {}, .headers = headers};
  }
  bool Write(std::string_view bytes) override {
    response_.body += bytes;
    return true;
  }
  void Finish() override {}
  const Cancel& cancel() const override { return cancel_; }
  net::Response Take() { return std::move(response_); }

 private:
  net::Response response_;
  Cancel cancel_;
};

class StoreServerImpl final : public StoreServer {
 public:
  StoreServerImpl(qdrant::Service& service, qdrant::Snapshots& snapshots,
                  const StoreSettings& settings, StoreRecords* records)
      : front_{.service = service,
               .snapshots = snapshots,
               .settings = settings,
               .records = records == nullptr ? own_records_ : *records} {
    for (const auto& group :
         {ServiceRoutes(), CollectionRoutes(), SnapshotRoutes(), QueryRoutes(), PointRoutes()}) {
      for (const RouteEntry& entry : group) {
        routes_.push_back({.entry = entry, .parts = PartsOf(entry.pattern)});
      }
    }
    const std::time_t now = std::time(nullptr);
    std::tm parts{};
    ::gmtime_r(&now, &parts);
    char text[32];
    front_.started =
        std::string(text, std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts));
  }

  Status Listen() {
    const StoreSettings& settings = front_.settings;
    net::ServerOptions options;
    options.host = settings.host;
    options.port = settings.http_port;
    options.handler_threads = settings.workers;
    options.queue_max = 1024;
    options.body_bytes_max = std::max(kBodyMax, settings.max_request_mb << 20);
    if (settings.enable_tls) {
      options.tls_certificate = settings.tls_certificate;
      options.tls_key = settings.tls_key;
      options.tls_reload_seconds = static_cast<double>(settings.tls_reload);
      if (settings.verify_clients && settings.tls_ca.empty()) {
        return Error(Code::kInvalidArgument,
                     "service.verify_https_client_certificate needs tls.ca_cert");
      }
      if (settings.verify_clients) options.tls_client_authorities = settings.tls_ca;
    }
    options.refusal = [](int status, const std::string& message) {
      net::Response response = ErrorResponse(Error(Code::kInvalidArgument, message), 0);
      response.status = status;
      return response;
    };
    MALMOI_TRY(server_, net::HttpServer::Start(options, [this](const net::Request& request,
                                                               net::Responder& responder) {
                 Handle(request, responder);
               }));
    return Ok();
  }

  net::Response Answer(const net::Request& request) override {
    Kept kept;
    Handle(request, kept);
    return kept.Take();
  }
  std::uint16_t port() const override { return server_ == nullptr ? 0 : server_->port(); }
  void Stop(double seconds) override {
    if (server_ != nullptr) server_->Stop(seconds);
  }

 private:
  void Handle(const net::Request& request, net::Responder& responder) {
    const double start = Now();
    if (request.method == "OPTIONS" && front_.settings.enable_cors) {
      responder.Send(WithCors({.status = 200, .content_type = "text/plain", .body = ""}));
      return;
    }
    const auto parts = PartsOf(request.path);
    Call call{.request = request};
    for (const Pattern& pattern : routes_) {
      const bool same = pattern.entry.method == request.method ||
                        (request.method == "HEAD" && pattern.entry.method == "GET");
      if (!same || !Matches(pattern, parts, &call.args)) continue;
      AnswerBy(pattern.entry, call, start, responder);
      return;
    }
    responder.Send(WithCors({.status = 404, .content_type = "text/plain", .body = ""}));
  }

  void AnswerBy(const RouteEntry& entry, Call& call, double start, net::Responder& responder) {
    const std::string route = std::string(entry.method) + " " + RouteName(entry.pattern);
    const bool of_collection = entry.pattern.starts_with("/collections/{}");
    const Verdict verdict = CheckKey(front_.service, front_.settings, KeyOf(call.request),
                                     entry.access, of_collection ? call.args.front() : "");
    Audit(entry, call, route, verdict);
    if (!verdict.allowed) {
      responder.Send(WithCors(Denied(verdict)));
      return;
    }
    Result<Reply> reply = Reply{};
    if (auto fits = CheckSize(call.request); !fits.ok()) {
      reply = std::move(fits.error());
    } else {
      reply = entry.handle(front_, call);
    }
    const double seconds = Now() - start;
    if (reply.ok() && !reply.value().file.empty()) {
      SendFile(reply.value(), responder);
      return;
    }
    const net::Response response = reply.ok() ? ReplyResponse(reply.value(), call, seconds)
                                              : ErrorResponse(reply.error(), seconds);
    front_.records.rest.Add(route, response.status, seconds);
    if (seconds >= SlowRequests::kShortestSeconds) NoteSlow(entry, call, seconds);
    responder.Send(WithCors(response));
  }

  void Audit(const RouteEntry& entry, const Call& call, const std::string& route,
             const Verdict& verdict) {
    AuditLog* log = front_.records.audit.get();
    if (log == nullptr || entry.access == Access::kPublic) return;
    AuditEvent event{.method = entry.name, .auth = verdict.auth, .subject = verdict.subject};
    if (log->settings().log_api || verdict.status == 401) event.api = route;
    const net::Headers& headers = call.request.headers;
    event.remote = call.request.remote.substr(0, call.request.remote.rfind(':'));
    if (log->settings().trust_forwarded) {
      const std::string_view forwarded = net::FindHeader(headers, "x-forwarded-for");
      const std::string_view first = Trim(forwarded.substr(0, forwarded.find(',')));
      if (!first.empty()) event.remote = std::string(first);
    }
    if (entry.pattern.starts_with("/collections/{}")) event.collection = call.collection();
    event.tracing_id = TracingId([&](const char* name) { return net::FindHeader(headers, name); });
    if (!verdict.allowed) event.error = verdict.message;
    log->Write(event);
  }

  // Reads and writes of points.
  void NoteSlow(const RouteEntry& entry, const Call& call, double seconds) {
    const std::string_view kind = SlowKind(entry.name);
    if (kind.empty()) return;
    const std::string& text = call.request.body;
    json::Value body = json::Value::Object({{"bytes", json::Value::Uint(text.size())}});
    if (text.size() <= kShownBodyMax) {
      if (auto parsed = json::Parse(text); parsed.ok()) body = std::move(parsed).value();
    }
    front_.records.slow.Add({kind, call.collection(), seconds, std::move(body)});
  }

  // Uploads of snapshots have a limit of their own, the server's.
  Status CheckSize(const net::Request& request) const {
    const std::uint64_t limit = front_.settings.max_request_mb << 20;
    const std::string_view type = net::FindHeader(request.headers, "content-type");
    if (request.body.size() <= limit || type.starts_with("multipart/")) return Ok();
    return qdrant::FormatError("JSON payload (" + std::to_string(request.body.size()) +
                               " bytes) is larger than allowed (limit: " + std::to_string(limit) +
                               " bytes).");
  }

  static net::Response Denied(const Verdict& verdict) {
    if (verdict.status == 401) {
      return {.status = 401, .content_type = "text/plain; charset=utf-8", .body = verdict.message};
    }
    return ErrorResponse(Error(Code::kPermissionDenied, verdict.message), 0);
  }

  // Placeholders as Qdrant names them in telemetry.
  static std::string RouteName(std::string_view pattern) {
    std::string name(pattern);
    const std::size_t first = name.find("{}");
    if (first == std::string::npos) return name;
    name.replace(first, 2, name.starts_with("/collections/") ? "{collection_name}" : "{name}");
    const std::size_t second = name.find("{}");
    if (second != std::string::npos) {
      const bool id = name.find("/points/{}") != std::string::npos;
      name.replace(second, 2, id ? "{id}" : "{name}");
    }
    return name;
  }

  net::Response WithCors(net::Response response) const {
    if (!front_.settings.enable_cors) return response;
    response.headers.emplace_back("Access-Control-Allow-Origin", "*");
    response.headers.emplace_back("Access-Control-Allow-Methods",
                                  "GET, POST, PUT, PATCH, DELETE, OPTIONS");
    response.headers.emplace_back("Access-Control-Allow-Headers", "*");
    return response;
  }

  void SendFile(const Reply& reply, net::Responder& responder) {
    os::Vfs& vfs = *front_.service.options().vfs;
    const auto file = vfs.Open(reply.file, os::OpenMode::kRead);
    if (!file.ok()) {
      responder.Send(ErrorResponse(qdrant::FromStore(file.error().Clone()), 0));
      return;
    }
    const std::string name(os::BaseName(reply.file));
    responder.Start(200, reply.content_type,
                    {{"Content-Disposition", "attachment; filename=\"" + name + "\""}});
    for (std::uint64_t at = 0;;) {
      std::string bytes;
      if (!file.value()->Read(at, kFileChunk, &bytes).ok() || bytes.empty()) break;
      at += bytes.size();
      if (!responder.Write(bytes)) return;
    }
    responder.Finish();
  }

  StoreRecords own_records_;  // Before front_, which may refer to it.
  Front front_;
  std::vector<Pattern> routes_;
  std::unique_ptr<net::HttpServer> server_;
};

}  // namespace

void RequestCounts::Add(const std::string& route, int status, double seconds) {
  const std::lock_guard lock(mutex_);
  Entry& entry = entries_[route][status];
  entry.min = entry.count == 0 ? seconds : std::min(entry.min, seconds);
  entry.max = std::max(entry.max, seconds);
  entry.seconds += seconds;
  entry.last = static_cast<std::int64_t>(std::time(nullptr));
  for (std::size_t i = 0; i < std::size(kBounds); ++i) entry.within[i] += seconds <= kBounds[i];
  ++entry.count;
}

std::map<std::string, std::map<int, RequestCounts::Entry>> RequestCounts::All() const {
  const std::lock_guard lock(mutex_);
  return entries_;
}

int StoreHttpStatus(const Error& error) {
  switch (error.code()) {
    case Code::kInvalidArgument:
      return 400;
    case Code::kOutOfRange:
      return 422;
    case Code::kNotFound:
      return 404;
    case Code::kAlreadyExists:
      return 409;
    case Code::kPermissionDenied:
      return 403;
    case Code::kUnsupported:
      return 405;
    case Code::kDeadline:
      return 408;
    case Code::kOverloaded:
      return 429;
    case Code::kUnavailable:
      return 503;
    case Code::kIo:
      return qdrant::IsFull(error) ? 507 : 500;
    default:
      return 500;
  }
}

std::string_view KeyOf(const net::Request& request) {
  const std::string_view key = net::FindHeader(request.headers, "api-key");
  if (!key.empty()) return key;
  const std::string_view header = net::FindHeader(request.headers, "authorization");
  return header.starts_with("Bearer ") ? header.substr(7) : std::string_view();
}

Reply Plain(std::string text) {
  return Reply{.body = std::move(text), .content_type = "text/plain; charset=utf-8"};
}
Reply ReplyOf(json::Writer&& writer) {
  return Reply{.result = std::move(writer).Take()};
}
Reply ReplyOf(bool value) {
  return Reply{.result = value ? "true" : "false"};
}

Result<json::Value> StoreBody(const net::Request& request) {
  if (Trim(request.body).empty()) {
    return Error(Code::kInvalidArgument,
                 "Format error in JSON body: EOF while parsing a value at line 1 column 0");
  }
  auto parsed = json::Parse(request.body);
  if (!parsed.ok()) return qdrant::FormatError(parsed.error().message());
  return parsed;
}

namespace {
Error BadParameter(const std::string& why) {
  return Error(Code::kInvalidArgument, "Deserialize error in query parameters: " + why);
}
}  // namespace

Result<bool> BoolParameter(const net::Request& request, std::string_view name, bool fallback) {
  const auto text = request.Parameter(name);
  if (!text) return fallback;
  if (*text == "true") return true;
  if (*text == "false") return false;
  return BadParameter("provided string was not `true` or `false`");
}

Result<std::optional<std::uint64_t>> TimeoutParameter(const net::Request& request) {
  const auto text = request.Parameter("timeout");
  std::optional<std::uint64_t> timeout;
  if (!text || text->empty()) return timeout;
  const auto number = ParseInt(*text);
  if (!number || *number < 0) return BadParameter("invalid digit found in string");
  if (*number == 0) {
    return Error(Code::kOutOfRange,
                 "Validation error in query parameters: [timeout: value 0 invalid, must be 1 or "
                 "larger]");
  }
  timeout = static_cast<std::uint64_t>(*number);
  return timeout;
}

Result<qdrant::UpdateParams> ReadUpdateParams(const net::Request& request) {
  qdrant::UpdateParams params;
  MALMOI_TRY(params.wait, BoolParameter(request, "wait", false));
  MALMOI_TRY(params.timeout_seconds, TimeoutParameter(request));
  const auto ordering = request.Parameter("ordering");
  if (ordering && *ordering != "weak" && *ordering != "medium" && *ordering != "strong") {
    return BadParameter("unknown variant `" + *ordering +
                        "`, expected one of `weak`, `medium`, `strong`");
  }
  return params;
}

Result<qdrant::ReadParams> ReadReadParams(const net::Request& request) {
  qdrant::ReadParams params;
  MALMOI_TRY(params.timeout_seconds, TimeoutParameter(request));
  const auto consistency = request.Parameter("consistency");
  if (!consistency || consistency->empty()) return params;
  const auto factor = ParseInt(*consistency);
  if (factor && *factor > 0) return params;
  if (*consistency == "majority" || *consistency == "quorum" || *consistency == "all") {
    return params;
  }
  return BadParameter("failed to deserialize read consistency query parameter value '" +
                      *consistency + "'");
}

Result<std::unique_ptr<StoreServer>> StoreServer::Start(qdrant::Service& service,
                                                        qdrant::Snapshots& snapshots,
                                                        const StoreSettings& settings,
                                                        StoreRecords* records) {
  auto server = std::make_unique<StoreServerImpl>(service, snapshots, settings, records);
  MALMOI_TRY(server->Listen());
  return std::unique_ptr<StoreServer>(std::move(server));
}

std::unique_ptr<StoreServer> StoreServer::Local(qdrant::Service& service,
                                                qdrant::Snapshots& snapshots,
                                                const StoreSettings& settings) {
  return std::make_unique<StoreServerImpl>(service, snapshots, settings, nullptr);
}

}  // namespace malmoi::serve
