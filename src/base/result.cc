#include "base/result.h"

namespace malmoi {

std::string_view CodeName(Code code) {
  switch (code) {
    case Code::kInvalidArgument:
      return "invalid_argument";
    case Code::kNotFound:
      return "not_found";
    case Code::kAlreadyExists:
      return "already_exists";
    case Code::kOutOfRange:
      return "out_of_range";
    case Code::kPermissionDenied:
      return "permission_denied";
    case Code::kUnsupported:
      return "unsupported";
    case Code::kOverloaded:
      return "overloaded";
    case Code::kUnavailable:
      return "unavailable";
    case Code::kDeadline:
      return "deadline";
    case Code::kCorruption:
      return "corruption";
    case Code::kIo:
      return "io";
    case Code::kCancelled:
      return "cancelled";
    case Code::kInternal:
      return "internal";
  }
  return "internal";
}

Error::Error(Code code, std::string message) : rep_(new Rep{code, std::move(message)}) {}

Error Error::With(std::string_view where) && {
  rep_->message.insert(0, ": ").insert(0, where);
  return std::move(*this);
}

}  // namespace malmoi
