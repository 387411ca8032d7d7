#pragma once

// Activations into the form that a product reads, written once over V16. Include after
// vector-inl.h and gemm_internal.h.
namespace malmoi::kernels {
namespace {

// q = round((x - least) / scale) of 0..255: the zero of the integers is the row's least value, so
// all 256 of them are used. A row of equal values gets scale 0. NaN counts as the least value.
inline RowScale QuantizeRow(const float* x, std::size_t n, bool bytes, char* out) {
  const V16 first = Set(x[0]), zero = Set(0);
  V16 most = first, least = first;
  const std::size_t whole = n / 16 * 16;
  for (std::size_t i = 0; i < whole; i += 16) {
    const V16 v = Load(x + i);
    most = Max(v, most);
    least = Min(v, least);
  }
  if (whole < n) {
    const V16 v = LoadPart(x + whole, n - whole, first);
    most = Max(v, most);
    least = Min(v, least);
  }
  RowScale row{};
  row.least = -MaxLane(Sub(zero, least));
  row.scale = (MaxLane(most) - row.least) * (1.0f / 255);
  if (!(row.scale > 1e-30f)) row.scale = 0;
  const V16 inverse = Set(row.scale > 0 ? 1.0f / row.scale : 0.0f);
  const V16 base = Set(row.least);
  const V16 magic = Set(12582912.0f);  // 1.5 * 2^23: the integer is in the low bits.
  for (std::size_t i = 0; i < n; i += 16) {
    const V16 v = i < whole ? Load(x + i) : LoadPart(x + i, n - i, base);
    // At most 255 and a rounding error; NaN becomes zero.
    const V16 q = Add(Max(Mul(Sub(v, base), inverse), zero), magic);
    if (bytes) {
      StoreBytes(out + i, q);
    } else {
      StoreShorts(out + 2 * i, q);
    }
  }
  return row;
}

inline void NarrowRow(const float* x, std::size_t n, int form, char* out, std::size_t stride,
                      RowScale* scale) {
  const std::size_t size = form == kByteForm ? 1 : form == kRoundedForm ? 4 : 2;
  const std::size_t lanes = (n + 15) / 16 * 16;
  if (form == kByteForm || form == kShortForm) {
    *scale = QuantizeRow(x, n, form == kByteForm, out);
  } else {
    for (std::size_t i = 0; i < n; i += 16) {
      const V16 v = n - i >= 16 ? Load(x + i) : LoadPart(x + i, n - i, Set(0));
      if (form == kBf16Form) {
        StoreBf16(out + 2 * i, v);
      } else {
        Store(reinterpret_cast<float*>(out) + i, RoundBf16(v));
      }
    }
  }
  for (std::size_t i = lanes * size; i < stride; ++i) out[i] = 0;
}

inline void NarrowKernel(const RawNarrow& r) {
  for (std::size_t i = 0; i < r.rows; ++i) {
    float* x = r.x + i * r.ldx;
    if (r.gamma != nullptr) LayerNormRow(x, x, r.n, r.gamma, r.beta, r.eps);
    if (r.form != kFloatForm) {
      NarrowRow(x, r.n, r.form, static_cast<char*>(r.out) + i * r.stride, r.stride,
                r.scales == nullptr ? nullptr : r.scales + i);
    }
  }
}

}  // namespace
}  // namespace malmoi::kernels
