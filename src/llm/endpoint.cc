// An OpenAI-compatible chat endpoint: POST URL/chat/completions with "stream": true.
#include "base/strings.h"
#include "base/utf8.h"
#include "json/value.h"
#include "json/writer.h"
#include "llm/generator.h"
#include "net/client.h"

namespace malmoi::llm {
namespace {

constexpr double kStallSeconds = 120;  // A loaded machine may think that long before a word.
constexpr std::size_t kErrorTextMax = 300;

net::Headers HeadersFor(const EndpointOptions& options) {
  net::Headers headers = {{"Content-Type", "application/json"}};
  if (!options.api_key.empty()) {
    headers.emplace_back("Authorization", "Bearer " + options.api_key);
  }
  return headers;
}

// The message of {"error":{"message":...}} or the body's beginning.
std::string ErrorText(const std::string& body) {
  std::string text(Trim(body));
  if (const auto parsed = json::Parse(body); parsed.ok()) {
    const json::Value* error = parsed.value().Find("error");
    if (error != nullptr && error->is_object()) text = error->GetString("message", text);
    if (error != nullptr && error->is_string()) text = *error->AsString();
  }
  text = ToValidUtf8(text);
  return text.substr(0, FloorRune(text, std::min(text.size(), kErrorTextMax)));
}

Error StatusError(const std::string& url, int status, const std::string& body) {
  const std::string what = url + " answered " + std::to_string(status) + ": " + ErrorText(body);
  if (status == 401 || status == 403) {
    return Error(Code::kPermissionDenied, what + "; check the endpoint's key");
  }
  if (status == 429) return Error(Code::kOverloaded, what + "; retry later");
  if (status == 404)
    return Error(Code::kUnavailable, what + "; check the URL and the model's name");
  if (status >= 400 && status < 500) {
    const bool context = body.find("context") != std::string::npos;
    return Error(context ? Code::kOutOfRange : Code::kInvalidArgument, what);
  }
  return Error(Code::kUnavailable, what);
}

std::string RequestBody(const std::string& model, const std::vector<Message>& messages,
                        const GenerateOptions& options) {
  json::Writer w;
  w.BeginObject().Field("model", model).Key("messages").BeginArray();
  for (const Message& m : messages) {
    w.BeginObject().Field("role", m.role).Field("content", m.content).EndObject();
  }
  w.EndArray().Field("max_tokens", options.max_tokens);
  w.Field("temperature", options.temperature).Field("stream", true);
  w.Key("stream_options").BeginObject().Field("include_usage", true).EndObject();
  if (!options.stop.empty()) {
    w.Key("stop").BeginArray();
    for (const std::string& s : options.stop) w.Put(s);
    w.EndArray();
  }
  w.EndObject();
  return std::move(w).Take();
}

// What has arrived of one streamed answer.
struct Stream {
  Generation generation;
  std::string error;
  bool done = false;
  bool cancelled = false;
  std::size_t pieces = 0;
};

// One event's JSON; false ends the stream.
bool OnEvent(std::string_view data, const std::function<bool(std::string_view)>& on_text,
             Stream* stream) {
  if (data == "[DONE]") {
    stream->done = true;
    return true;
  }
  const auto parsed = json::Parse(data);
  if (!parsed.ok()) {
    stream->error = "an event is not JSON: " + parsed.error().message();
    return false;
  }
  const json::Value& event = parsed.value();
  if (event.Find("error") != nullptr) {
    stream->error = ErrorText(std::string(data));
    return false;
  }
  if (const json::Value* usage = event.Find("usage"); usage != nullptr && usage->is_object()) {
    stream->generation.prompt_tokens = static_cast<std::uint64_t>(usage->GetInt("prompt_tokens"));
    stream->generation.completion_tokens =
        static_cast<std::uint64_t>(usage->GetInt("completion_tokens"));
  }
  const json::Value* choices = event.Find("choices");
  if (choices == nullptr || choices->items().empty()) return true;
  const json::Value& choice = choices->items().front();
  if (const auto reason = choice.GetString("finish_reason"); !reason.empty()) {
    stream->generation.finish_reason = reason;
  }
  const json::Value* delta = choice.Find("delta");
  const std::string_view text = delta == nullptr ? std::string_view() : delta->GetString("content");
  if (text.empty()) return true;
  ++stream->pieces;
  stream->generation.text += text;
  // JSON strings hold whole code points, so a piece does too.
  if (on_text && !on_text(text)) {
    stream->cancelled = true;
    return false;
  }
  return true;
}

class Endpoint : public Generator {
 public:
  explicit Endpoint(const EndpointOptions& options) : options_(options) {}

  Result<Generation> Generate(const std::vector<Message>& messages, const GenerateOptions& options,
                              const std::function<bool(std::string_view)>& on_text) override {
    net::ClientRequest request;
    request.method = "POST";
    request.url = options_.url + "/chat/completions";
    request.headers = HeadersFor(options_);
    request.body = RequestBody(options_.model, messages, options);
    request.stall_seconds_max = kStallSeconds;
    request.cancel = options.cancel;
    net::SseParser parser;
    Stream stream;
    auto response = net::Fetch(request, [&](std::string_view bytes) {
      return parser.Feed(bytes, [&](std::string_view d) { return OnEvent(d, on_text, &stream); });
    });
    if (stream.cancelled) return Error(Code::kCancelled, "cancelled by the reader");
    if (!stream.error.empty()) {
      return Error(Code::kUnavailable, request.url + ": " + stream.error);
    }
    if (!response.ok()) return std::move(response.error());
    if (response.value().status / 100 != 2) {
      return StatusError(request.url, response.value().status, response.value().body);
    }
    Generation& g = stream.generation;
    if (!stream.done && g.finish_reason.empty()) {
      return Error(Code::kUnavailable, request.url + ": the stream ended before the answer did");
    }
    if (g.finish_reason.empty()) g.finish_reason = "stop";
    if (g.completion_tokens == 0) g.completion_tokens = stream.pieces;
    return std::move(g);
  }

  std::string name() const override { return options_.model; }
  std::size_t context_tokens() const override { return 0; }
  // Four bytes a token for Latin text, about 1.5 code points for others: the larger estimate.
  std::size_t CountTokens(std::string_view text) const override {
    const std::size_t runes = CountRunes(text);
    const std::size_t wide = (text.size() - runes) / 2;  // Three bytes a Hangul syllable.
    return (runes - std::min(runes, wide)) / 4 + wide * 2 / 3 + 1;
  }

 private:
  const EndpointOptions options_;
};

}  // namespace

Result<std::unique_ptr<Generator>> OpenEndpoint(const EndpointOptions& given) {
  EndpointOptions options = given;
  while (options.url.ends_with('/')) options.url.pop_back();
  if (!options.url.starts_with("http://") && !options.url.starts_with("https://")) {
    return Error(Code::kInvalidArgument,
                 "endpoint '" + given.url + "' is not a URL such as http://127.0.0.1:8080/v1");
  }
  if (options.model.empty()) {
    net::ClientRequest request;
    request.url = options.url + "/models";
    request.headers = HeadersFor(options);
    request.seconds_max = 20;
    MALMOI_TRY(const auto response, net::Fetch(request));
    if (response.status != 200) return StatusError(request.url, response.status, response.body);
    MALMOI_TRY(const auto list, json::Parse(response.body).With(request.url));
    const json::Value* data = list.Find("data");
    if (data != nullptr && !data->items().empty()) {
      options.model = data->items().front().GetString("id");
    }
    if (options.model.empty()) {
      return Error(Code::kUnavailable, request.url + " names no model; set one by name");
    }
  }
  return std::unique_ptr<Generator>(std::make_unique<Endpoint>(options));
}

}  // namespace malmoi::llm
