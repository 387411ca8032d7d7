// Rotation and rounding of a query, for the files of the levels. Floats are added, subtracted and
// multiplied one by one in an order that no vector width changes.
#include <cstddef>
#include <cstdint>

#include "ann/scores_internal.h"

namespace malmoi::ann {
namespace {

using Floats = float __attribute__((vector_size(32)));
using Words = std::int32_t __attribute__((vector_size(32)));

// The first three steps of a transform, inside of eight numbers: a + b below, a - b above.
inline void Steps8(float* x) {
  Floats v;
  __builtin_memcpy(&v, x, sizeof(v));
  const Words sign1 = {0, INT32_MIN, 0, INT32_MIN, 0, INT32_MIN, 0, INT32_MIN};
  const Words sign2 = {0, 0, INT32_MIN, INT32_MIN, 0, 0, INT32_MIN, INT32_MIN};
  const Words sign4 = {0, 0, 0, 0, INT32_MIN, INT32_MIN, INT32_MIN, INT32_MIN};
  v = __builtin_shufflevector(v, v, 1, 0, 3, 2, 5, 4, 7, 6) +
      reinterpret_cast<Floats>(reinterpret_cast<Words>(v) ^ sign1);
  v = __builtin_shufflevector(v, v, 2, 3, 0, 1, 6, 7, 4, 5) +
      reinterpret_cast<Floats>(reinterpret_cast<Words>(v) ^ sign2);
  v = __builtin_shufflevector(v, v, 4, 5, 6, 7, 0, 1, 2, 3) +
      reinterpret_cast<Floats>(reinterpret_cast<Words>(v) ^ sign4);
  __builtin_memcpy(x, &v, sizeof(v));
}

void Hadamard(float* x, std::size_t n, float scale) {
  std::size_t h = 1;
  if (n >= 8) {
    for (std::size_t i = 0; i < n; i += 8) Steps8(x + i);
    h = 8;
  }
  for (; h < n; h *= 2) {
    for (std::size_t i = 0; i < n; i += 2 * h) {
      float* __restrict p = x + i;
      float* __restrict q = x + i + h;
      for (std::size_t j = 0; j < h; ++j) {
        const float a = p[j], b = q[j];
        p[j] = a + b;
        q[j] = a - b;
      }
    }
  }
  for (std::size_t i = 0; i < n; ++i) x[i] *= scale;
}

void Rotate(float* x, std::size_t n, std::size_t power, const float* signs, int halves,
            float scale) {
  for (int half = 0; half < halves; ++half, signs += n) {
    for (std::size_t i = 0; i < n; ++i) x[i] *= signs[i];
    Hadamard(half % 2 == 0 ? x : x + (n - power), power, scale);
  }
}

float Split(const float* x, std::size_t n, std::int8_t* high, std::int8_t* low,
            std::int64_t sums[2]) {
  constexpr std::size_t kLanes = 16;
  float lanes[kLanes] = {};
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (std::size_t l = 0; l < kLanes; ++l) {
      const float a = __builtin_fabsf(x[i + l]);
      lanes[l] = a > lanes[l] ? a : lanes[l];
    }
  }
  float largest = 0;
  for (; i < n; ++i) largest = __builtin_fabsf(x[i]) > largest ? __builtin_fabsf(x[i]) : largest;
  for (const float a : lanes) largest = a > largest ? a : largest;
  const float inverse = largest > 0 ? 16256.0f / largest : 0;
  std::int32_t sum = 0, sum_high = 0;
  for (i = 0; i < n; ++i) {
    const float moved = x[i] * inverse + 12582912.0f;  // An addition that drops the fraction.
    std::int32_t v;
    __builtin_memcpy(&v, &moved, sizeof(v));
    v -= 0x4b400000;
    const std::int32_t h = (v + 64) >> 7;
    high[i] = static_cast<std::int8_t>(h);
    low[i] = static_cast<std::int8_t>(v - h * 128);
    sum += v;
    sum_high += h;
  }
  sums[0] = sum_high;
  sums[1] = sum;
  return largest / 16256.0f;
}

#ifndef MALMOI_ANN_JOIN
std::int32_t Join(const std::uint8_t* first, const std::uint8_t* second, std::size_t blocks,
                  std::int8_t* plane) {
  std::int32_t sum = 0;
  for (std::size_t b = 0; b < blocks; ++b, first += 64, second += 64, plane += 128) {
    std::uint8_t near[64], far[64];
    for (std::size_t j = 0; j < 64; ++j) {
      near[j] = static_cast<std::uint8_t>(first[j] << 4 | (second[j] & 15));
      far[j] = static_cast<std::uint8_t>((first[j] & 0xf0) | second[j] >> 4);
    }
    for (std::size_t j = 0; j < 64; ++j) {
      plane[j] = static_cast<std::int8_t>(near[j] ^ 128);
      plane[64 + j] = static_cast<std::int8_t>(far[j] ^ 128);
    }
    for (std::size_t j = 0; j < 64; ++j) sum += near[j] + far[j];
  }
  return sum - static_cast<std::int32_t>(blocks) * 128 * 128;
}
#endif

}  // namespace
}  // namespace malmoi::ann
