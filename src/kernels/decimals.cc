#include "kernels/decimals.h"

#include "kernels/decimals_internal.h"
#include "os/cpu_info.h"

namespace malmoi::kernels {
namespace {

// What is read four numbers at a time stops at the first group that has another form, so what is
// left goes one number at a time.
DecimalsKernel Wide() {
#if defined(__x86_64__)
  const os::CpuLevel level = os::BaseCpuLevel(os::ActiveCpuLevel());
  if (level == os::CpuLevel::kAvx512) return Avx512Decimals;
  if (level == os::CpuLevel::kAvx2) return Avx2Decimals;
#endif
  return nullptr;
}

}  // namespace

DecimalsRead ReadDecimals(std::string_view text, std::size_t at, std::span<float> out) {
  const char* begin = text.data();
  const char* from = begin + at;
  const char* end = begin + text.size();
  DecimalsRead read;
  if (const DecimalsKernel wide = Wide()) {
    read.count = wide(begin, &from, end, out.data(), out.size());
  }
  read.count += ScalarDecimals(begin, &from, end, out.data() + read.count, out.size() - read.count);
  read.bytes = static_cast<std::size_t>(from - begin) - at;
  return read;
}

}  // namespace malmoi::kernels
