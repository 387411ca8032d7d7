#pragma once

#include <cstddef>
#include <memory>
#include <string_view>

#include "base/result.h"
#include "cli/commands.h"
#include "os/vfs.h"
#include "vec/collection.h"

namespace malmoi::cli {

// The indexes that evaluations keep between runs, in a folder of the data directory.
struct EvalStore {
  os::FileLock lock;  // One evaluation of a folder at a time.
  std::unique_ptr<vec::Database> database;
};
// folder: a name below the data directory. threads: of searches; 0: all usable cores. Errors:
// kAlreadyExists (another evaluation is running there), kIo (the folder), kCorruption.
Result<EvalStore> OpenEvalStore(const Context& context, std::string_view folder,
                                std::size_t threads);

}  // namespace malmoi::cli
