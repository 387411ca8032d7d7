#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "json/writer.h"
#include "net/server.h"
#include "qdrant/parse.h"
#include "qdrant/print.h"
#include "qdrant/service.h"
#include "qdrant/snapshots.h"
#include "serve/qdrant/store_access.h"
#include "serve/qdrant/store_records.h"
#include "serve/qdrant/store_settings.h"

namespace malmoi::serve {

struct Front {
  qdrant::Service& service;
  qdrant::Snapshots& snapshots;
  StoreSettings settings;
  StoreRecords& records;
  std::string started = {};  // RFC 3339.
};

// One request being answered.
struct Call {
  const net::Request& request;
  std::vector<std::string> args = {};  // What stood for {} in the route's pattern.
  qdrant::InferenceUsage usage = {};
  bool accepted = false;  // Answer 202 without a result.

  const std::string& collection() const { return args.front(); }
};

// What a route answers: the JSON of `result`, or a body of its own, or a file.
struct Reply {
  std::string result = {};
  std::optional<std::string> body = {};
  std::string content_type = "application/json";
  std::string file = {};
  int status = 200;
};

using StoreRoute = Result<Reply> (*)(Front& front, Call& call);
struct RouteEntry {
  std::string_view method;
  std::string_view pattern;  // "/collections/{}/points"
  Access access;
  StoreRoute handle;
  std::string_view name;  // Of the operation, as in Qdrant's OpenAPI document.
};
// Each group of routes, in one file.
std::vector<RouteEntry> CollectionRoutes();
std::vector<RouteEntry> PointRoutes();
std::vector<RouteEntry> QueryRoutes();
std::vector<RouteEntry> SnapshotRoutes();
std::vector<RouteEntry> ServiceRoutes();

// What machines read about the server (store_telemetry.cc).
Result<Reply> AnswerTelemetry(Front& front, Call& call);
Result<Reply> AnswerMetrics(Front& front, Call& call);

// The body, parsed and validated; `prefix` is the name under which Qdrant nests the members.
Result<json::Value> StoreBody(const net::Request& request);
template <class T>
Result<T> ParsedBody(const net::Request& request, const std::string& prefix = "") {
  MALMOI_TRY(const json::Value value, StoreBody(request));
  MALMOI_TRY(auto parsed, qdrant::ReadAs<T>(value));
  qdrant::Checks checks;
  Validate(parsed, prefix, &checks);
  MALMOI_TRY(checks.Finish("JSON body"));
  return parsed;
}

// Query parameters. Errors as Qdrant's: "Deserialize error in query parameters: ...".
Result<bool> BoolParameter(const net::Request& request, std::string_view name, bool fallback);
Result<std::optional<std::uint64_t>> TimeoutParameter(const net::Request& request);
Result<qdrant::UpdateParams> ReadUpdateParams(const net::Request& request);
Result<qdrant::ReadParams> ReadReadParams(const net::Request& request);

Reply Plain(std::string text);
// A Writer's text as a reply.
Reply ReplyOf(json::Writer&& writer);
Reply ReplyOf(bool value);

int StoreHttpStatus(const Error& error);

// What the client presented: the header api-key, or a bearer token.
std::string_view KeyOf(const net::Request& request);

}  // namespace malmoi::serve
