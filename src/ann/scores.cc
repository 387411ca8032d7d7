#include <atomic>
#include <string_view>

#include "ann/scores_internal.h"
#include "os/cpu_info.h"

namespace malmoi::ann {
namespace {

std::atomic<const ScoreTable*> forced{nullptr};

const ScoreTable& ForLevel(os::CpuLevel level) {
#if defined(__x86_64__)
  static const bool vnni = __builtin_cpu_supports("avx512vnni");
  if (level == os::CpuLevel::kAvx512) return vnni ? kAvx512VnniScores : kAvx512Scores;
  if (level == os::CpuLevel::kAvx2) return kAvx2Scores;
#endif
  (void)level;
  return kScalarScores;
}

}  // namespace

const ScoreTable& Scores() {
  const ScoreTable* table = forced.load(std::memory_order_acquire);
  return table != nullptr ? *table : ForLevel(os::ActiveCpuLevel());
}

bool SetScoresForTest(const char* name) {
  if (name == nullptr) {
    forced = nullptr;
    return true;
  }
  const std::string_view wanted(name);
  const os::CpuLevel detected = os::DetectedCpuLevel();
  const auto offer = [&](const ScoreTable& table, bool runs) {
    if (!runs || wanted != table.name) return false;
    forced = &table;
    return true;
  };
  if (offer(kScalarScores, true)) return true;
#if defined(__x86_64__)
  return offer(kAvx2Scores, detected >= os::CpuLevel::kAvx2) ||
         offer(kAvx512Scores, detected >= os::CpuLevel::kAvx512) ||
         offer(kAvx512VnniScores, &ForLevel(detected) == &kAvx512VnniScores);
#else
  (void)detected;
  return false;
#endif
}

}  // namespace malmoi::ann
