#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "os/sandbox.h"
#include "qdrant/foreign_reader_internal.h"

namespace malmoi::qdrant {

// The parent's end of a child that reads one archive: the methods of ForeignReader. To be used, and
// destroyed, on the thread that started it.
//
// Errors: kUnsupported, kCorruption, kOutOfRange with what is wrong with the archive, among them
// that its reader crashed, took too much memory, or answers more than an archive of its size can
// say; kDeadline where it took too long; kInternal where it was killed from outside; kIo and
// kInternal where no child can be started. After an error no more calls.
class SnapshotChild {
 public:
  // kUnsupported in a program that has no such children (a library's host).
  static Result<std::unique_ptr<SnapshotChild>> Start(const std::string& archive);
  ~SnapshotChild();

  Result<ForeignHead> Open();
  Result<std::vector<vec::Point>> NextPoints();
  Result<std::vector<json::Value>> NextOperations();

 private:
  SnapshotChild(int fd, std::uint64_t bytes) : fd_(fd), bytes_(bytes) {}
  Result<std::string> Ask(std::uint8_t what);

  const int fd_;
  const std::uint64_t bytes_;   // Of the archive.
  std::uint64_t answered_ = 0;  // Bytes.
  std::unique_ptr<os::SandboxProcess> process_;
};

}  // namespace malmoi::qdrant
