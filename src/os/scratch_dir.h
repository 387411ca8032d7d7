#pragma once

#include <string>
#include <string_view>

namespace malmoi::os {

// A new empty folder for tests and benchmarks, removed with all it holds when the object goes away.
// It is made under $TMPDIR, else under /var/tmp, which is on disk where /tmp is often memory: syncs
// and full disks are real there. A folder or file that cannot be made ends the program.
class ScratchDir {
 public:
  ScratchDir();
  ~ScratchDir();
  ScratchDir(const ScratchDir&) = delete;
  ScratchDir& operator=(const ScratchDir&) = delete;

  const std::string& path() const { return path_; }
  std::string At(std::string_view name) const;  // The path of a file in it.
  // Makes the file with its folders, or replaces it; returns its path.
  std::string Write(std::string_view name, std::string_view bytes) const;

 private:
  std::string path_;
};

}  // namespace malmoi::os
