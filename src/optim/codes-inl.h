#pragma once

#include <cstddef>
#include <cstdint>

#include "optim/lane_pass.h"

// What storage.h's 8-bit codes are made of, for a level's files: storage_bodies.h, which converts
// arrays, and avx512/coded_block-inl.h, which keeps states of a block in registers between decoding
// and encoding. Both give the same bits.
namespace malmoi::optim {
namespace {

constexpr std::size_t kCodeBlock = 256;

// What a code's bits mean: see storage.h. `unit` is where code 0 would be, as bits.
struct CodeForm {
  std::uint32_t magnitude, sign, octaves;
};
constexpr CodeForm kSigned = {0x07f00000u, 0x80000000u, 16};
constexpr CodeForm kUnsigned = {0x0ff00000u, 0, 32};

// What is added below a code's last bit before the rest is cut off: for each place in a block the
// fraction of a multiple of the golden ratio, to 20 bits, and the block's key.
struct Dither {
  std::uint32_t at[kCodeBlock];
};
constexpr Dither MakeDither() {
  Dither d{};
  for (std::uint32_t i = 0; i < kCodeBlock; ++i) d.at[i] = (i * 0x9e3779b9u) >> 12;
  return d;
}
alignas(64) constexpr Dither kDither = MakeDither();

// Twenty bits of a state's key and a block.
inline std::uint32_t DitherKey(std::uint64_t key, std::uint64_t block) {
  std::uint64_t z = key + (block + 1) * 0x9e3779b97f4a7c15ull;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
  return static_cast<std::uint32_t>(z >> 44);
}

// Sizes are seen as the high halves of f32, so units and steps are too: a code's step is 16.
// The unit of a block: the exponent of its largest less the octaves of the code.
inline std::uint32_t UnitOf(std::uint32_t top, std::uint32_t octaves) {
  const std::uint32_t exponent = top >> 7 < 254 ? top >> 7 : 254;
  return exponent >= octaves ? (exponent - octaves + 1) << 7 : 0;
}

#if defined(__AVX512BW__)
// The high halves of thirty-two f32, given as bits, in order, after their random bits were added.
inline __m512i RandomHighs(__m512i low, __m512i high, const std::uint32_t* dither, __m512i key) {
  const __m512i odd = _mm512_set_epi32(0x3f003d, 0x3b0039, 0x370035, 0x330031, 0x2f002d, 0x2b0029,
                                       0x270025, 0x230021, 0x1f001d, 0x1b0019, 0x170015, 0x130011,
                                       0x0f000d, 0x0b0009, 0x070005, 0x030001);
  const __m512i low_d = _mm512_xor_si512(key, _mm512_load_si512(dither));
  const __m512i high_d = _mm512_xor_si512(key, _mm512_load_si512(dither + 16));
  return _mm512_permutex2var_epi16(_mm512_add_epi32(low, low_d), odd,
                                   _mm512_add_epi32(high, high_d));
}
inline __m512i SizesOf(__m512i highs) {
  return _mm512_and_si512(highs, _mm512_set1_epi16(0x7fff));
}
inline std::uint32_t LargestOf(__m512i sizes) {
  const __m256i half =
      _mm256_max_epu16(_mm512_castsi512_si256(sizes), _mm512_extracti64x4_epi64(sizes, 1));
  const __m128i part =
      _mm_max_epu16(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
  const __m128i least = _mm_minpos_epu16(_mm_xor_si128(part, _mm_set1_epi16(-1)));
  return static_cast<std::uint32_t>(~_mm_cvtsi128_si32(least) & 0xffff);
}
// `step` is the block's unit in code steps.
template <bool kNonNegative>
inline void StoreCodes(__m512i highs, __m512i step, std::uint8_t* out) {
  const __m512i whole = _mm512_srli_epi16(SizesOf(highs), 4);
  __m512i code = _mm512_subs_epu16(whole, step);
  __m256i* to = reinterpret_cast<__m256i*>(out);
  if constexpr (kNonNegative) {
    code = _mm512_max_epu16(code, _mm512_min_epu16(whole, _mm512_set1_epi16(1)));
    _mm256_storeu_si256(to, _mm512_cvtusepi16_epi8(code));
  } else {
    code = _mm512_min_epu16(code, _mm512_set1_epi16(127));
    code =
        _mm512_ternarylogic_epi32(_mm512_set1_epi16(128), _mm512_srli_epi16(highs, 8), code, 0xca);
    _mm256_storeu_si256(to, _mm512_cvtepi16_epi8(code));
  }
}
// Thirty-two codes as bf16, which holds what they stand for. `kept` are a code's bits there.
inline __m512i HalvesOfCodes(const std::uint8_t* in, __m512i unit, __m512i kept) {
  const __m256i codes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(in));
  const __m512i bits = _mm512_and_si512(_mm512_slli_epi16(_mm512_cvtepi8_epi16(codes), 4), kept);
  const __mmask32 some = _mm512_test_epi16_mask(bits, _mm512_set1_epi16(0x7fff));
  return _mm512_mask_add_epi16(bits, some, bits, unit);
}
inline __m512i KeptOfCodes(bool non_negative) {
  return _mm512_set1_epi16(static_cast<short>(non_negative ? 0x0ff0 : 0x87f0));
}
#endif

}  // namespace
}  // namespace malmoi::optim
