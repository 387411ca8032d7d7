#pragma once

#include <cstddef>
#include <cstdint>

// Sixteen f32 lanes in plain C++, for any processor. See avx512/v16-inl.h for what each does.
namespace malmoi::kernels {
namespace {

struct V16 {
  float v[16];
};

template <class To, class From>
inline To BitsOf(From from) {
  static_assert(sizeof(To) == sizeof(From));
  To to;
  __builtin_memcpy(&to, &from, sizeof(to));
  return to;
}

template <class F>
inline V16 ForLanes(F f) {
  V16 out;
  for (int i = 0; i < 16; ++i) out.v[i] = f(i);
  return out;
}

inline V16 Set(float x) {
  return ForLanes([=](int) { return x; });
}
inline V16 Load(const float* p) {
  return ForLanes([=](int i) { return p[i]; });
}
inline void Store(float* p, V16 a) {
  for (int i = 0; i < 16; ++i) p[i] = a.v[i];
}
inline V16 LoadPart(const float* p, std::size_t n, V16 fill) {
  for (std::size_t i = 0; i < n; ++i) fill.v[i] = p[i];
  return fill;
}
inline void StorePart(float* p, std::size_t n, V16 a) {
  for (std::size_t i = 0; i < n; ++i) p[i] = a.v[i];
}
inline V16 KeepPart(V16 a, std::size_t n) {
  for (std::size_t i = n; i < 16; ++i) a.v[i] = 0;
  return a;
}
inline V16 Add(const V16& a, const V16& b) {
  return ForLanes([&](int i) { return a.v[i] + b.v[i]; });
}
inline V16 Sub(const V16& a, const V16& b) {
  return ForLanes([&](int i) { return a.v[i] - b.v[i]; });
}
inline V16 Mul(const V16& a, const V16& b) {
  return ForLanes([&](int i) { return a.v[i] * b.v[i]; });
}
inline V16 Div(const V16& a, const V16& b) {
  return ForLanes([&](int i) { return a.v[i] / b.v[i]; });
}
// a * b + c rounded once, without an FMA instruction: the product is exact in double, the sum is
// rounded to odd (Boldo and Melquiond 2008: 53 >= 2 * 24 + 2 bits), so that the last rounding to
// float is the only one that counts. Overflow and NaN pass through (error is then NaN).
inline float Fma1(float a, float b, float c) {
  const double p = static_cast<double>(a) * b;
  const double s = p + c;
  const double bb = s - p;
  const double error = (p - (s - bb)) + (c - bb);
  auto bits = BitsOf<std::uint64_t>(s);
  // Away from zero where the error has the sum's sign, else towards it; either makes it odd.
  const bool inexact = error > 0 || error < 0;
  if (inexact && (bits & 1) == 0) bits += ((error > 0) == (s > 0)) ? 1 : -1;
  return static_cast<float>(BitsOf<double>(bits));
}
inline V16 Fma(const V16& a, const V16& b, const V16& c) {
  return ForLanes([&](int i) { return Fma1(a.v[i], b.v[i], c.v[i]); });
}
inline V16 Max(const V16& a, const V16& b) {
  return ForLanes([&](int i) { return a.v[i] > b.v[i] ? a.v[i] : b.v[i]; });
}
inline V16 Min(const V16& a, const V16& b) {
  return ForLanes([&](int i) { return a.v[i] < b.v[i] ? a.v[i] : b.v[i]; });
}
inline V16 Abs(const V16& a) {
  return ForLanes([&](int i) { return __builtin_fabsf(a.v[i]); });
}
inline V16 Pow2(const V16& shifted) {
  return ForLanes([&](int i) {
    const auto bits = BitsOf<std::uint32_t>(shifted.v[i]) + (127u - 0x4b400000u);
    return BitsOf<float>(bits << 23);
  });
}
inline V16 Choose(const float* table, const V16& index) {
  return ForLanes([&](int i) { return table[BitsOf<std::uint32_t>(index.v[i]) & 15u]; });
}
inline float Sum(V16 a) {
  for (int half = 8; half >= 1; half /= 2) {
    for (int i = 0; i < half; ++i) a.v[i] = a.v[i] + a.v[i + half];
  }
  return a.v[0];
}
inline float MaxLane(V16 a) {
  for (int half = 8; half >= 1; half /= 2) {
    for (int i = 0; i < half; ++i) a.v[i] = a.v[i] > a.v[i + half] ? a.v[i] : a.v[i + half];
  }
  return a.v[0];
}
inline float Sqrt(float x) {
  return __builtin_sqrtf(x);
}

inline V16 FromInts(const void* p) {
  std::int32_t ints[16];
  __builtin_memcpy(ints, p, sizeof(ints));
  return ForLanes([&](int i) { return static_cast<float>(ints[i]); });
}
inline std::uint32_t Bf16Bits(float x) {
  const auto u = BitsOf<std::uint32_t>(x);
  return x != x ? u | 0x400000u : u + 0x7fffu + ((u >> 16) & 1);
}
inline void StoreBf16(void* p, const V16& a) {
  std::uint16_t out[16];
  for (int i = 0; i < 16; ++i) out[i] = static_cast<std::uint16_t>(Bf16Bits(a.v[i]) >> 16);
  __builtin_memcpy(p, out, sizeof(out));
}
inline V16 RoundBf16(const V16& a) {
  return ForLanes([&](int i) { return BitsOf<float>(Bf16Bits(a.v[i]) & 0xffff0000u); });
}
inline void StoreShorts(void* p, const V16& a) {
  std::uint16_t out[16];
  for (int i = 0; i < 16; ++i) out[i] = static_cast<std::uint16_t>(BitsOf<std::uint32_t>(a.v[i]));
  __builtin_memcpy(p, out, sizeof(out));
}
inline void StoreBytes(void* p, const V16& a) {
  std::uint8_t out[16];
  for (int i = 0; i < 16; ++i) out[i] = static_cast<std::uint8_t>(BitsOf<std::uint32_t>(a.v[i]));
  __builtin_memcpy(p, out, sizeof(out));
}

}  // namespace
}  // namespace malmoi::kernels
