#include "remote/qdrant_client.h"

#include <chrono>
#include <span>
#include <thread>

#include "json/writer.h"
#include "net/client.h"

namespace malmoi::remote {
namespace {

constexpr std::uint64_t kAnswerMax = 1ull << 30;
constexpr double kStallSeconds = 600;  // A large collection may be made or copied that long.
constexpr int kTries = 3;
constexpr auto kFirstPause = std::chrono::milliseconds(200);

Code CodeOf(int status) {
  switch (status) {
    case 400:
    case 422:
      return Code::kInvalidArgument;
    case 401:
    case 403:
      return Code::kPermissionDenied;
    case 404:
      return Code::kNotFound;
    case 408:
      return Code::kDeadline;
    case 409:
      return Code::kAlreadyExists;
    case 413:
      return Code::kOutOfRange;
    case 429:
      return Code::kOverloaded;
    case 503:
      return Code::kUnavailable;
    default:
      return Code::kInternal;
  }
}

class JsonPage final : public PointPage {
 public:
  explicit JsonPage(json::Value points) : points_(std::move(points)) {}
  std::size_t size() const override { return points_.items().size(); }
  Result<json::Value> Ids() const override {
    std::vector<json::Value> ids;
    for (const json::Value& point : points_.items()) {
      const json::Value* id = point.Find("id");
      if (id == nullptr)
        return Error(Code::kCorruption, "the store answered a point without an id");
      ids.push_back(*id);
    }
    return json::Value::Array(std::move(ids));
  }
  Result<json::Value> Points() const override { return points_; }
  const json::Value& points() const { return points_; }

 private:
  const json::Value points_;
};

Status UpsertJson(const QdrantClient& client, const std::string& path,
                  std::span<const json::Value> points) {
  if (points.empty()) return Ok();
  json::Writer writer;
  writer.BeginObject().Key("points").BeginArray();
  for (const json::Value& point : points) {
    writer.BeginObject();
    for (const std::string_view name : {"id", "vector", "payload"}) {
      const json::Value* member = point.Find(name);
      if (member != nullptr && !member->is_null()) writer.Key(name).Put(*member);
    }
    writer.EndObject();
  }
  writer.EndArray().EndObject();
  auto done = client.Call("PUT", path, std::move(writer).Take());
  if (done.ok()) return Ok();
  const bool large = done.error().code() == Code::kOutOfRange ||
                     done.error().message().find("larger than allowed") != std::string::npos;
  if (!large || points.size() == 1) return std::move(done.error());
  const std::size_t half = points.size() / 2;
  MALMOI_TRY(UpsertJson(client, path, points.first(half)));
  return UpsertJson(client, path, points.subspan(half));
}

}  // namespace

std::string Escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '_' || c == '.' || c == '~';
    if (plain) {
      out.push_back(c);
      continue;
    }
    constexpr char kDigits[] = "0123456789ABCDEF";
    const auto byte = static_cast<unsigned char>(c);
    out += {'%', kDigits[byte >> 4], kDigits[byte & 15]};
  }
  return out;
}

bool IsStoreUrl(std::string_view text) {
  return text.find("://") != std::string_view::npos;
}

bool IsGrpcUrl(std::string_view url) {
  return url.starts_with("grpc://") || url.starts_with("grpcs://");
}

Result<std::string> StoreUrl(const std::string& text) {
  struct Scheme {
    std::string_view given;
    const char *rest, *grpc;  // What it becomes; `grpc` where the port says so, or null.
    const char* port;
  };
  constexpr Scheme kSchemes[] = {{"qdrant://", "http://", "grpc://", ":6333"},
                                 {"qdrants://", "https://", "grpcs://", ":6333"},
                                 {"qdrant+grpc://", "grpc://", nullptr, ":6334"},
                                 {"qdrants+grpc://", "grpcs://", nullptr, ":6334"},
                                 {"grpc://", "grpc://", nullptr, ":6334"},
                                 {"grpcs://", "grpcs://", nullptr, ":6334"}};
  std::string url = text;
  while (url.ends_with('/')) url.pop_back();
  for (const Scheme& scheme : kSchemes) {
    if (!url.starts_with(scheme.given)) continue;
    std::string rest = url.substr(scheme.given.size());
    if (rest.empty()) break;
    const bool has_port = rest.rfind(':') != std::string::npos && !rest.ends_with(']');
    if (!has_port) rest += scheme.port;
    const bool grpc = scheme.grpc != nullptr && rest.ends_with(":6334");
    return std::string(grpc ? scheme.grpc : scheme.rest) + rest;
  }
  if (url.starts_with("http://") || url.starts_with("https://")) return url;
  return Error(Code::kInvalidArgument,
               "'" + text +
                   "' is no store: give qdrant://HOST:PORT (REST), qdrant+grpc://HOST:PORT (gRPC) "
                   "or a folder");
}

Result<QdrantClient::Answer> QdrantClient::Exchange(const std::string& method,
                                                    const std::string& path,
                                                    const std::string& body,
                                                    const Cancel* cancel) const {
  net::ClientRequest request;
  request.method = method;
  request.url = address_.url + path;
  request.headers = {{"Content-Type", "application/json"}};
  if (!address_.key.empty()) request.headers.emplace_back("api-key", address_.key);
  request.tls = {.authorities = address_.tls.authorities,
                 .certificate = address_.tls.certificate,
                 .key = address_.tls.key};
  request.body = body;
  request.body_bytes_max = kAnswerMax;
  request.stall_seconds_max = kStallSeconds;
  request.cancel = cancel == nullptr ? cancel_ : cancel;
  MALMOI_TRY(auto answer, net::Fetch(request));
  return Answer{answer.status, std::move(answer.body)};
}

Result<json::Value> QdrantClient::Call(const std::string& method, const std::string& path,
                                       const std::string& body, const Cancel* cancel) const {
  const Cancel* asked = cancel == nullptr ? cancel_ : cancel;
  if (address_.link != nullptr) return address_.link->Call(method, path, body, asked);
  if (IsGrpcUrl(address_.url)) {
    return Error(Code::kUnsupported, "reach " + address_.url +
                                         ": this program speaks no gRPC here; give the REST "
                                         "address, qdrant://HOST:6333");
  }
  auto pause = kFirstPause;
  for (int left = kTries;; pause *= 2) {
    auto answer = Exchange(method, path, body, cancel);
    const bool again = answer.ok() ? answer.value().status == 429 || answer.value().status == 503
                                   : answer.error().code() == Code::kUnavailable;
    if (again && --left > 0) {
      std::this_thread::sleep_for(pause);
      continue;
    }
    if (!answer.ok()) return std::move(answer.error());
    const auto& [status, text] = answer.value();
    if (status < 200 || status >= 300) {
      return Error(CodeOf(status), method + " " + address_.url + path + ": status " +
                                       std::to_string(status) + ": " + text.substr(0, 500));
    }
    MALMOI_TRY(const json::Value parsed, json::Parse(text));
    const json::Value* result = parsed.Find("result");
    return result == nullptr ? json::Value() : *result;
  }
}

Result<std::unique_ptr<PointPage>> QdrantClient::Scroll(const std::string& collection,
                                                        const json::Value& offset,
                                                        std::size_t limit) const {
  if (address_.link != nullptr) return address_.link->Scroll(collection, offset, limit, cancel_);
  json::Writer writer;
  writer.BeginObject().Field("limit", limit).Field("with_payload", true);
  writer.Field("with_vector", true);
  if (!offset.is_null()) writer.Key("offset").Put(offset);
  writer.EndObject();
  MALMOI_TRY(const json::Value page,
             Call("POST", "/collections/" + Escaped(collection) + "/points/scroll", writer.text()));
  const json::Value* points = page.Find("points");
  if (points == nullptr) return Error(Code::kInternal, "a scroll gave no points");
  std::unique_ptr<PointPage> out = std::make_unique<JsonPage>(*points);
  if (const json::Value* next = page.Find("next_page_offset")) out->next = *next;
  return out;
}

Status QdrantClient::Upsert(const std::string& collection, PointPage& page) const {
  if (address_.link != nullptr) return address_.link->Upsert(collection, page, cancel_);
  const std::string path = "/collections/" + Escaped(collection) + "/points?wait=true";
  if (const auto* own = dynamic_cast<const JsonPage*>(&page)) {
    return UpsertJson(*this, path, own->points().items());
  }
  MALMOI_TRY(const json::Value points, page.Points());
  return UpsertJson(*this, path, points.items());
}

Result<bool> QdrantClient::Has(const std::string& collection) const {
  MALMOI_TRY(const auto answer, Call("GET", "/collections/" + Escaped(collection) + "/exists"));
  return answer.GetBool("exists");
}

Result<std::uint64_t> QdrantClient::Count(const std::string& collection) const {
  MALMOI_TRY(
      const auto answer,
      Call("POST", "/collections/" + Escaped(collection) + "/points/count", R"({"exact":true})"));
  return static_cast<std::uint64_t>(answer.GetInt("count"));
}

}  // namespace malmoi::remote
