#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace malmoi::os {

// Bytes in memory under a name of the file system, for libraries that read files alone and bytes
// that should not lie in one (keys). Gone with the object; children of the process do not get it.
// Thread-safe.
class MemoryFile {
 public:
  // Errors: kIo.
  static Result<std::unique_ptr<MemoryFile>> Create(std::string_view contents);
  ~MemoryFile();
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  // In one step: who opens the name gets all of the old or all of the new. Errors: kIo; the old
  // contents stay.
  Status Replace(std::string_view contents);
  std::string path() const;  // "/proc/self/fd/N", of this process alone.

 private:
  explicit MemoryFile(int fd) : fd_(fd) {}
  const int fd_;
};

}  // namespace malmoi::os
