#include "os/scratch_dir.h"

#include <stdlib.h>

#include "base/check.h"
#include "os/paths.h"
#include "os/vfs.h"

namespace malmoi::os {

ScratchDir::ScratchDir() : path_(GetEnv("TMPDIR").value_or("/var/tmp") + "/malmoi-XXXXXX") {
  MALMOI_CHECK(::mkdtemp(path_.data()) != nullptr);
}

ScratchDir::~ScratchDir() {
  (void)PosixVfs().RemoveAll(path_).ok();
}

std::string ScratchDir::At(std::string_view name) const {
  return JoinPath(path_, name);
}

std::string ScratchDir::Write(std::string_view name, std::string_view bytes) const {
  const std::string file = At(name);
  Vfs& vfs = PosixVfs();
  MALMOI_CHECK(vfs.MakeDirs(std::string(DirName(file))).ok());
  MALMOI_CHECK(WriteAtomically(vfs, file, bytes).ok());
  return file;
}

}  // namespace malmoi::os
