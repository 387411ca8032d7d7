#include "cli/eval_store.h"

#include <string>
#include <utility>

namespace malmoi::cli {

Result<EvalStore> OpenEvalStore(const Context& context, std::string_view folder,
                                std::size_t threads) {
  const std::string directory = os::JoinPath(context.settings.Get("data"), std::string(folder));
  MALMOI_TRY(os::PosixVfs().MakeDirs(directory));
  MALMOI_TRY(
      auto lock,
      os::FileLock::Acquire(os::JoinPath(directory, "lock")).With("another eval is running"));
  MALMOI_TRY(auto database, vec::Database::Open(os::PosixVfs(), directory, threads));
  return EvalStore{std::move(lock), std::move(database)};
}

}  // namespace malmoi::cli
