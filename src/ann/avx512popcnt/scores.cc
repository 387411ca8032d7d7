// The level of VNNI on processors that count bits of vectors too (Ice Lake, Zen 4).
#if defined(__x86_64__)
#define MALMOI_ANN_POPCNT
#define MALMOI_ANN_BOUNDS
#include "ann/avx512vnni/accumulate-inl.h"

namespace malmoi::ann {
namespace {

// Sums by 32-bit lane of the row's set bits.
template <std::size_t Stride>
inline __attribute__((always_inline)) __m512i SignSums(const SignQuery& q, std::size_t stride,
                                                       const std::uint8_t* row) {
  const __m512i weights[4] = {_mm512_set1_epi8(1), _mm512_set1_epi8(2), _mm512_set1_epi8(4),
                              _mm512_set1_epi8(-8)};
  __m512i sum = _mm512_setzero_si512();
  for (std::size_t at = 0; at < stride; at += 64) {
    const __m512i bits = _mm512_loadu_si512(row + at);
    for (int p = 0; p < 4; ++p) {
      const __m512i plane = _mm512_loadu_si512(q.planes + p * stride + at);
      const __m512i counts = _mm512_popcnt_epi8(_mm512_and_si512(bits, plane));
      sum = _mm512_dpbusd_epi32(sum, counts, weights[p]);
    }
  }
  return sum;
}

// Four rows at once.
template <std::size_t Stride>
void Bounds(const SignQuery& q, std::size_t stride, const std::uint32_t* ids, std::size_t n,
            float* out) {
  const __m128 scale = _mm_set1_ps(q.scale), middle = _mm_set1_ps(q.sum);
  const __m128 margin = _mm_set1_ps(q.margin), half_weight = _mm_set1_ps(q.half_weight);
  for (std::size_t k = 0; k < n; k += 4) {
    const std::uint8_t* rows[4];
    __m128 f[4];
    for (std::size_t i = 0; i < 4; ++i) {
      rows[i] = q.rows + std::size_t{ids[k + i < n ? k + i : k]} * stride;
      f[i] = _mm_loadu_ps(reinterpret_cast<const float*>(rows[i] + q.tail));
    }
    alignas(16) std::int32_t sums[4];
    Total4(SignSums<Stride>(q, stride, rows[0]), SignSums<Stride>(q, stride, rows[1]),
           SignSums<Stride>(q, stride, rows[2]), SignSums<Stride>(q, stride, rows[3]), sums);
    const __m128i twice = _mm_slli_epi32(_mm_load_si128(reinterpret_cast<__m128i*>(sums)), 1);
    _MM_TRANSPOSE4_PS(f[0], f[1], f[2], f[3]);
    const __m128 product =
        _mm_mul_ps(_mm_mul_ps(scale, f[0]), _mm_sub_ps(_mm_cvtepi32_ps(twice), middle));
    _mm_storeu_ps(out + k, _mm_sub_ps(_mm_add_ps(product, _mm_mul_ps(margin, f[1])),
                                      _mm_mul_ps(half_weight, f[2])));
  }
}

}  // namespace
}  // namespace malmoi::ann

#include "ann/hop-inl.h"
#include "ann/query-inl.h"
#include "ann/scores-inl.h"
#include "ann/sift-inl.h"

namespace malmoi::ann {

const ScoreTable kAvx512PopcntScores = {"avx512popcnt", Four, Eight, Offer,  WalkAll, Rotate,
                                        Split,          Join, Pick,  Marked, Sift};

}  // namespace malmoi::ann
#endif
