#include <cstddef>
#include <cstdint>

#include "ann/scores_internal.h"

namespace malmoi::ann {
namespace {

using Sum = std::int32_t;
constexpr std::size_t kStep = 64;

inline Sum Zero() {
  return 0;
}
inline Sum Accumulate(Sum s, const std::uint8_t* code, const std::int8_t* low,
                      const std::int8_t* high) {
  for (std::size_t j = 0; j < kStep; ++j) s += (code[j] & 15) * low[j] + (code[j] >> 4) * high[j];
  return s;
}
inline std::int32_t Total(Sum s) {
  return s;
}
inline void Total4(Sum a, Sum b, Sum c, Sum d, std::int32_t* out) {
  out[0] = a;
  out[1] = b;
  out[2] = c;
  out[3] = d;
}

template <std::size_t Stride>
inline __attribute__((always_inline)) std::int32_t SignSum(const SignQuery& query,
                                                           std::size_t stride,
                                                           const std::uint8_t* row) {
  std::int32_t sum = 0;
  for (std::size_t at = 0; at < stride; at += 8) {
    std::uint64_t bits;
    __builtin_memcpy(&bits, row + at, sizeof(bits));
    for (int p = 0; p < 4; ++p) {
      std::uint64_t plane;
      __builtin_memcpy(&plane, query.planes + p * stride + at, sizeof(plane));
      const int count = __builtin_popcountll(bits & plane);
      sum += p == 3 ? -8 * count : count << p;
    }
  }
  return sum;
}

}  // namespace
}  // namespace malmoi::ann

#include "ann/hop-inl.h"
#include "ann/query-inl.h"
#include "ann/scores-inl.h"
#include "ann/sift-inl.h"

namespace malmoi::ann {

const ScoreTable kScalarScores = {"scalar", Four, Eight, Offer,  WalkAll, Rotate,
                                  Split,    Join, Pick,  Marked, Sift};

}  // namespace malmoi::ann
