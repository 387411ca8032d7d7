// malmoi's own API: docs/api/http.md.
#include "base/strings.h"
#include "json/writer.h"
#include "obs/metrics.h"
#include "rag/request.h"
#include "serve/router_internal.h"

namespace malmoi::serve {
namespace {

void SendJson(net::Responder& responder, std::string body) {
  net::Response response;
  response.body = std::move(body);
  responder.Send(response);
}

// A stream of JSON lines: events while the work goes on, then {"report": ...} or {"error": ...}.
class LineStream {
 public:
  explicit LineStream(net::Responder& responder) : responder_(responder) {
    responder_.Start(200, "application/x-ndjson", {{"Cache-Control", "no-store"}});
  }
  bool Event(const std::string& json) { return responder_.Write(json + "\n"); }
  void End(const Result<std::string>& report) {
    Event(report.ok() ? "{\"report\":" + report.value() + "}" : ApiErrorBody(report.error()));
    responder_.Finish();
  }

 private:
  net::Responder& responder_;
};

Result<rag::SearchRequest> ReadRequest(const Services& services, const json::Value& body) {
  MALMOI_TRY(auto request, rag::ParseSearchRequest(body));
  request.collection = CollectionOf(services, request.collection);
  return request;
}

std::string ProgressEvent(const rag::IndexProgress& p) {
  json::Writer w;
  w.BeginObject().Key("progress").BeginObject().Field("phase", p.phase);
  w.Field("files_total", p.files_total).Field("files_done", p.files_done);
  w.Field("chunks_total", p.chunks_total).Field("chunks_done", p.chunks_done);
  return std::move(w.EndObject().EndObject()).Take();
}

std::string ParameterOr(const net::Request& request, std::string_view name,
                        const std::string& fallback) {
  return request.Parameter(name).value_or(fallback);
}

}  // namespace

Status RouteSearch(const Services& services, const net::Request& request,
                   net::Responder& responder) {
  MALMOI_TRY(const auto body, JsonBody(request));
  MALMOI_TRY(const auto search, ReadRequest(services, body));
  MALMOI_TRY(const auto options, rag::ToRetrieveOptions(search));
  MALMOI_TRY(const auto report, services.library.Search(search.collection, search.query, options,
                                                        &responder.cancel()));
  SendJson(responder, rag::ToJson(report));
  return Ok();
}

Status RouteAsk(const Services& services, const net::Request& request, net::Responder& responder) {
  MALMOI_TRY(const auto body, JsonBody(request));
  MALMOI_TRY(const auto ask, ReadRequest(services, body));
  MALMOI_TRY(const auto options, rag::ToAskOptions(ask));
  if (!body.GetBool("stream")) {
    MALMOI_TRY(const auto answer, services.library.Ask(ask.collection, ask.query, options, nullptr,
                                                       &responder.cancel()));
    SendJson(responder, rag::AnswerToJson(answer));
    return Ok();
  }
  LineStream stream(responder);
  const auto answer = services.library.Ask(
      ask.collection, ask.query, options,
      [&](std::string_view text) {
        json::Writer w;
        w.BeginObject().Field("text", text).EndObject();
        return stream.Event(w.text());
      },
      &responder.cancel());
  stream.End(answer.ok() ? Result<std::string>(rag::AnswerToJson(answer.value()))
                         : answer.error().Clone());
  return Ok();
}

Status RouteIndex(const Services& services, const net::Request& request,
                  net::Responder& responder) {
  MALMOI_TRY(const auto body, JsonBody(request));
  const std::string path(body.GetString("path"));
  if (!path.starts_with('/')) {
    return Error(Code::kInvalidArgument, "\"path\" must be an absolute path on the server");
  }
  const std::string collection = CollectionOf(services, std::string(body.GetString("collection")));
  if (!body.GetBool("stream")) {
    MALMOI_TRY(const auto report,
               services.library.Index(path, collection, nullptr, &responder.cancel()));
    SendJson(responder, rag::ToJson(report));
    return Ok();
  }
  LineStream stream(responder);
  const auto report = services.library.Index(
      path, collection, [&](const rag::IndexProgress& p) { stream.Event(ProgressEvent(p)); },
      &responder.cancel());
  stream.End(report.ok() ? Result<std::string>(rag::ToJson(report.value()))
                         : report.error().Clone());
  return Ok();
}

Status RouteVerify(const Services& services, const net::Request& request,
                   net::Responder& responder) {
  MALMOI_TRY(const auto answer, rag::AnswerFromJson(request.body));
  const std::string collection = CollectionOf(services, ParameterOr(request, "collection", ""));
  MALMOI_TRY(const auto checks, services.library.Verify(collection, answer));
  SendJson(responder, rag::ToJson(checks));
  return Ok();
}

Status RouteStatus(const Services& services, const net::Request& request,
                   net::Responder& responder) {
  const std::string collection = CollectionOf(services, ParameterOr(request, "collection", ""));
  MALMOI_TRY(const auto status, services.library.StatusOf(collection));
  SendJson(responder, rag::ToJson(status));
  return Ok();
}

Status RouteCollections(const Services& services, const net::Request&, net::Responder& responder) {
  json::Writer w;
  w.BeginObject().Field("default", services.options.collection).Key("collections").BeginArray();
  for (const std::string& name : services.library.Collections()) w.Put(name);
  SendJson(responder, std::move(w.EndArray().EndObject()).Take());
  return Ok();
}

// The extracted text of an indexed document, for showing a citation in its place.
Status RouteDocument(const Services& services, const net::Request& request,
                     net::Responder& responder) {
  const auto path = request.Parameter("path");
  if (!path) return Error(Code::kInvalidArgument, "the parameter 'path' is missing");
  const std::string collection = CollectionOf(services, ParameterOr(request, "collection", ""));
  MALMOI_TRY(const auto document,
             services.library.ReadDocument(collection, ParameterOr(request, "root", ""), *path));
  json::Writer w;
  w.BeginObject().Field("path", *path).Field("title", document.title);
  w.Field("format", document.format).Field("text", document.text).Key("page_starts").BeginArray();
  for (const auto start : document.page_starts) w.Put(start);
  SendJson(responder, std::move(w.EndArray().EndObject()).Take());
  return Ok();
}

Status RouteHealth(const Services&, const net::Request&, net::Responder& responder) {
  SendJson(responder, "{\"status\":\"ok\"}");
  return Ok();
}

Status RouteMetrics(const Services&, const net::Request&, net::Responder& responder) {
  net::Response response;
  response.content_type = "text/plain; version=0.0.4; charset=utf-8";
  response.body = obs::Metrics().Expose();
  responder.Send(response);
  return Ok();
}

}  // namespace malmoi::serve
