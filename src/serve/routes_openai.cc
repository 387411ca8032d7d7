// The OpenAI-compatible chat API: a question in, an answer with citations out. Fields that OpenAI
// documents and malmoi has no use for are accepted and ignored.
#include <atomic>

#include "base/clock.h"
#include "base/hash.h"
#include "base/strings.h"
#include "base/utf8.h"
#include "json/writer.h"
#include "net/http.h"
#include "rag/request.h"
#include "serve/router_internal.h"

namespace malmoi::serve {
namespace {

constexpr std::string_view kModelPrefix = "malmoi/";

struct ChatRequest {
  std::string model;
  std::string collection;
  std::string question;
  bool stream = false;
  bool include_usage = false;
};

// A message's text: a string, or parts of which the text ones count.
std::string ContentText(const json::Value& message) {
  const json::Value* content = message.Find("content");
  if (content == nullptr) return {};
  if (const auto text = content->AsString()) return std::string(*text);
  std::string out;
  for (const json::Value& part : content->items()) {
    if (part.GetString("type") == "text") out += part.GetString("text");
  }
  return out;
}

Result<ChatRequest> ReadChat(const Services& services, const json::Value& body) {
  ChatRequest out;
  out.model = body.GetString("model", "malmoi");
  if (out.model.starts_with(kModelPrefix)) out.collection = out.model.substr(kModelPrefix.size());
  out.collection = CollectionOf(services, out.collection);
  const json::Value* messages = body.Find("messages");
  if (messages == nullptr || !messages->is_array() || messages->items().empty()) {
    return Error(Code::kInvalidArgument, "\"messages\" must be a list with at least one message");
  }
  for (const json::Value& message : messages->items()) {
    if (message.GetString("role") == "user") out.question = ContentText(message);
  }
  if (Trim(out.question).empty()) {
    return Error(Code::kInvalidArgument, "\"messages\" has no user message with text");
  }
  out.stream = body.GetBool("stream");
  if (const json::Value* options = body.Find("stream_options")) {
    out.include_usage = options->GetBool("include_usage");
  }
  return out;
}

std::string SourceList(const rag::Answer& answer) {
  std::string out;
  for (const rag::Citation& c : answer.citations) {
    out += (out.empty() ? "\n\n[" : "\n[") + std::to_string(c.n) + "] " + c.path;
    if (c.page > 0) {
      out += ", page " + std::to_string(c.page);
    } else if (c.line > 0) {
      out += ":" + std::to_string(c.line);
    }
  }
  return out;
}

// url_citation annotations: where in the content the mark [n] stands, and where its source is.
void PutAnnotations(const rag::Answer& answer, const std::string& content, json::Writer* w) {
  w->Key("annotations").BeginArray();
  for (const rag::Citation& c : answer.citations) {
    const std::string mark = "[" + std::to_string(c.n) + "]";
    const std::size_t at = content.find(mark);
    if (at == std::string::npos) continue;
    const std::size_t start = CountRunes(std::string_view(content).substr(0, at));
    w->BeginObject().Field("type", "url_citation").Key("url_citation").BeginObject();
    w->Field("start_index", start).Field("end_index", start + mark.size());
    w->Field("url", "/?path=" + net::UrlEncode(c.path) + "&start=" + std::to_string(c.start) +
                        "&end=" + std::to_string(c.end));
    w->Field("title", c.path).EndObject().EndObject();
  }
  w->EndArray();
}

// Extractive answers cost no model tokens; clients expect numbers, so these are estimates at four
// bytes a token.
void PutUsage(const std::string& question, const std::string& content, json::Writer* w) {
  const std::size_t prompt = question.size() / 4 + 1;
  const std::size_t completion = content.size() / 4 + 1;
  w->Key("usage").BeginObject().Field("prompt_tokens", prompt);
  w->Field("completion_tokens", completion).Field("total_tokens", prompt + completion);
  w->EndObject();
}

class Chat {
 public:
  Chat(const ChatRequest& request, net::Responder& responder)
      : request_(request), responder_(responder), created_(WallNs() / 1'000'000'000) {
    static std::atomic<std::uint64_t> counter{0};
    const std::string name = std::to_string(WallNs()) + "-" + std::to_string(++counter);
    id_ = "chatcmpl-" + Sha256Hex(name).substr(0, 24);
  }

  void SendWhole(const rag::Answer& answer) {
    const std::string content = answer.text + SourceList(answer);
    json::Writer w;
    Head("chat.completion", &w);
    w.Key("choices").BeginArray().BeginObject().Field("index", 0);
    w.Key("message").BeginObject().Field("role", "assistant").Field("content", content);
    w.Key("refusal").PutNull();
    PutAnnotations(answer, content, &w);
    w.EndObject().Key("logprobs").PutNull().Field("finish_reason", "stop").EndObject().EndArray();
    PutUsage(request_.question, content, &w);
    w.Key("malmoi").PutRaw(rag::AnswerToJson(answer));
    net::Response response;
    response.body = std::move(w.EndObject()).Take();
    responder_.Send(response);
  }

  void Start() {
    responder_.Start(200, "text/event-stream", {{"Cache-Control", "no-store"}});
    Chunk([](json::Writer* w) { w->Field("role", "assistant").Field("content", ""); }, nullptr);
  }
  bool Text(std::string_view text) {
    return Chunk([&](json::Writer* w) { w->Field("content", text); }, nullptr);
  }
  void End(const rag::Answer& answer) {
    const std::string sources = SourceList(answer);
    const std::string content = answer.text + sources;
    if (!sources.empty()) Text(sources);
    Chunk([&](json::Writer* w) { PutAnnotations(answer, content, w); }, "stop", &answer);
    if (request_.include_usage) {
      json::Writer w;
      Head("chat.completion.chunk", &w);
      w.Key("choices").BeginArray().EndArray();
      PutUsage(request_.question, content, &w);
      Event(w.EndObject().text());
    }
    Event("[DONE]");
    responder_.Finish();
  }
  void Fail(const Error& error) {
    Event(OpenAiErrorBody(error));
    responder_.Finish();
  }

 private:
  void Head(const char* object, json::Writer* w) {
    w->BeginObject().Field("id", id_).Field("object", object).Field("created", created_);
    w->Field("model", request_.model);
  }
  template <class Delta>
  bool Chunk(Delta delta, const char* finish_reason, const rag::Answer* answer = nullptr) {
    json::Writer w;
    Head("chat.completion.chunk", &w);
    w.Key("choices").BeginArray().BeginObject().Field("index", 0).Key("delta").BeginObject();
    delta(&w);
    w.EndObject().Key("finish_reason");
    finish_reason == nullptr ? w.PutNull() : w.Put(finish_reason);
    w.EndObject().EndArray();
    if (answer != nullptr) w.Key("malmoi").PutRaw(rag::AnswerToJson(*answer));
    return Event(w.EndObject().text());
  }
  bool Event(const std::string& data) { return responder_.Write("data: " + data + "\n\n"); }

  const ChatRequest& request_;
  net::Responder& responder_;
  std::int64_t created_;
  std::string id_;
};

}  // namespace

Status RouteChat(const Services& services, const net::Request& request, net::Responder& responder) {
  MALMOI_TRY(const auto body, JsonBody(request));
  MALMOI_TRY(const auto chat_request, ReadChat(services, body));
  // A collection that is not there is an HTTP error, so it is looked up before a stream begins.
  MALMOI_TRY(services.library.StatusOf(chat_request.collection));
  Chat chat(chat_request, responder);
  const rag::Library::AskOptions options;
  if (!chat_request.stream) {
    MALMOI_TRY(const auto answer,
               services.library.Ask(chat_request.collection, chat_request.question, options,
                                    nullptr, &responder.cancel()));
    chat.SendWhole(answer);
    return Ok();
  }
  chat.Start();
  const auto answer = services.library.Ask(
      chat_request.collection, chat_request.question, options,
      [&](std::string_view text) { return chat.Text(text); }, &responder.cancel());
  if (answer.ok()) {
    chat.End(answer.value());
  } else {
    chat.Fail(answer.error());
  }
  return Ok();
}

Status RouteModels(const Services& services, const net::Request&, net::Responder& responder) {
  json::Writer w;
  w.BeginObject().Field("object", "list").Key("data").BeginArray();
  const auto put = [&](const std::string& id) {
    w.BeginObject().Field("id", id).Field("object", "model").Field("created", 0);
    w.Field("owned_by", "malmoi").EndObject();
  };
  put("malmoi");
  for (const std::string& name : services.library.Collections()) {
    put(std::string(kModelPrefix) + name);
  }
  net::Response response;
  response.body = std::move(w.EndArray().EndObject()).Take();
  responder.Send(response);
  return Ok();
}

}  // namespace malmoi::serve
