#if defined(__x86_64__)
#include "ann/avx512/sum-inl.h"

namespace malmoi::ann {
namespace {

// A product pair is at most 2 * 15 * 128, two of them 7,680: inside 16 bits.
inline Sum Accumulate(Sum s, const std::uint8_t* code, const std::int8_t* low,
                      const std::int8_t* high) {
  const __m512i mask = _mm512_set1_epi8(15);
  const __m512i c = _mm512_loadu_si512(code);
  const __m512i a = _mm512_maddubs_epi16(_mm512_and_si512(c, mask), _mm512_loadu_si512(low));
  const __m512i b = _mm512_maddubs_epi16(_mm512_and_si512(_mm512_srli_epi16(c, 4), mask),
                                         _mm512_loadu_si512(high));
  return _mm512_add_epi32(s, _mm512_madd_epi16(_mm512_add_epi16(a, b), _mm512_set1_epi16(1)));
}

}  // namespace
}  // namespace malmoi::ann

#include "ann/hop-inl.h"
#include "ann/query-inl.h"
#include "ann/scores-inl.h"
#include "ann/sift-inl.h"

namespace malmoi::ann {

const ScoreTable kAvx512Scores = {"avx512", Four, Eight, Offer,  WalkAll, Rotate,
                                  Split,    Join, Pick,  Marked, Sift};

}  // namespace malmoi::ann
#endif
