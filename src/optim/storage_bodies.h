#pragma once

#include <cstddef>
#include <cstdint>

#include "optim/lane_pass.h"

// The conversions of storage.h, compiled for every level like kernels: lanes, or plain loops that
// the compiler vectorises; exact on each (no contraction, one rounding an operation).
namespace malmoi::optim {

struct StorageBodies {
  void (*from_bf16)(const std::uint16_t* in, float* out, std::size_t n);
  void (*to_bf16)(const float* in, std::uint16_t* out, std::size_t n, const HalfRounding& rounding,
                  std::uint64_t key, std::size_t begin);
  void (*from_q8)(const std::uint8_t* in, const float* scales, bool non_negative, float* out,
                  std::size_t n);
  void (*to_q8)(const float* in, bool non_negative, std::uint8_t* out, float* scales, std::size_t n,
                std::uint64_t key, std::size_t first_block);
  BlockCodes blocks;
};

#if defined(MALMOI_OPTIM_LEVEL)  // After codes-inl.h (by run-inl.h).
namespace {

void FromBf16Body(const std::uint16_t* in, float* out, std::size_t n) {
  auto* bits = reinterpret_cast<std::uint32_t*>(out);
  std::size_t i = 0;
#if defined(__AVX512F__)
  for (; i + 16 <= n; i += 16) {
    const __m256i b = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(in + i));
    _mm512_storeu_si512(bits + i, _mm512_slli_epi32(_mm512_cvtepu16_epi32(b), 16));
  }
#endif
  for (; i < n; ++i) bits[i] = static_cast<std::uint32_t>(in[i]) << 16;
}

void ToBf16Body(const float* in, std::uint16_t* out, std::size_t n, const HalfRounding& rounding,
                std::uint64_t key, std::size_t begin) {
  constexpr std::size_t kLanes = F32::kLanes;
  const auto block_key = [&](std::size_t element) {
    return (DitherKey(key, element / kCodeBlock) >> 4) & rounding.keys;
  };
  const auto store = [&](std::size_t element, F32 x, std::uint16_t* to) {
    const std::size_t at = element % kCodeBlock;
    const std::uint32_t now = block_key(element);
    if (at <= kCodeBlock - kLanes) return StoreHalf(to, x, rounding.add + at, now, rounding.odd);
    std::uint32_t mixed[kLanes];
    MixBits(rounding.add, at, now, block_key(element + kLanes), mixed);
    StoreHalf(to, x, mixed, 0, rounding.odd);
  };
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store(begin + i, F32::Load(in + i), out + i);
  if (i == n) return;
  std::uint16_t rest[kLanes];
  store(begin + i, F32::LoadFirst(in + i, n - i), rest);
  for (std::size_t k = 0; i < n; ++k, ++i) out[i] = rest[k];
}

void FromQ8Body(const std::uint8_t* in, const float* scales, bool non_negative, float* out,
                std::size_t n) {
  const CodeForm form = non_negative ? kUnsigned : kSigned;
  auto* bits = reinterpret_cast<std::uint32_t*>(out);
  const auto* units = reinterpret_cast<const std::uint32_t*>(scales);
  for (std::size_t b = 0; b < n; b += kCodeBlock) {
    const std::uint32_t unit = units[b / kCodeBlock];
    const std::size_t end = b + kCodeBlock < n ? b + kCodeBlock : n;
    for (std::size_t i = b; i < end; ++i) {
      const std::uint32_t code = in[i];
      const std::uint32_t size = (code << 20) & form.magnitude;
      bits[i] = (non_negative || size != 0 ? size + unit : 0u) | ((code << 24) & form.sign);
    }
  }
}

// Codes of a block or less of it: the high halves of numbers with their random bits, then less the
// unit and cut off.
template <bool kNonNegative>
void EncodeSome(const std::uint32_t* in, std::size_t n, std::uint32_t key, std::uint32_t* scale,
                std::uint8_t* out) {
  alignas(64) std::uint16_t high[kCodeBlock];
  std::uint16_t top = 0;
  for (std::size_t i = 0; i < n; ++i) {
    high[i] = static_cast<std::uint16_t>((in[i] + (kDither.at[i] ^ key)) >> 16);
  }
  for (std::size_t i = 0; i < n; ++i) {
    const auto size = static_cast<std::uint16_t>(high[i] & 0x7fffu);
    top = size > top ? size : top;
  }
  const std::uint32_t unit = UnitOf(top, (kNonNegative ? kUnsigned : kSigned).octaves);
  *scale = unit << 16;
  for (std::size_t i = 0; i < n; ++i) {
    auto size = static_cast<std::uint16_t>(high[i] & 0x7fffu);
    size = size < kTopSize ? size : static_cast<std::uint16_t>(kTopSize);
    const auto code = static_cast<std::uint16_t>(size > unit ? (size - unit) >> 4 : 0);
    out[i] = static_cast<std::uint8_t>(kNonNegative ? code : code | (high[i] >> 8 & 128u));
  }
}

#if defined(__AVX512BW__)
template <bool kNonNegative>
void EncodeWhole(const std::uint32_t* in, std::uint32_t key, std::uint32_t* scale,
                 std::uint8_t* out) {
  const __m512i v_key = _mm512_set1_epi32(static_cast<int>(key));
  alignas(64) std::uint16_t highs[kCodeBlock];
  __m512i top = _mm512_setzero_si512();
  for (std::size_t at = 0; at < kCodeBlock; at += 32) {
    const __m512i high = RandomHighs(_mm512_loadu_si512(in + at), _mm512_loadu_si512(in + at + 16),
                                     BitsAt(at, v_key));
    _mm512_store_si512(highs + at, high);
    top = _mm512_max_epu16(top, SizesOf(high));
  }
  EncodeHighs(highs, LargestOf(top), kNonNegative, scale, out);
}
#else
template <bool kNonNegative>
void EncodeWhole(const std::uint32_t* in, std::uint32_t key, std::uint32_t* scale,
                 std::uint8_t* out) {
  EncodeSome<kNonNegative>(in, kCodeBlock, key, scale, out);
}
#endif

void EncodeBody(const float* in, bool non_negative, std::uint8_t* out, float* scale,
                std::uint64_t key, std::size_t block) {
  const auto* bits = reinterpret_cast<const std::uint32_t*>(in);
  auto* unit = reinterpret_cast<std::uint32_t*>(scale);
  const std::uint32_t block_key = DitherKey(key, block);
  if (non_negative) {
    EncodeWhole<true>(bits, block_key, unit, out);
  } else {
    EncodeWhole<false>(bits, block_key, unit, out);
  }
}

void ToQ8Body(const float* in, bool non_negative, std::uint8_t* out, float* scales, std::size_t n,
              std::uint64_t key, std::size_t first_block) {
  std::size_t b = 0;
  for (; (b + 1) * kCodeBlock <= n; ++b) {
    EncodeBody(in + b * kCodeBlock, non_negative, out + b * kCodeBlock, scales + b, key,
               first_block + b);
  }
  const std::size_t at = b * kCodeBlock;
  if (at == n) return;
  const auto* bits = reinterpret_cast<const std::uint32_t*>(in) + at;
  auto* unit = reinterpret_cast<std::uint32_t*>(scales + b);
  const std::uint32_t block_key = DitherKey(key, first_block + b);
  if (non_negative) {
    EncodeSome<true>(bits, n - at, block_key, unit, out + at);
  } else {
    EncodeSome<false>(bits, n - at, block_key, unit, out + at);
  }
}

void DecodeBody(const std::uint8_t* in, const float* scale, bool non_negative, std::uint16_t* out) {
  const auto unit =
      static_cast<std::uint16_t>(*reinterpret_cast<const std::uint32_t*>(scale) >> 16);
#if defined(__AVX512BW__)
  const __m512i v_unit = _mm512_set1_epi16(static_cast<short>(unit));
  for (std::size_t i = 0; i < kCodeBlock; i += 32) {
    _mm512_storeu_si512(out + i, non_negative ? HalvesOfCodes<true>(in + i, v_unit)
                                              : HalvesOfCodes<false>(in + i, v_unit));
  }
#else
  if (non_negative) {
    for (std::size_t i = 0; i < kCodeBlock; ++i) {
      out[i] = static_cast<std::uint16_t>((in[i] << 4) + unit);
    }
    return;
  }
  for (std::size_t i = 0; i < kCodeBlock; ++i) {
    const auto wide = static_cast<std::uint16_t>(static_cast<signed char>(in[i]));
    const auto bits = static_cast<std::uint16_t>((wide << 4) & 0x87f0u);
    out[i] = static_cast<std::uint16_t>(bits + ((bits & 0x7fffu) != 0 ? unit : 0));
  }
#endif
}

}  // namespace

extern const StorageBodies OPTIM_JOIN(kStorage_, MALMOI_OPTIM_LEVEL);
const StorageBodies OPTIM_JOIN(kStorage_, MALMOI_OPTIM_LEVEL) = {
    &FromBf16Body, &ToBf16Body, &FromQ8Body, &ToQ8Body, {&DecodeBody, &EncodeBody}};
#else
extern const StorageBodies kStorage_scalar;
#if defined(__x86_64__)
extern const StorageBodies kStorage_avx2, kStorage_avx512;
#endif
#endif

}  // namespace malmoi::optim
