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
F32 Decode(const std::uint8_t* codes, bool non_negative, F32 scale) {
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
  F32 top = F32::Set(0);
  const std::size_t whole = n - n % F32::kLanes;
  for (std::size_t i = 0; i < whole; i += F32::kLanes) top = Max(Abs(F32::Load(in + i)), top);
  float lanes[F32::kLanes];
  top.Store(lanes);
  // Magnitudes are ordered as their bits are, whose maximum the compiler finds in a few steps.
  std::uint32_t bits[F32::kLanes], most = 0;
  __builtin_memcpy(bits, lanes, sizeof(bits));
  for (const std::uint32_t b : bits) most = b > most ? b : most;
  float largest;
  __builtin_memcpy(&largest, &most, sizeof(largest));
  for (std::size_t i = whole; i < n; ++i) {
    const float a = __builtin_fabsf(in[i]);
    largest = a > largest ? a : largest;
  }
  return largest;
}

// 1 / sqrt(x) from its bits, to 3 %.
F32 GuessInverseRoot(F32 x) {
#if defined(__AVX512F__)
  const __m512i bits = _mm512_srli_epi32(_mm512_castps_si512(x.v), 1);
  return {_mm512_castsi512_ps(_mm512_sub_epi32(_mm512_set1_epi32(0x5f3759df), bits))};
#else
  std::uint32_t bits[F32::kLanes];
  float lanes[F32::kLanes];
  x.Store(lanes);
  __builtin_memcpy(bits, lanes, sizeof(bits));
  for (std::uint32_t& b : bits) b = 0x5f3759dfu - (b >> 1);
  __builtin_memcpy(lanes, bits, sizeof(lanes));
  return F32::Load(lanes);
#endif
}
// To 5e-6, which is a fiftieth of what moves a code: two Newton steps cost less than a division or
// a root, and are equal on every processor. Finite for 0.
F32 InverseRoot(F32 x) {
  const F32 h = x * F32::Set(-0.5f), c = F32::Set(1.5f);
  F32 y = GuessInverseRoot(x);
  y = y * Fma(h * y, y, c);
  return y * Fma(h * y, y, c);
}

void Encode(F32 x, bool non_negative, F32 inverse, std::uint8_t* codes) {
  const F32 one = F32::Set(1), half = F32::Set(0.5f);
  const F32 part = Min(Abs(x) * inverse, one);  // NaN counts as the largest.
  const F32 down = InverseRoot(part);
  if (non_negative) {
    const F32 least = Select(Gt(part, F32::Set(0)), one, F32::Set(0));
    // The inverse root of the inverse root; of 0 it is 1e-10.
    StoreBytes(codes, Max(Fma(InverseRoot(down), F32::Set(255.0f), half), least));
  } else {
    const F32 code = Trunc(Fma(part * down, F32::Set(127.0f), half));
    const F32 middle = F32::Set(128);
    StoreBytes(codes, Select(Lt(x, F32::Set(0)), middle - code, middle + code));
  }
}

void ToQ8Body(const float* in, bool non_negative, std::uint8_t* out, float* scales, std::size_t n) {
  constexpr std::size_t kLanes = F32::kLanes;
  for (std::size_t b = 0; b < n; b += kBlock) {
    const std::size_t count = b + kBlock < n ? kBlock : n - b;
    const std::size_t whole = count - count % kLanes;
    const float top = LargestOf(in + b, count);
    scales[b / kBlock] = top;
    const F32 inverse = F32::Set(top > 0 ? 1.0f / top : 0.0f);
    for (std::size_t i = b; i < b + whole; i += kLanes) {
      Encode(F32::Load(in + i), non_negative, inverse, out + i);
    }
    if (whole == count) continue;
    float values[kLanes] = {};
    std::uint8_t codes[kLanes];
    for (std::size_t i = whole; i < count; ++i) values[i - whole] = in[b + i];
    Encode(F32::Load(values), non_negative, inverse, codes);
    for (std::size_t i = whole; i < count; ++i) out[b + i] = codes[i - whole];
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
