#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"

namespace malmoi::ingest {

struct FoundFile {
  std::string path;  // Relative to the root, '/' between parts, NFC as stored by the file system.
  std::uint64_t size = 0;
  std::int64_t mtime_ns = 0;
};

// Regular files under `root` (or `root` itself, if it is a file), sorted by path. Hidden files and
// folders, and folders that hold no documents by convention (node_modules, __pycache__, .git), are
// skipped; links are not followed out of the root. Errors: kNotFound, kIo for the root only; what
// cannot be listed below it is added to *skipped as "path: reason".
Result<std::vector<FoundFile>> WalkFolder(const std::string& root,
                                          std::vector<std::string>* skipped);

// Tells that something under `root` changed (inotify; polling every two seconds where the system's
// watch limit is reached: polling() says so). Wait returns true after a change has settled for
// 200 ms, false after `timeout_ms` without one.
class FolderWatch {
 public:
  static Result<std::unique_ptr<FolderWatch>> Start(const std::string& root);
  virtual ~FolderWatch() = default;
  virtual bool Wait(int timeout_ms) = 0;
  virtual bool polling() const = 0;
};

}  // namespace malmoi::ingest
