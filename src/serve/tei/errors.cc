#include <utility>

#include "json/writer.h"
#include "serve/tei/errors_internal.h"

namespace malmoi::serve::tei {
namespace {

struct Kind {
  const char* type;
  int status;
};

Kind KindOf(Code code) {
  switch (code) {
    case Code::kNotFound:
      return {"Empty", 400};
    case Code::kInvalidArgument:
    case Code::kOutOfRange:
      return {"Validation", 422};
    case Code::kCorruption:
      return {"Tokenizer", 422};
    case Code::kUnavailable:
      return {"Unhealthy", 503};
    case Code::kOverloaded:
      return {"Overloaded", 429};
    case Code::kCancelled:
      return {"Backend", 499};
    default:
      return {"Backend", 424};
  }
}

net::Response Make(int status, json::Writer w) {
  net::Response response;
  response.status = status;
  response.body = std::move(w).Take();
  if (status == 429 || status == 503) response.headers.emplace_back("Retry-After", "1");
  return response;
}

}  // namespace

net::Response NativeError(const Error& error) {
  const Kind kind = KindOf(error.code());
  json::Writer w;
  w.BeginObject().Field("error", error.message()).Field("error_type", kind.type).EndObject();
  return Make(kind.status, std::move(w));
}

net::Response OpenAiError(const Error& error) {
  const Kind kind = KindOf(error.code());
  json::Writer w;
  w.BeginObject().Field("message", error.message()).Field("code", kind.status);
  w.Field("type", kind.type).EndObject();
  return Make(kind.status, std::move(w));
}

net::Response OllamaError(const Error& error) {
  json::Writer w;
  w.BeginObject().Field("error", error.message()).EndObject();
  return Make(KindOf(error.code()).status, std::move(w));
}

net::Response NoSuchModel(const Error& error) {
  json::Writer w;
  w.BeginObject().Field("message", error.message()).Field("code", 404);
  w.Field("type", "Validation").Field("error", error.message());
  w.Field("error_type", "Validation").EndObject();
  return Make(404, std::move(w));
}

net::Response RejectBody(const Error& error) {
  return PlainText(error.code() == Code::kCorruption ? 400 : 422, error.message());
}

net::Response PlainText(int status, std::string text) {
  net::Response response;
  response.status = status;
  response.content_type = "text/plain; charset=utf-8";
  response.body = std::move(text);
  return response;
}

Error FromEngine(Error error) {
  switch (KindOf(error.code()).status) {
    case 400:
      return std::move(error).With("Input validation error");
    case 422:
      return std::move(error).With(error.code() == Code::kCorruption ? "tokenizer error"
                                                                     : "Input validation error");
    case 429:
    case 499:
      return error;
    default:
      return std::move(error).With("Backend error");
  }
}

}  // namespace malmoi::serve::tei
