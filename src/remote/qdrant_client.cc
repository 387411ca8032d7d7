#include "remote/qdrant_client.h"

#include <chrono>
#include <thread>

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

Result<std::string> StoreUrl(const std::string& text) {
  std::string url = text;
  while (url.ends_with('/')) url.pop_back();
  for (const auto& [scheme, real] :
       {std::pair<std::string_view, std::string_view>{"qdrant://", "http://"},
        {"qdrants://", "https://"}}) {
    if (!url.starts_with(scheme)) continue;
    std::string rest = url.substr(scheme.size());
    const bool has_port = rest.rfind(':') != std::string::npos && !rest.ends_with(']');
    if (!has_port) rest += ":6333";
    return std::string(real) + rest;
  }
  if (url.starts_with("http://") || url.starts_with("https://")) return url;
  return Error(Code::kInvalidArgument,
               "'" + text + "' is no store: give qdrant://HOST:PORT or a folder");
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
  request.body = body;
  request.body_bytes_max = kAnswerMax;
  request.stall_seconds_max = kStallSeconds;
  request.cancel = cancel == nullptr ? cancel_ : cancel;
  MALMOI_TRY(auto answer, net::Fetch(request));
  return Answer{answer.status, std::move(answer.body)};
}

Result<json::Value> QdrantClient::Call(const std::string& method, const std::string& path,
                                       const std::string& body, const Cancel* cancel) const {
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
