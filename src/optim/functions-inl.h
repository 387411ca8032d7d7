#pragma once

// Operations that few rules need. For f32 lanes Pow is computed in double by the same operations on
// every level, to about 1e-11, so that rounding to f32 nearly always gives libm's bits; Exp in f32.
// The f64 lanes and Atan2 go through libm lane by lane: 10-40 ns an element.
namespace malmoi::optim {
namespace {

// exp(x) for any x that is not NaN: 2^k e^r with |r| <= ln(2) / 2, e^r by its series to 2e-13.
inline F64 ExpOf(F64 x) {
  const F64 magic = F64::Set(6755399441055744.0);  // 1.5 * 2^52: adding it rounds to integers.
  const F64 t = Min(F64::Set(700.0), Max(F64::Set(-700.0), x));
  const F64 k = Fma(t, F64::Set(1.4426950408889634), magic) - magic;
  F64 r = Fma(k, F64::Set(-6.93147180369123816490e-01), t);
  r = Fma(k, F64::Set(-1.90821492927058770002e-10), r);
  F64 e = F64::Set(1.0 / 3628800.0);
  e = Fma(e, r, F64::Set(1.0 / 362880.0));
  e = Fma(e, r, F64::Set(1.0 / 40320.0));
  e = Fma(e, r, F64::Set(1.0 / 5040.0));
  e = Fma(e, r, F64::Set(1.0 / 720.0));
  e = Fma(e, r, F64::Set(1.0 / 120.0));
  e = Fma(e, r, F64::Set(1.0 / 24.0));
  e = Fma(e, r, F64::Set(1.0 / 6.0));
  e = Fma(e, r, F64::Set(0.5));
  e = Fma(e, r, F64::Set(1.0));
  e = Fma(e, r, F64::Set(1.0));
  return e * PowerOfTwo(k);
}

// log(x) from x = 2^k m and s = (m - 1) / (m + 1): by the series of atanh, to 2e-12.
inline F64 LogOf(F64 k, F64 s) {
  const F64 s2 = s * s;
  F64 l = F64::Set(1.0 / 13.0);
  l = Fma(l, s2, F64::Set(1.0 / 11.0));
  l = Fma(l, s2, F64::Set(1.0 / 9.0));
  l = Fma(l, s2, F64::Set(1.0 / 7.0));
  l = Fma(l, s2, F64::Set(1.0 / 5.0));
  l = Fma(l, s2, F64::Set(1.0 / 3.0));
  const F64 log_m = Fma(l * s2, s + s, s + s);
  return Fma(k, F64::Set(6.93147180369123816490e-01),
             Fma(k, F64::Set(1.90821492927058770002e-10), log_m));
}
// Of positive, normal, finite numbers. Reciprocals from f32 by one step of Newton's: a quarter of
// the time of two divisions of doubles.
inline void LogsOf(F64* low, F64* high) {
  F64 k_low, k_high, r_low, r_high;
  const F64 one = F64::Set(1.0), two = F64::Set(2.0);
  const F64 m_low = SplitExponent(*low, &k_low), m_high = SplitExponent(*high, &k_high);
  const F64 d_low = m_low + one, d_high = m_high + one;
  Widen(F32::Set(1) / Narrow(d_low, d_high), &r_low, &r_high);
  r_low = r_low * (two - d_low * r_low);
  r_high = r_high * (two - d_high * r_high);
  *low = LogOf(k_low, (m_low - one) * r_low);
  *high = LogOf(k_high, (m_high - one) * r_high);
}

// exp(a) to about one unit in the last place: as ExpOf, in f32 throughout. Beyond f32's normal
// numbers it is the nearest of them.
inline F32 Exp(F32 a) {
  const F32 magic = F32::Set(12582912.0f);  // 1.5 * 2^23.
  const F32 t = Min(F32::Set(88.37f), Max(F32::Set(-87.33f), a));
  const F32 k = Fma(t, F32::Set(1.44269504f), magic) - magic;
  F32 r = Fma(k, F32::Set(-0.693359375f), t);
  r = Fma(k, F32::Set(2.12194440e-4f), r);
  F32 e = F32::Set(1.0f / 5040.0f);
  e = Fma(e, r, F32::Set(1.0f / 720.0f));
  e = Fma(e, r, F32::Set(1.0f / 120.0f));
  e = Fma(e, r, F32::Set(1.0f / 24.0f));
  e = Fma(e, r, F32::Set(1.0f / 6.0f));
  e = Fma(e, r, F32::Set(0.5f));
  e = Fma(e, r, F32::Set(1.0f));
  e = Fma(e, r, F32::Set(1.0f));
  return Select(Eq(a, a), e * PowerOfTwo(k), a);
}
// a^b for a >= 0 and finite b; NaN for a < 0. Zero and infinity are as in pow.
inline F32 Pow(F32 a, F32 b) {
  F64 low, high, b_low, b_high;
  Widen(a, &low, &high);
  Widen(b, &b_low, &b_high);
  LogsOf(&low, &high);
  const F32 zero = F32::Set(0), infinite = F32::Set(__builtin_inff());
  F32 out = Narrow(ExpOf(b_low * low), ExpOf(b_high * high));
  // At 0 and infinity: what is as large, as small, or 1.
  const F32 one = F32::Set(1);
  out = Select(Eq(a, zero), Select(Gt(b, zero), zero, Select(Lt(b, zero), infinite, one)), out);
  out = Select(Eq(a, infinite), Select(Gt(b, zero), infinite, Select(Lt(b, zero), zero, one)), out);
  return Select(Ge(a, zero), out, F32::Set(__builtin_nanf("")));
}

// log(1 + e^a) of a >= 0: a + 2 atanh(s) of e^-a / (2 + e^-a).
inline F32 Softplus(F32 a) {
  const F32 e = Exp(F32::Set(0.0f) - a), s = e / (F32::Set(2.0f) + e), s2 = s * s;
  F32 l = F32::Set(1.0f / 13.0f);
  l = Fma(l, s2, F32::Set(1.0f / 11.0f));
  l = Fma(l, s2, F32::Set(1.0f / 9.0f));
  l = Fma(l, s2, F32::Set(1.0f / 7.0f));
  l = Fma(l, s2, F32::Set(1.0f / 5.0f));
  l = Fma(l, s2, F32::Set(1.0f / 3.0f));
  return Fma(l * s2, s + s, s + s) + a;
}
inline F64 Softplus(F64 a) {
  double x[F64::kLanes];
  a.Store(x);
  for (double& l : x) l = __builtin_log1p(__builtin_exp(l));
  return F64::Load(x);
}
// a^b of a >= 0 and |b| <= 1, to about two units in the last place: in f32 throughout, a
// quarter of Pow's time. b log2(a) is b k, kept in two numbers, and b log2(m).
inline F32 PowNear(F32 a, F32 b) {
  const auto small = Lt(a, F32::Set(1e-30f));
  const F32 one = F32::Set(1.0f), zero = F32::Set(0.0f);
  F32 k;
  const F32 m = SplitExponent(Select(small, a * F32::Set(4722366482869645213696.0f), a), &k);
  k = k - Select(small, F32::Set(72.0f), zero);
  const F32 s = (m - one) / (m + one), s2 = s * s;
  F32 l = F32::Set(0.32059889f);  // 2 / (9 ln 2), and so on to 2 / ln 2.
  l = Fma(l, s2, F32::Set(0.41219858f));
  l = Fma(l, s2, F32::Set(0.57707802f));
  l = Fma(l, s2, F32::Set(0.96179669f));
  l = Fma(l, s2, F32::Set(2.88539008f));
  const F32 log_m = b * (l * s), high = b * k, low = Fma(b, k, zero - high);
  const F32 magic = F32::Set(12582912.0f);  // 1.5 * 2^23.
  const F32 whole = (high + log_m + magic) - magic;
  const F32 r = ((high - whole) + log_m) + low;
  F32 e = F32::Set(1.54035304e-4f);  // ln(2)^6 / 6!, and so on.
  e = Fma(e, r, F32::Set(1.33335581e-3f));
  e = Fma(e, r, F32::Set(9.61812911e-3f));
  e = Fma(e, r, F32::Set(5.55041087e-2f));
  e = Fma(e, r, F32::Set(2.40226507e-1f));
  e = Fma(e, r, F32::Set(6.93147181e-1f));
  e = Fma(e, r, one);
  const F32 power = e * PowerOfTwo(Min(F32::Set(127.0f), Max(F32::Set(-126.0f), whole)));
  const F32 at_zero =
      Select(Gt(b, zero), zero, Select(Lt(b, zero), F32::Set(__builtin_inff()), one));
  F32 out = Select(Eq(a, zero), at_zero, power);
  // As large, as small or 1: what zero is not.
  out = Select(Eq(a, F32::Set(__builtin_inff())), one / at_zero, out);
  return Select(Ge(a, zero), out, F32::Set(__builtin_nanf("")));
}
inline F64 Pow(F64 a, F64 b);
inline F64 PowNear(F64 a, F64 b) {
  return Pow(a, b);
}

// Rounded to bf16, f64 through f32; and added to doubles at `at`.
inline F64 RoundHalf(F64 x) {
  F64 low, high;
  Widen(RoundHalf(Narrow(x, x)), &low, &high);
  return low;
}
inline void RaiseWide(double* at, F32 x) {
  F64 low, high;
  Widen(x, &low, &high);
  RaiseWide(at, low);
  RaiseWide(at + F64::kLanes, high);
}
inline void AddWide(double* at, F32 x) {
  F64 low, high;
  Widen(x, &low, &high);
  AddWide(at, low);
  AddWide(at + F64::kLanes, high);
}

// The cube root of a >= 0, NaN for a < 0; for f32 to about two units in the last place: the inverse
// root by two steps of Newton's, the first with factors that spread its error (Moroz et al. 2021,
// arXiv:1603.04483), then one step on the root itself.
inline F32 CubeRoot(F32 a) {
  // Subnormal numbers have no exponent to divide.
  const auto small = Lt(a, F32::Set(1e-30f));
  const F32 x = Select(small, a * F32::Set(4722366482869645213696.0f), a);  // 2^72.
  F32 y = GuessInverseCubeRoot(x);
  y = y * Fma(x * y, y * y * F32::Set(-0.534850249f), F32::Set(1.5015480449f));
  y = y * Fma(x * y, y * y * F32::Set(-0.33333333f), F32::Set(1.33333333f));
  const F32 y2 = y * y, c = x * y2;
  F32 root = Fma(Fma(c * c, F32::Set(0) - c, x), y2 * F32::Set(0.33333333f), c);
  root = Select(small, root * F32::Set(5.9604644775390625e-08f), root);
  root = Select(Eq(a, F32::Set(__builtin_inff())), a, root);
  return Select(Gt(a, F32::Set(0)), root,
                Select(Eq(a, F32::Set(0)), a, a + F32::Set(__builtin_nanf(""))));
}

inline F64 Exp(F64 a) {
  double x[F64::kLanes];
  a.Store(x);
  for (double& l : x) l = __builtin_exp(l);
  return F64::Load(x);
}
inline F64 Pow(F64 a, F64 b) {
  double x[F64::kLanes], y[F64::kLanes];
  a.Store(x);
  b.Store(y);
  for (std::size_t i = 0; i < F64::kLanes; ++i) x[i] = __builtin_pow(x[i], y[i]);
  return F64::Load(x);
}
inline F64 CubeRoot(F64 a) {
  return Pow(a, F64::Set(1.0 / 3.0));
}
template <class V>
inline V Atan2(V a, V b) {
  typename V::T x[V::kLanes], y[V::kLanes];
  a.Store(x);
  b.Store(y);
  for (std::size_t i = 0; i < V::kLanes; ++i) {
    x[i] = static_cast<typename V::T>(
        __builtin_atan2(static_cast<double>(x[i]), static_cast<double>(y[i])));
  }
  return V::Load(x);
}

}  // namespace
}  // namespace malmoi::optim
