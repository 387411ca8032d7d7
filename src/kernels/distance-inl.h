#pragma once

#include "kernels/prefetch-inl.h"

// Distances of f32 rows, written once over V16 (see vector-inl.h). Include after a v16-inl.h.
namespace malmoi::kernels {
namespace {

// Two rows at a time hide the latency of the sums.
template <class Add1>
inline void RowsKernel(const float* rows, const float* query, std::size_t dim, float* out,
                       std::size_t count, Add1 add) {
  std::size_t r = 0;
  for (; r + 2 <= count; r += 2) {
    const float* a = rows + r * dim;
    const float* b = a + dim;
    const float* ahead = RowsAhead<2>(a, dim, r, count);
    V16 s0 = Set(0), s1 = Set(0);
    std::size_t i = 0;
    for (; i + 16 <= dim; i += 16) {
      PrefetchRows<2>(ahead, i);
      const V16 q = Load(query + i);
      s0 = add(Sub(Load(a + i), q), s0);
      s1 = add(Sub(Load(b + i), q), s1);
    }
    if (i < dim) {
      const V16 q = LoadPart(query + i, dim - i, Set(0));
      s0 = add(Sub(LoadPart(a + i, dim - i, Set(0)), q), s0);
      s1 = add(Sub(LoadPart(b + i, dim - i, Set(0)), q), s1);
    }
    out[r] = Sum(s0);
    out[r + 1] = Sum(s1);
  }
  if (r == count) return;
  const float* a = rows + r * dim;
  V16 s = Set(0);
  std::size_t i = 0;
  for (; i + 16 <= dim; i += 16) s = add(Sub(Load(a + i), Load(query + i)), s);
  if (i < dim) {
    s = add(Sub(LoadPart(a + i, dim - i, Set(0)), LoadPart(query + i, dim - i, Set(0))), s);
  }
  out[r] = Sum(s);
}

inline void SquaredRowsKernel(const float* rows, const float* query, std::size_t dim, float* out,
                              std::size_t count) {
  RowsKernel(rows, query, dim, out, count, [](V16 d, V16 s) { return Fma(d, d, s); });
}

inline void AbsoluteRowsKernel(const float* rows, const float* query, std::size_t dim, float* out,
                               std::size_t count) {
  RowsKernel(rows, query, dim, out, count, [](V16 d, V16 s) { return Add(Abs(d), s); });
}

// Plain loops for what is left of whole vectors, and for the scalar level.
inline void SumBytesTail(const unsigned char* row, const unsigned char* query, std::size_t n,
                         unsigned* out) {
  for (std::size_t i = 0; i < n; ++i) {
    const int x = row[i], y = query[i], d = x - y;
    out[0] += static_cast<unsigned>(x * y);
    out[1] += static_cast<unsigned>(x * x);
    out[2] += static_cast<unsigned>(d * d);
    out[3] += static_cast<unsigned>(d < 0 ? -d : d);
  }
}

inline float HalfAsFloat(const unsigned char* p) {
  const unsigned half = p[0] | static_cast<unsigned>(p[1]) << 8;
  const unsigned sign = (half & 0x8000u) << 16;
  const unsigned magnitude = half & 0x7FFFu;
  unsigned bits = 0;
  if (magnitude >= 0x7C00u) {
    bits = sign | 0x7F800000u | (magnitude & 0x3FFu) << 13;
  } else if (magnitude < 0x400u) {
    const float value = static_cast<float>(magnitude) * 0x1p-24f;
    return sign != 0 ? -value : value;
  } else {
    bits = sign | ((magnitude << 13) + 0x38000000u);
  }
  float out;
  __builtin_memcpy(&out, &bits, 4);
  return out;
}

}  // namespace
}  // namespace malmoi::kernels
