#include "os/memory_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace malmoi::os {
namespace {

Error Failed(const char* what) {
  return Error(Code::kIo,
               std::string("keep bytes in memory: ") + what + ": " + std::strerror(errno));
}

// A descriptor of a new file with these contents.
Result<int> Make(std::string_view contents) {
  const int fd = ::memfd_create("malmoi", MFD_CLOEXEC);
  if (fd < 0) return Failed("memfd_create");
  while (!contents.empty()) {
    const ::ssize_t n = ::write(fd, contents.data(), contents.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      Error error = Failed("write");
      ::close(fd);
      return error;
    }
    contents.remove_prefix(static_cast<std::size_t>(n));
  }
  return fd;
}

}  // namespace

Result<std::unique_ptr<MemoryFile>> MemoryFile::Create(std::string_view contents) {
  MALMOI_TRY(const int fd, Make(contents));
  return std::unique_ptr<MemoryFile>(new MemoryFile(fd));
}

MemoryFile::~MemoryFile() {
  ::close(fd_);
}

Status MemoryFile::Replace(std::string_view contents) {
  MALMOI_TRY(const int fresh, Make(contents));
  const bool done = ::dup3(fresh, fd_, O_CLOEXEC) >= 0;
  Status status = done ? Ok() : Status(Failed("dup3"));
  ::close(fresh);
  return status;
}

std::string MemoryFile::path() const {
  return "/proc/self/fd/" + std::to_string(fd_);
}

}  // namespace malmoi::os
