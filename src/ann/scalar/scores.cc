#include <cstddef>
#include <cstdint>

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

}  // namespace
}  // namespace malmoi::ann

#include "ann/hop-inl.h"
#include "ann/query-inl.h"
#include "ann/scores-inl.h"

namespace malmoi::ann {

const ScoreTable kScalarScores = {"scalar", Four, Eight, Offer, WalkAll, Rotate, Split, Join};

}  // namespace malmoi::ann
