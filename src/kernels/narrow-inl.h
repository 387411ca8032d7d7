#pragma once

// Activations into the form that a product reads, written once over V16. Include after
// vector-inl.h and gemm_internal.h.
namespace malmoi::kernels {
namespace {

// A row as it is, and with a factor for each column.
struct PlainRow {
  const float* x;
  float First() const { return x[0]; }
  V16 At(std::size_t i) const { return Load(x + i); }
  V16 Part(std::size_t i, std::size_t n, V16 rest) const { return LoadPart(x + i, n, rest); }
};
struct ScaledRow {
  const float *x, *factors;
  float First() const { return x[0] * factors[0]; }
  V16 At(std::size_t i) const { return Mul(Load(x + i), Load(factors + i)); }
  V16 Part(std::size_t i, std::size_t n, V16 rest) const {
    return Mul(LoadPart(x + i, n, rest), LoadPart(factors + i, n, Set(1)));
  }
};

struct RowRange {
  float least, most;
};

// Four chains each, that one does not wait for the other's latency. NaN is passed over but in x[0].
template <class Scaled>
inline RowRange RangeOfRow(const Scaled& x, std::size_t n) {
  const V16 first = Set(x.First());
  V16 most[4] = {first, first, first, first}, least[4] = {first, first, first, first};
  const auto take = [&](std::size_t chain, V16 v) {
    most[chain] = Max(v, most[chain]);
    least[chain] = Min(v, least[chain]);
  };
  std::size_t i = 0;
  for (; i + 64 <= n; i += 64) {
    take(0, x.At(i));
    take(1, x.At(i + 16));
    take(2, x.At(i + 32));
    take(3, x.At(i + 48));
  }
  for (; i + 16 <= n; i += 16) take(0, x.At(i));
  if (i < n) take(1, x.Part(i, n - i, first));
  const V16 low = Min(Min(least[0], least[1]), Min(least[2], least[3]));
  return {-MaxLane(Sub(Set(0), low)), MaxLane(Max(Max(most[0], most[1]), Max(most[2], most[3])))};
}

// q = round((x - least) / scale) of 0..255: the zero of the integers is the row's least value, so
// all 256 of them are used. A row of equal values gets scale 0. NaN counts as the least value.
template <class Scaled>
inline RowScale QuantizeRow(const Scaled& x, std::size_t n, bool bytes, char* out) {
  const RowRange range = RangeOfRow(x, n);
  const V16 zero = Set(0);
  const std::size_t whole = n / 16 * 16;
  RowScale row{};
  row.least = range.least;
  row.scale = (range.most - row.least) * (1.0f / 255);
  if (!(row.scale > 1e-30f)) row.scale = 0;
  const V16 inverse = Set(row.scale > 0 ? 1.0f / row.scale : 0.0f);
  const V16 base = Set(row.least);
  const V16 magic = Set(12582912.0f);  // 1.5 * 2^23: the integer is in the low bits.
  for (std::size_t i = 0; i < n; i += 16) {
    const V16 v = i < whole ? x.At(i) : x.Part(i, n - i, base);
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

inline void NarrowRow(const float* x, const float* factors, std::size_t n, int form, char* out,
                      std::size_t stride, RowScale* scale) {
  const std::size_t size = form == kByteForm ? 1 : form == kRoundedForm ? 4 : 2;
  const std::size_t lanes = (n + 15) / 16 * 16;
  if (form == kByteForm || form == kShortForm) {
    const bool bytes = form == kByteForm;
    *scale = factors == nullptr ? QuantizeRow(PlainRow{x}, n, bytes, out)
                                : QuantizeRow(ScaledRow{x, factors}, n, bytes, out);
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
      NarrowRow(x, r.factors, r.n, r.form, static_cast<char*>(r.out) + i * r.stride, r.stride,
                r.scales == nullptr ? nullptr : r.scales + i);
    }
  }
}

}  // namespace
}  // namespace malmoi::kernels
