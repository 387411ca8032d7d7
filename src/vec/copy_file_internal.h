#pragma once

#include <string>

#include "os/vfs.h"

namespace malmoi::vec {

// Copies a file piece by piece and syncs the copy.
Status CopyFile(os::Vfs& vfs, const std::string& from, const std::string& to);

}  // namespace malmoi::vec
