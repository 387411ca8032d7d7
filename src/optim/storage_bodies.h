#pragma once

#include <cstddef>
#include <cstdint>

// The conversions of storage.h, compiled for every level like kernels: lanes, or plain loops that
// the compiler vectorises; exact on each (no contraction, one rounding an operation).
namespace malmoi::optim {

struct StorageBodies {
  void (*from_bf16)(const std::uint16_t* in, float* out, std::size_t n);
  void (*to_bf16)(const float* in, std::uint16_t* out, std::size_t n);
  void (*from_q8)(const std::uint8_t* in, const float* scales, bool non_negative, float* out,
                  std::size_t n);
  void (*to_q8)(const float* in, bool non_negative, std::uint8_t* out, float* scales,
                std::size_t n);
};

#if defined(MALMOI_OPTIM_LEVEL)
namespace {

constexpr std::size_t kBlock = 256;

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

#if defined(__AVX512F__)
// Sixteen at a time; the index of what is left.
std::size_t ToBf16Fast(const float* in, std::uint16_t* out, std::size_t n) {
  const __m512i one = _mm512_set1_epi32(1), half = _mm512_set1_epi32(0x7fff);
  const __m512i quiet = _mm512_set1_epi32(0x400000);
  std::size_t i = 0;
  for (; i + 16 <= n; i += 16) {
    const __m512 a = _mm512_loadu_ps(in + i);
    const __m512i u = _mm512_castps_si512(a);
    const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(u, 16), one);
    const __m512i up = _mm512_add_epi32(_mm512_add_epi32(u, half), odd);
    const __mmask16 nan = _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q);
    const __m512i picked = _mm512_mask_or_epi32(up, nan, u, quiet);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + i),
                        _mm512_cvtepi32_epi16(_mm512_srli_epi32(picked, 16)));
  }
  return i;
}
#elif defined(__AVX2__)
// Sixteen at a time while there is no NaN; the index of what is left.
std::size_t ToBf16Fast(const float* in, std::uint16_t* out, std::size_t n) {
  const __m256i one = _mm256_set1_epi32(1), half = _mm256_set1_epi32(0x7fff);
  std::size_t i = 0;
  for (; i + 16 <= n; i += 16) {
    const __m256 a = _mm256_loadu_ps(in + i), b = _mm256_loadu_ps(in + i + 8);
    if (_mm256_movemask_ps(_mm256_cmp_ps(a, b, _CMP_UNORD_Q)) != 0) break;
    const __m256i u = _mm256_castps_si256(a), v = _mm256_castps_si256(b);
    const __m256i odd_u = _mm256_and_si256(_mm256_srli_epi32(u, 16), one);
    const __m256i odd_v = _mm256_and_si256(_mm256_srli_epi32(v, 16), one);
    const __m256i r = _mm256_srli_epi32(_mm256_add_epi32(_mm256_add_epi32(u, half), odd_u), 16);
    const __m256i s = _mm256_srli_epi32(_mm256_add_epi32(_mm256_add_epi32(v, half), odd_v), 16);
    const __m256i packed = _mm256_permute4x64_epi64(_mm256_packus_epi32(r, s), 0xd8);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + i), packed);
  }
  return i;
}
#else
std::size_t ToBf16Fast(const float*, std::uint16_t*, std::size_t) {
  return 0;
}
#endif

void ToBf16Body(const float* in, std::uint16_t* out, std::size_t n) {
  const auto* bits = reinterpret_cast<const std::uint32_t*>(in);
  for (std::size_t i = ToBf16Fast(in, out, n); i < n; ++i) {
    const std::uint32_t u = bits[i];
    const std::uint32_t rounded = (u + 0x7fffu + ((u >> 16) & 1u)) >> 16;
    const std::uint32_t nan = (u >> 16) | 0x40u;
    out[i] = static_cast<std::uint16_t>((u & 0x7fffffffu) > 0x7f800000u ? nan : rounded);
  }
}

// Sixteen codes at a time; the last ones of an array through a copy.
OPTIM_INLINE F32 Decode(const std::uint8_t* codes, bool non_negative, F32 scale) {
  const F32 q = LoadBytes(codes);
  if (non_negative) {
    const F32 r = q * F32::Set(1.0f / 255.0f);
    const F32 r2 = r * r;
    return (r2 * r2) * scale;
  }
  const F32 s = (q - F32::Set(128)) * F32::Set(1.0f / 127.0f);
  return (s * Abs(s)) * scale;
}

void FromQ8Body(const std::uint8_t* in, const float* scales, bool non_negative, float* out,
                std::size_t n) {
  constexpr std::size_t kLanes = F32::kLanes;
  const std::size_t whole = n - n % kLanes;
  for (std::size_t b = 0; b < whole; b += kBlock) {
    const F32 scale = F32::Set(scales[b / kBlock]);
    const std::size_t end = b + kBlock < whole ? b + kBlock : whole;
    for (std::size_t i = b; i < end; i += kLanes)
      Decode(in + i, non_negative, scale).Store(out + i);
  }
  if (whole == n) return;
  std::uint8_t codes[kLanes] = {};
  float values[kLanes];
  for (std::size_t i = whole; i < n; ++i) codes[i - whole] = in[i];
  Decode(codes, non_negative, F32::Set(scales[whole / kBlock])).Store(values);
  for (std::size_t i = whole; i < n; ++i) out[i] = values[i - whole];
}

float LargestOf(const float* in, std::size_t n) {
  constexpr std::size_t kLanes = F32::kLanes, kStep = 4 * kLanes;
  F32 top[4] = {F32::Set(0), F32::Set(0), F32::Set(0), F32::Set(0)};
  std::size_t i = 0;
  for (; i + kStep <= n; i += kStep) {
    for (std::size_t t = 0; t < 4; ++t) top[t] = Max(Abs(F32::Load(in + i + t * kLanes)), top[t]);
  }
  for (; i + kLanes <= n; i += kLanes) top[0] = Max(Abs(F32::Load(in + i)), top[0]);
  float largest = MaxLane(Max(Max(top[0], top[1]), Max(top[2], top[3])));
  for (; i < n; ++i) {
    const float a = __builtin_fabsf(in[i]);
    largest = a > largest ? a : largest;
  }
  return largest;
}

// Codes are roots of x / top. A root by the bits of x, to 4 %, times a polynomial in what is left
// of it: no division and no square root, whose unit a step's own arithmetic keeps busy, no
// multiplication by 1 / top, which is in the polynomial's factors, and equal on every processor.
// The polynomials are minimax fits over all mantissas, to 1.6e-5 and 1.4e-5: a fiftieth of a code
// and less. For normal numbers; 0 for 0.
//
// sqrt(x) = x y (c0 + c1 u + c2 u^2) with y near .9 / sqrt(x) and u = x y^2.
constexpr int kSquareGuess = 0x5f1f59df;
constexpr float kSquare[3] = {2.1094522f, -1.7788229f, 0.67442256f};
// x^(1/4) = x y^3 (c0 + c1 u + c2 u^2 + c3 u^3) with y near 1.15 / x^(1/4) and u = x y^4.
constexpr int kFourthGuess = 0x4f70cae6;
constexpr float kFourth[4] = {2.0068407f, -1.5012721f, 0.55457830f, -0.078513339f};

// Adding 1.5 * 2^23 rounds to integers, which then are the low bits.
constexpr float kToInteger = 12582912.0f;
// Below this a block is multiplied by 2^64 first: its small values may be subnormal.
constexpr float kSmallTop = 1e-24f, kEnlarge = 18446744073709551616.0f;
// (What is still smaller then is zero, or within a few units of what f32 can hold at all.)
constexpr float kLargest = 3.4028235e38f;

// A root of x in two factors, of which the second, a polynomial with coefficients c, is positive.
template <bool kNonNegative>
OPTIM_INLINE void Root(F32 x, const F32* c, F32* front, F32* factor) {
  if constexpr (kNonNegative) {
    const F32 y = MinusShifted<2>(kFourthGuess, x);
    const F32 y2 = y * y, w = x * y2, u = w * y2;
    *front = w * y;
    *factor = Fma(Fma(Fma(c[3], u, c[2]), u, c[1]), u, c[0]);
  } else {
    const F32 y = MinusShifted<1>(kSquareGuess, x);
    *front = x * y;
    const F32 u = *front * y;
    *factor = Fma(Fma(c[2], u, c[1]), u, c[0]);
  }
}
template <bool kNonNegative>
OPTIM_INLINE float Coefficient(int i) {
  return kNonNegative ? kFourth[i] : i < 3 ? kSquare[i] : 0.0f;
}

// What the root of each of sixteen tops is multiplied by to become the largest code.
template <bool kNonNegative>
F32 CodeScales(F32 tops) {
  F32 c[4], front, factor;
  for (int i = 0; i < 4; ++i) c[i] = F32::Set(Coefficient<kNonNegative>(i));
  Root<kNonNegative>(tops, c, &front, &factor);
  return F32::Set(kNonNegative ? 255.0f : 127.0f) / (front * factor);
}

// The codes of one block, whose largest magnitude is `top`, normal and finite.
template <bool kNonNegative>
struct Encoder {
  F32 top, least, c[4];

  OPTIM_INLINE Encoder(float largest, float scale) {
    constexpr float kLeast = 0.51f / 255;  // What would round to 0 and is none becomes 1.
    top = F32::Set(largest);
    least = F32::Set(largest * (kLeast * kLeast * kLeast * kLeast));
    for (int i = 0; i < 4; ++i) c[i] = F32::Set(Coefficient<kNonNegative>(i) * scale);
  }
  OPTIM_INLINE void Encode(F32 x, std::uint8_t* codes) const {
    F32 size = MinBits(Abs(x), top), front, factor;  // NaN counts as the largest.
    if constexpr (kNonNegative) {
      Root<true>(RaiseNonzero(size, least), c, &front, &factor);
      StoreLowBytes(codes, Fma(front, factor, F32::Set(kToInteger)));
    } else {
      Root<false>(size, c, &front, &factor);
      StoreLowBytes(codes, Fma(front, CopySign(factor, x), F32::Set(kToInteger + 128)));
    }
  }
};

template <bool kNonNegative>
OPTIM_INLINE void ToQ8Block(const float* in, std::size_t count, float top, float scale,
                            std::uint8_t* out) {
  constexpr std::size_t kLanes = F32::kLanes;
  const Encoder<kNonNegative> encoder(top, scale);
  const std::size_t whole = count - count % kLanes;
  for (std::size_t i = 0; i < whole; i += kLanes) encoder.Encode(F32::Load(in + i), out + i);
  if (whole == count) return;
  float values[kLanes] = {};
  std::uint8_t codes[kLanes];
  for (std::size_t i = whole; i < count; ++i) values[i - whole] = in[i];
  encoder.Encode(F32::Load(values), codes);
  for (std::size_t i = whole; i < count; ++i) out[i] = codes[i - whole];
}

// A block that is all but zero, or is not finite.
__attribute__((noinline)) float Tame(const float* in, std::size_t count, float top, float* out) {
  const float factor = top < kSmallTop ? kEnlarge : 1.0f;
  for (std::size_t i = 0; i < count; ++i) out[i] = in[i] * factor;
  const float larger = top * factor;
  return larger < kLargest ? larger : kLargest;
}

// Blocks in groups: what a block's codes depend on takes long to come through, from the largest
// value to the last factor, so it is made for many at once.
template <bool kNonNegative>
void ToQ8Group(const float* in, std::size_t n, std::uint8_t* out, float* scales) {
  float tops[F32::kLanes], factors[F32::kLanes], tamed[kBlock];
  for (float& top : tops) top = 1;
  const std::size_t blocks = (n + kBlock - 1) / kBlock;
  for (std::size_t b = 0; b < blocks; ++b) {
    const std::size_t count = n - b * kBlock < kBlock ? n - b * kBlock : kBlock;
    scales[b] = tops[b] = LargestOf(in + b * kBlock, count);
    if (!(tops[b] >= kSmallTop && tops[b] <= kLargest)) {
      tops[b] = Tame(in + b * kBlock, count, tops[b], tamed);
    }
  }
  CodeScales<kNonNegative>(F32::Load(tops)).Store(factors);
  for (std::size_t b = 0; b < blocks; ++b) {
    const float* from = in + b * kBlock;
    const std::size_t count = n - b * kBlock < kBlock ? n - b * kBlock : kBlock;
    if (tops[b] < kSmallTop) {
      for (std::size_t i = 0; i < count; ++i) out[b * kBlock + i] = kNonNegative ? 0 : 128;
      continue;
    }
    if (scales[b] < kSmallTop) {
      Tame(from, count, scales[b], tamed);
      from = tamed;
    }
    ToQ8Block<kNonNegative>(from, count, tops[b], factors[b], out + b * kBlock);
  }
}

void ToQ8Body(const float* in, bool non_negative, std::uint8_t* out, float* scales, std::size_t n) {
  constexpr std::size_t kGroup = F32::kLanes * kBlock;
  for (std::size_t i = 0; i < n; i += kGroup) {
    const std::size_t count = n - i < kGroup ? n - i : kGroup;
    if (non_negative) {
      ToQ8Group<true>(in + i, count, out + i, scales + i / kBlock);
    } else {
      ToQ8Group<false>(in + i, count, out + i, scales + i / kBlock);
    }
  }
}

}  // namespace

extern const StorageBodies OPTIM_JOIN(kStorage_, MALMOI_OPTIM_LEVEL);
const StorageBodies OPTIM_JOIN(kStorage_, MALMOI_OPTIM_LEVEL) = {&FromBf16Body, &ToBf16Body,
                                                                 &FromQ8Body, &ToQ8Body};
#else
extern const StorageBodies kStorage_scalar;
#if defined(__x86_64__)
extern const StorageBodies kStorage_avx2, kStorage_avx512;
#endif
#endif

}  // namespace malmoi::optim
