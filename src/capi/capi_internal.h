#pragma once

#include <malmoi/optim.h>

#include <cstring>
#include <string>

#include "base/result.h"
#include "json/value.h"

namespace malmoi::capi {

// Keeps the message for malmoi_last_error and gives its code.
int Fail(const Error& error);
int Fail(Code code, std::string message);
inline int Succeed(const Status& status) {
  return status.ok() ? static_cast<int>(MALMOI_OK) : Fail(status.error());
}

// A copy that malmoi_free frees.
char* Copy(const std::string& text);

// Null and "" are an empty object.
Result<json::Value> ParseObject(const char* text);

}  // namespace malmoi::capi
