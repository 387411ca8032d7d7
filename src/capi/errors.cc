#include <cstdlib>

#include "capi/capi_internal.h"

namespace malmoi::capi {
namespace {

std::string& LastError() {
  thread_local std::string text;
  return text;
}

int CodeOf(Code code) {
  switch (code) {
    case Code::kInvalidArgument:
    case Code::kOutOfRange:
    case Code::kAlreadyExists:
      return MALMOI_INVALID_ARGUMENT;
    case Code::kNotFound:
      return MALMOI_NOT_FOUND;
    case Code::kUnsupported:
      return MALMOI_UNSUPPORTED;
    case Code::kCorruption:
      return MALMOI_CORRUPTION;
    default:
      return MALMOI_OTHER;
  }
}

}  // namespace

int Fail(Code code, std::string message) {
  LastError() = std::move(message);
  return CodeOf(code);
}

int Fail(const Error& error) {
  return Fail(error.code(), error.message());
}

char* Copy(const std::string& text) {
  char* out = static_cast<char*>(std::malloc(text.size() + 1));
  if (out != nullptr) std::memcpy(out, text.c_str(), text.size() + 1);
  return out;
}

Result<json::Value> ParseObject(const char* text) {
  if (text == nullptr || *text == '\0') return json::Value::Object({});
  MALMOI_TRY(json::Value value, json::Parse(text));
  if (!value.is_object())
    return Error(Code::kInvalidArgument, "options must be a JSON object, not " + value.Dump());
  return value;
}

}  // namespace malmoi::capi

extern "C" {

const char* malmoi_last_error(void) {
  return malmoi::capi::LastError().c_str();
}

void malmoi_free(void* text) {
  std::free(text);
}

}  // extern "C"
