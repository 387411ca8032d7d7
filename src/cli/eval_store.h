#pragma once

#include <cstddef>
#include <memory>

#include "base/result.h"
#include "cli/commands.h"
#include "os/vfs.h"
#include "vec/collection.h"

namespace malmoi::cli {

// The indexes that evaluations keep between runs: folder `eval` of the data directory.
struct EvalStore {
  os::FileLock lock;  // One evaluation at a time.
  std::unique_ptr<vec::Database> database;
};
// threads: of searches; 0: all usable cores. Errors: kAlreadyExists (another evaluation is
// running), kIo (the folder), kCorruption.
Result<EvalStore> OpenEvalStore(const Context& context, std::size_t threads);

}  // namespace malmoi::cli
