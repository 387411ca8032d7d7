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

// Beyond these sizes lie infinities and NaN, which get the largest code.
constexpr std::uint32_t kTopSize = 0x7f7f;

#if defined(__AVX512BW__)
// The random bits of thirty-two places of a block.
struct RandomBits {
  __m512i low, high;
};
inline RandomBits BitsAt(std::size_t at, __m512i key) {
  return {_mm512_xor_si512(key, _mm512_load_si512(kDither.at + at)),
          _mm512_xor_si512(key, _mm512_load_si512(kDither.at + at + 16))};
}
// The high halves of thirty-two f32, given as bits, in order, after their random bits were added.
inline __m512i RandomHighs(__m512i low, __m512i high, RandomBits bits) {
  const __m512i odd = _mm512_set_epi32(0x3f003d, 0x3b0039, 0x370035, 0x330031, 0x2f002d, 0x2b0029,
                                       0x270025, 0x230021, 0x1f001d, 0x1b0019, 0x170015, 0x130011,
                                       0x0f000d, 0x0b0009, 0x070005, 0x030001);
  return _mm512_permutex2var_epi16(_mm512_add_epi32(low, bits.low), odd,
                                   _mm512_add_epi32(high, bits.high));
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
// Sets what is infinite or NaN to the largest size. Apart, since each kernel has what calls it.
__attribute__((noinline, cold)) inline void LimitSizes(std::uint16_t* highs) {
  const __m512i most = _mm512_set1_epi16(static_cast<short>(kTopSize));
  for (std::size_t at = 0; at < kCodeBlock; at += 32) {
    const __m512i x = _mm512_load_si512(highs + at);
    const __m512i size = _mm512_min_epu16(SizesOf(x), most);
    const __m512i sign = _mm512_set1_epi16(static_cast<short>(0x8000));
    _mm512_store_si512(highs + at, _mm512_ternarylogic_epi32(sign, x, size, 0xca));
  }
}
// A block's codes and scale from its 256 high halves. Few operations, since this part overlaps with
// little else, and one loop for both kinds, since each kernel has it.
inline void EncodeHighs(std::uint16_t* highs, std::uint32_t largest, bool non_negative,
                        std::uint32_t* scale, std::uint8_t* out) {
  if (largest > kTopSize) LimitSizes(highs);
  const std::uint32_t unit = UnitOf(largest, (non_negative ? kUnsigned : kSigned).octaves);
  *scale = unit << 16;
  const __m512i from = _mm512_set1_epi16(static_cast<short>(unit));
  const __m512i sign = _mm512_set1_epi16(non_negative ? 0 : 128);
  const __m512i order = _mm512_set_epi64(7, 5, 3, 1, 6, 4, 2, 0);
  const auto codes = [&](std::size_t at) {
    const __m512i x = _mm512_load_si512(highs + at);
    const __m512i size = _mm512_srli_epi16(_mm512_subs_epu16(SizesOf(x), from), 4);
    return _mm512_ternarylogic_epi32(sign, _mm512_srli_epi16(x, 8), size, 0xca);
  };
#pragma GCC unroll 1
  for (std::size_t at = 0; at < kCodeBlock; at += 64) {
    const __m512i bytes = _mm512_packus_epi16(codes(at), codes(at + 32));
    _mm512_storeu_si512(out + at, _mm512_permutexvar_epi64(order, bytes));
  }
}
// Thirty-two codes as bf16, which holds what they stand for.
template <bool kNonNegative>
inline __m512i HalvesOfCodes(const std::uint8_t* in, __m512i unit) {
  const __m256i codes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(in));
  if constexpr (kNonNegative) {
    return _mm512_add_epi16(_mm512_slli_epi16(_mm512_cvtepu8_epi16(codes), 4), unit);
  }
  const __m512i kept = _mm512_set1_epi16(static_cast<short>(0x87f0));
  const __m512i bits = _mm512_and_si512(_mm512_slli_epi16(_mm512_cvtepi8_epi16(codes), 4), kept);
  const __mmask32 some = _mm512_test_epi16_mask(bits, _mm512_set1_epi16(0x7fff));
  return _mm512_mask_add_epi16(bits, some, bits, unit);
}
#endif

}  // namespace
}  // namespace malmoi::optim
