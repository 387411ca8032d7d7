#pragma once

#include "optim/lane_pass.h"

// The loop around every kernel, over the lanes of the level that includes this after its own
// lanes-inl.h. Tails come as whole lanes, padded by the engine, so there is no second formula.
#define OPTIM_INLINE inline __attribute__((always_inline))

namespace malmoi::optim {
namespace {

// Sums are kept in lanes over this many elements, then added to doubles.
constexpr std::size_t kSumBlock = 256;

template <class V>
struct Lane {
  using T = typename V::T;
  V p, g, u, s0, s1, s2, s3, s4, s5, s6, s7;
  V sum[kSums];
  V top[kTops];
  bool reduces = false;  // Known when compiled: the kernel has sums or maxima.
  const T* constants;
  double* down;
  std::size_t at;

  OPTIM_INLINE V c(int i) const { return V::Set(constants[i]); }
  OPTIM_INLINE V Num(double v) const { return V::Set(static_cast<T>(v)); }
  OPTIM_INLINE void Sum(int i, V v) {
    sum[i] = sum[i] + v;
    reduces = true;
  }
  OPTIM_INLINE void Top(int i, V v) {
    top[i] = Max(top[i], v);
    reduces = true;
  }
  OPTIM_INLINE void Down(V v) { AddWide(down + at, v); }
};

template <class V>
OPTIM_INLINE V Lerp(V a, V b, V w) {
  return Fma(w, b - a, a);
}
template <class V>
OPTIM_INLINE V Sign(V a) {
  const V zero = V::Set(0);
  return Select(Gt(a, zero), V::Set(1), Select(Lt(a, zero), V::Set(-1), a));
}

template <class Body, class V>
OPTIM_INLINE void UpdateAt(Lane<V>& x, const PassArgs<typename V::T>& a, bool needs_p,
                           typename V::T* const* stream, std::size_t i) {
  constexpr unsigned r = Body::kReads;
  constexpr unsigned w = Body::kWrites;
  constexpr bool kDirection = (w & kU) != 0;
  if ((r & kP) != 0 || needs_p) x.p = V::Load(stream[0] + i) * V::Set(a.decay);
  if constexpr ((r & kG) != 0) {
    x.g = V::Load(stream[1] + i) * V::Set(a.grad_scale);
    if (a.l2 != 0) x.g = Fma(V::Set(a.l2), x.p, x.g);
  }
  if constexpr ((r & kU) != 0) x.u = V::Load(stream[2] + i);
  if constexpr ((r & kS0) != 0) x.s0 = V::Load(stream[3] + i);
  if constexpr ((r & kS1) != 0) x.s1 = V::Load(stream[4] + i);
  if constexpr ((r & kS2) != 0) x.s2 = V::Load(stream[5] + i);
  if constexpr ((r & kS3) != 0) x.s3 = V::Load(stream[6] + i);
  if constexpr ((r & kS4) != 0) x.s4 = V::Load(stream[7] + i);
  if constexpr ((r & kS5) != 0) x.s5 = V::Load(stream[8] + i);
  if constexpr ((r & kS6) != 0) x.s6 = V::Load(stream[9] + i);
  if constexpr ((r & kS7) != 0) x.s7 = V::Load(stream[10] + i);
  x.at = i;
  Body::Update(x);
  if constexpr (kDirection) {
    if (a.keep_u) {
      x.u.Store(stream[2] + i);
    } else {
      (Fma(V::Set(-a.step), x.u, x.p) * V::Set(a.post_decay)).Store(stream[0] + i);
    }
  }
  if constexpr ((w & kP) != 0) x.p.Store(stream[0] + i);
  if constexpr ((w & kS0) != 0) x.s0.Store(stream[3] + i);
  if constexpr ((w & kS1) != 0) x.s1.Store(stream[4] + i);
  if constexpr ((w & kS2) != 0) x.s2.Store(stream[5] + i);
  if constexpr ((w & kS3) != 0) x.s3.Store(stream[6] + i);
  if constexpr ((w & kS4) != 0) x.s4.Store(stream[7] + i);
  if constexpr ((w & kS5) != 0) x.s5.Store(stream[8] + i);
  if constexpr ((w & kS6) != 0) x.s6.Store(stream[9] + i);
  if constexpr ((w & kS7) != 0) x.s7.Store(stream[10] + i);
}

// Adds lanes [0, count) one after the other: a tail, whose other lanes are padding.
template <class V, class T>
__attribute__((noinline)) void AddTail(const V* sums, PassArgs<T>* args) {
  T lanes[V::kLanes];
  for (int s = 0; s < kSums; ++s) {
    sums[s].Store(lanes);
    for (std::size_t i = 0; i < args->tail; ++i) args->sums[s] += static_cast<double>(lanes[i]);
  }
}
template <class V, class T>
__attribute__((noinline)) void RaiseTops(const V* tops, std::size_t count, PassArgs<T>* args) {
  T lanes[V::kLanes];
  for (int s = 0; s < kTops; ++s) {
    tops[s].Store(lanes);
    for (std::size_t i = 0; i < count; ++i) {
      if (!(static_cast<double>(lanes[i]) <= args->tops[s])) {
        args->tops[s] = static_cast<double>(lanes[i]);
      }
    }
  }
}

template <class Body, class V, class T>
void RunPass(PassArgs<T>* args) {
  const PassArgs<T> a = *args;
  constexpr bool kDirection = (Body::kWrites & kU) != 0;
  const bool needs_p = a.l2 != 0 || (kDirection && !a.keep_u);
  Lane<V> x;
  x.constants = a.constant;
  x.down = a.down;
  for (V& v : x.sum) v = V::Set(0);
  for (V& v : x.top) v = V::Set(0);
  for (std::size_t begin = 0; begin < a.n; begin += kSumBlock) {
    const std::size_t end = begin + kSumBlock < a.n ? begin + kSumBlock : a.n;
    for (std::size_t i = begin; i < end; i += V::kLanes) {
      UpdateAt<Body, V>(x, a, needs_p, a.stream, i);
    }
    if (x.reduces) {
      if (a.tail != 0) break;
      for (int s = 0; s < kSums; ++s) {
        args->sums[s] += SumLanes(x.sum[s]);
        x.sum[s] = V::Set(0);
      }
    }
  }
  if (x.reduces) {
    V sums[kSums], tops[kTops];
    for (int s = 0; s < kSums; ++s) sums[s] = x.sum[s];
    for (int s = 0; s < kTops; ++s) tops[s] = x.top[s];
    if (a.tail != 0) AddTail<V, T>(sums, args);
    RaiseTops<V, T>(tops, a.tail != 0 ? a.tail : V::kLanes, args);
  }
}

}  // namespace
}  // namespace malmoi::optim
