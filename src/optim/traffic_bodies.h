#pragma once

#include <cstddef>

// The yardstick of speed.h, compiled for every level like kernels: memory lines read, or read and
// written back, with next to no arithmetic.
namespace malmoi::optim {

enum class Touch : unsigned char { kRead, kWrite, kWriteAround };  // Around: past the caches.

struct TrafficBodies {
  // `lines` of 64 bytes from `at` on, aligned to 64. Returns what a compiler cannot leave out.
  unsigned (*touch)(char* at, std::size_t lines, Touch how);
};

#if defined(MALMOI_OPTIM_LEVEL)
namespace {

#if defined(__AVX512F__)
using Line = __m512i;
OPTIM_INLINE Line LoadLine(const char* p) {
  return _mm512_load_si512(p);
}
OPTIM_INLINE Line Plus(Line a, Line b) {
  return _mm512_xor_si512(a, b);
}
OPTIM_INLINE void StoreLine(char* p, Line a) {
  _mm512_store_si512(p, a);
}
OPTIM_INLINE void StoreLineAround(char* p, Line a) {
  _mm512_stream_si512(reinterpret_cast<__m512i*>(p), a);
}
#elif defined(__AVX2__)
struct Line {
  __m256i a, b;
};
OPTIM_INLINE Line LoadLine(const char* p) {
  const auto* halves = reinterpret_cast<const __m256i*>(p);
  return {_mm256_load_si256(halves), _mm256_load_si256(halves + 1)};
}
OPTIM_INLINE Line Plus(Line x, Line y) {
  return {_mm256_xor_si256(x.a, y.a), _mm256_xor_si256(x.b, y.b)};
}
OPTIM_INLINE void StoreLine(char* p, Line x) {
  _mm256_store_si256(reinterpret_cast<__m256i*>(p), x.a);
  _mm256_store_si256(reinterpret_cast<__m256i*>(p) + 1, x.b);
}
OPTIM_INLINE void StoreLineAround(char* p, Line x) {
  _mm256_stream_si256(reinterpret_cast<__m256i*>(p), x.a);
  _mm256_stream_si256(reinterpret_cast<__m256i*>(p) + 1, x.b);
}
#else
struct Line {
  unsigned long long words[8];
};
OPTIM_INLINE Line LoadLine(const char* p) {
  Line x;
  __builtin_memcpy(&x, p, sizeof(x));
  return x;
}
OPTIM_INLINE Line Plus(Line x, const Line& y) {
  for (int i = 0; i < 8; ++i) x.words[i] ^= y.words[i];
  return x;
}
OPTIM_INLINE void StoreLine(char* p, const Line& x) {
  __builtin_memcpy(p, &x, sizeof(x));
}
OPTIM_INLINE void StoreLineAround(char* p, const Line& x) {
  StoreLine(p, x);
}
#endif

unsigned TouchBody(char* at, std::size_t lines, Touch how) {
  Line sum = {};
  if (how == Touch::kRead) {
    for (std::size_t i = 0; i < lines; ++i) sum = Plus(sum, LoadLine(at + 64 * i));
  } else {
    Line one = {};
    one = Plus(one, LoadLine(at));
    for (std::size_t i = 0; i < lines; ++i) {
      const Line changed = Plus(LoadLine(at + 64 * i), one);
      if (how == Touch::kWrite) {
        StoreLine(at + 64 * i, changed);
      } else {
        StoreLineAround(at + 64 * i, changed);
      }
    }
  }
  unsigned first;
  __builtin_memcpy(&first, &sum, sizeof(first));
  return first;
}

}  // namespace

extern const TrafficBodies OPTIM_JOIN(kTraffic_, MALMOI_OPTIM_LEVEL);
const TrafficBodies OPTIM_JOIN(kTraffic_, MALMOI_OPTIM_LEVEL) = {&TouchBody};
#else
extern const TrafficBodies kTraffic_scalar;
#if defined(__x86_64__)
extern const TrafficBodies kTraffic_avx2, kTraffic_avx512;
#endif
#endif

}  // namespace malmoi::optim
