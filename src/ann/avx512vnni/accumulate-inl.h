#pragma once

#include "ann/avx512/sum-inl.h"

namespace malmoi::ann {
namespace {

inline Sum Accumulate(Sum s, const std::uint8_t* code, const std::int8_t* low,
                      const std::int8_t* high) {
  const __m512i mask = _mm512_set1_epi8(15);
  const __m512i c = _mm512_loadu_si512(code);
  s = _mm512_dpbusd_epi32(s, _mm512_and_si512(c, mask), _mm512_loadu_si512(low));
  return _mm512_dpbusd_epi32(s, _mm512_and_si512(_mm512_srli_epi16(c, 4), mask),
                             _mm512_loadu_si512(high));
}

}  // namespace
}  // namespace malmoi::ann
