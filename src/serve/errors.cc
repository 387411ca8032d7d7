#include "json/writer.h"
#include "serve/router_internal.h"

namespace malmoi::serve {

int HttpStatus(Code code) {
  switch (code) {
    case Code::kInvalidArgument:
      return 400;
    case Code::kNotFound:
      return 404;
    case Code::kAlreadyExists:
      return 409;
    case Code::kOutOfRange:
      return 400;
    case Code::kPermissionDenied:
      return 401;
    case Code::kUnsupported:
      return 422;
    case Code::kOverloaded:
      return 429;
    case Code::kUnavailable:
      return 503;
    case Code::kDeadline:
      return 504;
    case Code::kCancelled:
      return 499;
    case Code::kCorruption:
    case Code::kIo:
    case Code::kInternal:
      return 500;
  }
  return 500;
}

std::string ApiErrorBody(const Error& error) {
  json::Writer w;
  w.BeginObject().Key("error").BeginObject();
  w.Field("code", CodeName(error.code())).Field("message", error.message());
  return std::move(w.EndObject().EndObject()).Take();
}

std::string OpenAiErrorBody(const Error& error) {
  const int status = HttpStatus(error.code());
  const char* type = status == 401   ? "authentication_error"
                     : status == 429 ? "rate_limit_error"
                     : status < 500  ? "invalid_request_error"
                                     : "server_error";
  json::Writer w;
  w.BeginObject().Key("error").BeginObject();
  w.Field("message", error.message()).Field("type", type).Key("param").PutNull();
  w.Field("code", CodeName(error.code()));
  return std::move(w.EndObject().EndObject()).Take();
}

}  // namespace malmoi::serve
