#pragma once

#include <cstddef>

// FlashAdamW's step on f32 arrays, compiled for every level like kernels: plain loops that the
// compiler vectorises, one rounding an operation, so that results are equal on each.
namespace malmoi::optim {

struct FlashConstants {
  float weight1, beta2, weight2;  // 1 - beta1, beta2, 1 - beta2.
  float debias1, debias2, eps, lr, keep;
  bool quantize;
};
struct FlashBodies {
  void (*step)(float* p, const float* g, float* m, float* v, std::size_t n,
               const FlashConstants& c);
};

#if defined(MALMOI_OPTIM_LEVEL)
namespace {

constexpr std::size_t kGroup = 32;

inline unsigned BitsOfFloat(float x) {
  unsigned bits;
  __builtin_memcpy(&bits, &x, sizeof(bits));
  return bits;
}
inline float FloatOfBits(unsigned bits) {
  float x;
  __builtin_memcpy(&x, &bits, sizeof(x));
  return x;
}
// To the nearest IEEE half of x >= 0, subnormals included.
inline float ToHalf(float x) {
  constexpr float kMagic = 12582912.0f;  // 1.5 * 2^23: adding it rounds to whole numbers.
  if (x >= 65520.0f) return __builtin_inff();
  if (x < 0x1p-14f) return ((x * 0x1p24f + kMagic) - kMagic) * 0x1p-24f;
  const unsigned bits = BitsOfFloat(x);
  return FloatOfBits((bits + 0xfffu + ((bits >> 13) & 1u)) & ~0x1fffu);
}

// What is left of a group's values: first moments through a softsign to +-127, second moments as
// roots to 255; scales are f16.
template <bool kSigned>
void CodeGroup(float* x, std::size_t n) {
  constexpr float kTop = kSigned ? 127.0f : 255.0f, kMagic = 12582912.0f;
  float value[kGroup];
  unsigned largest = 0;
  for (std::size_t i = 0; i < n; ++i) {
    value[i] = kSigned ? x[i] : __builtin_sqrtf(x[i] > 0.0f ? x[i] : 0.0f);
  }
  for (std::size_t i = 0; i < n; ++i) {
    const unsigned size = BitsOfFloat(value[i]) & 0x7fffffffu;
    const unsigned finite = size > 0x7f800000u ? 0u : size;  // NaN counts as nothing.
    largest = finite > largest ? finite : largest;
  }
  float scale = FloatOfBits(largest);
  scale = scale < 1e-12f ? 1e-12f : scale;
  const float kept = ToHalf(scale);
  for (std::size_t i = 0; i < n; ++i) {
    float r = value[i] / scale;
    if (kSigned) r = 2.0f * r / (1.0f + __builtin_fabsf(r));
    float q = (r * kTop + kMagic) - kMagic;
    constexpr float kLow = kSigned ? -kTop : 0.0f;
    q = q < kLow ? kLow : q;
    q = kTop < q ? kTop : q;
    float back = q / kTop;
    if (kSigned) {
      const float under = 2.0f - __builtin_fabsf(back);
      back = back / (under < 1e-12f ? 1e-12f : under);
    }
    back *= kept;
    x[i] = kSigned ? back : back * back;
  }
}

void FlashStep(float* p, const float* g, float* m, float* v, std::size_t n,
               const FlashConstants& c) {
  for (std::size_t b = 0; b < n; b += kGroup) {
    const std::size_t end = n - b < kGroup ? n - b : kGroup;
    float* const mb = m + b;
    float* const vb = v + b;
    for (std::size_t i = 0; i < end; ++i) {
      const float gi = g[b + i];
      const float mi = mb[i] + c.weight1 * (gi - mb[i]);
      const float vi = vb[i] * c.beta2 + c.weight2 * gi * gi;
      const float root = __builtin_sqrtf(vi / c.debias2) + c.eps;
      p[b + i] = p[b + i] * c.keep - c.lr * ((mi / c.debias1) / root);
      mb[i] = mi, vb[i] = vi;
    }
    if (!c.quantize) continue;
    CodeGroup<true>(mb, end);
    CodeGroup<false>(vb, end);
  }
}

}  // namespace

extern const FlashBodies OPTIM_JOIN(kFlash_, MALMOI_OPTIM_LEVEL);
const FlashBodies OPTIM_JOIN(kFlash_, MALMOI_OPTIM_LEVEL) = {&FlashStep};
#else
extern const FlashBodies kFlash_scalar;
#if defined(__x86_64__)
extern const FlashBodies kFlash_avx2, kFlash_avx512;
#endif
#endif

}  // namespace malmoi::optim
