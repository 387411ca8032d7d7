#include "ann/scores_internal.h"
#include "os/cpu_info.h"

namespace malmoi::ann {

const ScoreTable& Scores() {
  switch (os::ActiveCpuLevel()) {
#if defined(__x86_64__)
    case os::CpuLevel::kAvx2:
      return kAvx2Scores;
    case os::CpuLevel::kAvx512:
      return kAvx512Scores;
    case os::CpuLevel::kAvx512Vnni:
    case os::CpuLevel::kAvx512Bf16:
    case os::CpuLevel::kAmx: {
      // Not part of a level: Cascade Lake has VNNI without it.
      static const bool counts = __builtin_cpu_supports("avx512bitalg") != 0;
      return counts ? kAvx512PopcntScores : kAvx512VnniScores;
    }
#endif
    default:
      return kScalarScores;
  }
}

}  // namespace malmoi::ann
