#pragma once

namespace malmoi {

// Prints "file:line: check failed: condition" to stderr and aborts.
[[noreturn]] void CheckFailed(const char* file, int line, const char* condition);

}  // namespace malmoi

// A condition that only a bug in malmoi can break. Always on; never reachable from input bytes:
// wrong input is a Result.
#define MALMOI_CHECK(condition) \
  (static_cast<bool>(condition) ? void(0) : ::malmoi::CheckFailed(__FILE__, __LINE__, #condition))
