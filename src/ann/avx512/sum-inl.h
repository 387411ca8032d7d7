#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "ann/scores_internal.h"

// What the two AVX-512 levels share: 64 bytes a step, sums of sixteen 32-bit lanes.
namespace malmoi::ann {
namespace {

using Sum = __m512i;
constexpr std::size_t kStep = 64;

inline Sum Zero() {
  return _mm512_setzero_si512();
}
inline __m256i Halves(Sum s) {
  return _mm256_add_epi32(_mm512_castsi512_si256(s), _mm512_extracti64x4_epi64(s, 1));
}
inline void Total4(Sum a, Sum b, Sum c, Sum d, std::int32_t* out) {
  const __m256i t = _mm256_hadd_epi32(_mm256_hadd_epi32(Halves(a), Halves(b)),
                                      _mm256_hadd_epi32(Halves(c), Halves(d)));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(out),
                   _mm_add_epi32(_mm256_castsi256_si128(t), _mm256_extracti128_si256(t, 1)));
}
inline std::int32_t Total(Sum s) {
  std::int32_t out[4];
  Total4(s, s, s, s, out);
  return out[0];
}

// As hop-inl.h says, eight keys at a time: each is the larger of itself and the smaller of the one
// before it and the new one.
#define MALMOI_ANN_INSERT
inline void InsertKey(std::uint64_t* keys, std::size_t /*size*/, std::size_t last,
                      std::uint64_t key) {
  const __m512i x = _mm512_set1_epi64(static_cast<long long>(key));
  std::uint64_t* at = keys + last / 8 * 8;
  __m512i now = _mm512_load_si512(at);
  for (; at >= keys; at -= 8) {
    const __m512i before = _mm512_load_si512(at - 8);
    const __m512i moved = _mm512_alignr_epi64(now, before, 7);
    _mm512_store_si512(at, _mm512_max_epu64(now, _mm512_min_epu64(moved, x)));
    now = before;
  }
}
#define MALMOI_ANN_JOIN
std::int32_t Join(const std::uint8_t* first, const std::uint8_t* second, std::size_t blocks,
                  std::int8_t* plane) {
  const __m512i low = _mm512_set1_epi8(15), top = _mm512_set1_epi8(-128);
  __m512i sum = _mm512_setzero_si512();
  for (std::size_t b = 0; b < blocks; ++b) {
    const __m512i f = _mm512_loadu_si512(first + b * 64), s = _mm512_loadu_si512(second + b * 64);
    const __m512i near =
        _mm512_or_si512(_mm512_slli_epi16(_mm512_and_si512(f, low), 4), _mm512_and_si512(s, low));
    const __m512i far = _mm512_or_si512(_mm512_andnot_si512(low, f),
                                        _mm512_and_si512(_mm512_srli_epi16(s, 4), low));
    sum = _mm512_add_epi64(sum, _mm512_sad_epu8(near, _mm512_setzero_si512()));
    sum = _mm512_add_epi64(sum, _mm512_sad_epu8(far, _mm512_setzero_si512()));
    _mm512_storeu_si512(plane + b * 128, _mm512_xor_si512(near, top));
    _mm512_storeu_si512(plane + b * 128 + 64, _mm512_xor_si512(far, top));
  }
  return static_cast<std::int32_t>(_mm512_reduce_add_epi64(sum)) -
         static_cast<std::int32_t>(blocks) * 128 * 128;
}
#define MALMOI_ANN_PICK
std::size_t Pick(const std::uint64_t* bits, std::uint32_t bound, const std::uint32_t* ids,
                 std::size_t n, std::uint32_t* out) {
  const __m512i end = _mm512_set1_epi32(static_cast<int>(bound)), one = _mm512_set1_epi32(1);
  const __m512i low = _mm512_set1_epi32(31);
  std::size_t picked = 0;
  for (std::size_t i = 0; i < n; i += 16) {
    const auto here = static_cast<__mmask16>(n - i < 16 ? (1u << (n - i)) - 1 : 0xffffu);
    const __m512i id = _mm512_maskz_loadu_epi32(here, ids + i);
    const __mmask16 in = _mm512_mask_cmplt_epu32_mask(here, id, end);
    const __m512i words =
        _mm512_mask_i32gather_epi32(_mm512_setzero_si512(), in, _mm512_srli_epi32(id, 5), bits, 4);
    const __m512i bit = _mm512_sllv_epi32(one, _mm512_and_si512(id, low));
    const __mmask16 set = _mm512_mask_test_epi32_mask(in, words, bit);
    _mm512_storeu_si512(out + picked, _mm512_maskz_compress_epi32(set, id));
    picked += static_cast<unsigned>(__builtin_popcount(set));
  }
  return picked;
}
std::size_t Marked(const std::uint64_t* bits, const std::uint32_t* ids, std::uint32_t begin,
                   std::uint32_t end, std::uint32_t* out) {
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(bits);
  std::size_t n = 0;
  for (std::uint32_t at = begin; at < end; at += 16) {
    std::uint32_t word;
    __builtin_memcpy(&word, bytes + at / 8, sizeof(word));
    const auto here = static_cast<__mmask16>(end - at < 16 ? (1u << (end - at)) - 1 : 0xffffu);
    const auto set = static_cast<__mmask16>(word >> (at % 8) & here);
    // To a register first: compressing into memory is slow on Zen 4.
    _mm512_storeu_si512(out + n,
                        _mm512_maskz_compress_epi32(set, _mm512_maskz_loadu_epi32(here, ids + at)));
    n += static_cast<unsigned>(__builtin_popcount(set));
  }
  return n;
}
#ifndef MALMOI_ANN_POPCNT
// Bits of a row as a mask of the values; sums of two, at most 1,024 times, fit 16 bits.
template <std::size_t Stride>
inline __attribute__((always_inline)) std::int32_t SignSum(const SignQuery& query,
                                                           [[maybe_unused]] std::size_t stride,
                                                           const std::uint8_t* row) {
  const __m512i one = _mm512_set1_epi8(1);
  __m512i sum = _mm512_setzero_si512();
  for (std::size_t at = 0; at < query.tail; at += 8) {
    std::uint64_t bits;
    __builtin_memcpy(&bits, row + at, sizeof(bits));
    const __m512i v = _mm512_maskz_loadu_epi8(bits, query.values + at * 8);
    sum = _mm512_add_epi16(sum, _mm512_maddubs_epi16(one, v));
  }
  return _mm512_reduce_add_epi32(_mm512_madd_epi16(sum, _mm512_set1_epi16(1)));
}
#endif
inline std::size_t FirstOpen(const std::uint64_t* keys, std::size_t from, std::size_t size) {
  const __m512i one = _mm512_set1_epi64(1);
  for (std::size_t i = from / 8 * 8; i < size; i += 8) {
    unsigned open = _mm512_testn_epi64_mask(_mm512_load_si512(keys + i), one);
    if (i < from) open &= 0xffu << (from - i);
    if (open != 0) {
      const std::size_t at = i + static_cast<unsigned>(__builtin_ctz(open));
      return at < size ? at : size;
    }
  }
  return size;
}

}  // namespace
}  // namespace malmoi::ann
