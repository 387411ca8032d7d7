#pragma once

#include <cstddef>
#include <cstdint>

// The conversions of storage.h, compiled for every level like kernels: plain loops that the
// compiler vectorises, exact on each (no contraction, one rounding an operation).
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
  for (std::size_t i = 0; i < n; ++i) bits[i] = static_cast<std::uint32_t>(in[i]) << 16;
}

void ToBf16Body(const float* in, std::uint16_t* out, std::size_t n) {
  const auto* bits = reinterpret_cast<const std::uint32_t*>(in);
  for (std::size_t i = 0; i < n; ++i) {
    const std::uint32_t u = bits[i];
    const std::uint32_t rounded = (u + 0x7fffu + ((u >> 16) & 1u)) >> 16;
    const std::uint32_t nan = (u >> 16) | 0x40u;
    out[i] = static_cast<std::uint16_t>((u & 0x7fffffffu) > 0x7f800000u ? nan : rounded);
  }
}

void FromQ8Body(const std::uint8_t* in, const float* scales, bool non_negative, float* out,
                std::size_t n) {
  for (std::size_t b = 0; b < n; b += kBlock) {
    const float scale = scales[b / kBlock];
    const std::size_t count = b + kBlock < n ? kBlock : n - b;
    const std::uint8_t* q = in + b;
    float* o = out + b;
    if (non_negative) {
      for (std::size_t i = 0; i < count; ++i) {
        const float r = static_cast<float>(static_cast<int>(q[i])) * (1.0f / 255.0f);
        const float r2 = r * r;
        o[i] = (r2 * r2) * scale;
      }
    } else {
      for (std::size_t i = 0; i < count; ++i) {
        const float s = static_cast<float>(static_cast<int>(q[i]) - 128) * (1.0f / 127.0f);
        o[i] = (s * __builtin_fabsf(s)) * scale;
      }
    }
  }
}

float LargestOf(const float* in, std::size_t n) {
  F32 top = F32::Set(0);
  std::size_t i = 0;
  for (; i + F32::kLanes <= n; i += F32::kLanes) top = Max(Abs(F32::Load(in + i)), top);
  float lanes[F32::kLanes];
  top.Store(lanes);
  float largest = 0;
  for (const float l : lanes) largest = l > largest ? l : largest;
  for (; i < n; ++i) {
    const float a = __builtin_fabsf(in[i]);
    largest = a > largest ? a : largest;
  }
  return largest;
}

void ToQ8Body(const float* in, bool non_negative, std::uint8_t* out, float* scales, std::size_t n) {
  for (std::size_t b = 0; b < n; b += kBlock) {
    const std::size_t count = b + kBlock < n ? kBlock : n - b;
    const float* x = in + b;
    std::uint8_t* o = out + b;
    const float top = LargestOf(x, count);
    scales[b / kBlock] = top;
    const float inverse = top > 0 ? 1.0f / top : 0.0f;
    float root[kBlock];
    for (std::size_t i = 0; i < count; ++i) {
      const float r = __builtin_fabsf(x[i]) * inverse;
      root[i] = __builtin_sqrtf(r < 1.0f ? r : 1.0f);
    }
    if (non_negative) {
      for (std::size_t i = 0; i < count; ++i) {
        const int code = static_cast<int>(__builtin_sqrtf(root[i]) * 255.0f + 0.5f);
        const int least = root[i] > 0 ? 1 : 0;
        o[i] = static_cast<std::uint8_t>(code > least ? code : least);
      }
    } else {
      for (std::size_t i = 0; i < count; ++i) {
        const int code = static_cast<int>(root[i] * 127.0f + 0.5f);
        o[i] = static_cast<std::uint8_t>(x[i] < 0 ? 128 - code : 128 + code);
      }
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
