#include <dlfcn.h>

#include <cstdlib>
#include <string>

#include "base/check.h"
#include "optim/matrix/blas_internal.h"

namespace malmoi::optim::matrix {
namespace {

struct Loading {
  Blas blas;
  std::string failure;
};

const Loading& Once() {
  static const Loading loading = [] {
    Loading out;
    void* library = nullptr;
    // Debian's name, then that of a development link.
    for (const char* name : {"libopenblas.so.0", "libopenblas.so"}) {
      library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
      if (library != nullptr) break;
      const char* said = dlerror();
      if (out.failure.empty()) out.failure = said == nullptr ? name : said;
    }
    if (library == nullptr) return out;
    out.failure.clear();
#define MALMOI_FIND(name)                                                     \
  out.blas.name = reinterpret_cast<decltype(&::name)>(dlsym(library, #name)); \
  if (out.blas.name == nullptr) out.failure = "libopenblas has no routine " #name;
    MALMOI_BLAS(MALMOI_FIND)
#undef MALMOI_FIND
    using SetThreads = void (*)(int);
    if (const auto set = reinterpret_cast<SetThreads>(dlsym(library, "openblas_set_num_threads")))
      set(1);
    return out;
  }();
  return loading;
}

}  // namespace

Result<const Blas*> LoadBlas() {
  if (Once().failure.empty()) return &Once().blas;
  return Error(Code::kUnsupported,
               "OpenBLAS cannot be loaded (" + Once().failure + "): install libopenblas0");
}

const Blas& LoadedBlas() {
  MALMOI_CHECK(Once().failure.empty());
  return Once().blas;
}

}  // namespace malmoi::optim::matrix
