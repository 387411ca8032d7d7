#pragma once

#include <cstddef>

// Normal numbers of uniform ones, compiled for every level like kernels: plain loops of eight that
// the compiler vectorises, equal bit for bit on each (no contraction, one rounding an operation).
namespace malmoi::optim {

struct NormalBodies {
  // Groups of sixteen in place: radii of the first eight, angles of the last (Box and Muller 1958;
  // torch fills tensors of f32 so). Logarithm, sine and cosine to one or two units in the last
  // place, as torch's own vectors of them are.
  void (*fill)(float* data, std::size_t groups);
};

#if defined(MALMOI_OPTIM_LEVEL)
namespace {

// log(x) of normal x in (0, 1]: k ln 2 and 2 atanh(s) of m = x / 2^k, s = (m - 1) / (m + 1).
OPTIM_INLINE float LogOf(float x) {
  int bits;
  __builtin_memcpy(&bits, &x, sizeof(bits));
  const int k = (bits + 0x004afb0d) >> 23;  // 127 more than the exponent, m in [1/sqrt 2, sqrt 2).
  bits -= (k - 127) * (1 << 23);
  float m;
  __builtin_memcpy(&m, &bits, sizeof(m));
  const float exponent = static_cast<float>(k - 127);
  const float s = (m - 1.0f) / (m + 1.0f), z = s * s;
  float l = 0.1111111f + z * 0.0909091f;
  l = 0.14285715f + z * l;
  l = 0.2f + z * l;
  l = 0.33333334f + z * l;
  const float series = 2.0f * s * z * l;
  return exponent * 0.693359375f + ((exponent * -2.12194440e-4f + series) + 2.0f * s);
}

// Of a in [0, 2 pi]: less the nearest multiple of pi / 2 in three parts, then by their series.
OPTIM_INLINE void CircleOf(float a, float* sine, float* cosine) {
  const int q = static_cast<int>(a * 0.63661977f + 0.5f);
  const float n = static_cast<float>(q);
  const float r = ((a - n * 1.5703125f) - n * 4.837512969970703125e-4f) - n * 7.54978995489e-8f;
  const float z = r * r;
  const float sin_r = r + r * z * (-1.6666667e-1f + z * (8.3333310e-3f + z * -1.9840874e-4f));
  const float cos_r =
      (1.0f - 0.5f * z) + z * z * (4.1666664e-2f + z * (-1.3888889e-3f + z * 2.4801587e-5f));
  const float s = (q & 1) != 0 ? cos_r : sin_r, c = (q & 1) != 0 ? sin_r : cos_r;
  *sine = (q & 2) != 0 ? -s : s;
  *cosine = ((q + 1) & 2) != 0 ? -c : c;
}

void FillBody(float* data, std::size_t groups) {
  for (std::size_t g = 0; g < groups; ++g, data += 16) {
    float sine[8], cosine[8];
    for (int j = 0; j < 8; ++j) {
      const float radius = __builtin_sqrtf(-2.0f * LogOf(1.0f - data[j]));
      float s, c;
      CircleOf(6.2831855f * data[j + 8], &s, &c);
      cosine[j] = radius * c;
      sine[j] = radius * s;
    }
    for (int j = 0; j < 8; ++j) data[j] = cosine[j], data[j + 8] = sine[j];
  }
}

}  // namespace

extern const NormalBodies OPTIM_JOIN(kNormal_, MALMOI_OPTIM_LEVEL);
const NormalBodies OPTIM_JOIN(kNormal_, MALMOI_OPTIM_LEVEL) = {&FillBody};
#else
extern const NormalBodies kNormal_scalar;
#if defined(__x86_64__)
extern const NormalBodies kNormal_avx2, kNormal_avx512;
#endif
#endif

}  // namespace malmoi::optim
