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

// g and the states, which may be bf16.
template <bool kHalves, class V>
OPTIM_INLINE V LoadStream(const PassArgs<typename V::T>& a, int s, std::size_t i) {
  if constexpr (kHalves) {
    return LoadHalf(reinterpret_cast<const unsigned short*>(a.stream[s]) + i);
  } else {
    return V::Load(a.stream[s] + i);
  }
}
template <bool kHalves, class V>
OPTIM_INLINE void StoreStream(const PassArgs<typename V::T>& a, int s, std::size_t i, V x) {
  if constexpr (kHalves) {
    StoreHalf(reinterpret_cast<unsigned short*>(a.stream[s]) + i, x);
  } else {
    x.Store(a.stream[s] + i);
  }
}

template <class Body, bool kHalves, class V>
OPTIM_INLINE void UpdateAt(Lane<V>& x, const PassArgs<typename V::T>& a, bool needs_p,
                           std::size_t i) {
  constexpr unsigned r = Body::kReads;
  constexpr unsigned w = Body::kWrites;
  constexpr bool kDirection = (w & kU) != 0;
  if ((r & kP) != 0 || needs_p) x.p = V::Load(a.stream[0] + i) * V::Set(a.decay);
  if constexpr ((r & kG) != 0) {
    x.g = LoadStream<kHalves, V>(a, 1, i) * V::Set(a.grad_scale);
    if (a.l2 != 0) x.g = Fma(V::Set(a.l2), x.p, x.g);
  }
  if constexpr ((r & kU) != 0) x.u = V::Load(a.stream[2] + i);
  if constexpr ((r & kS0) != 0) x.s0 = LoadStream<kHalves, V>(a, 3, i);
  if constexpr ((r & kS1) != 0) x.s1 = LoadStream<kHalves, V>(a, 4, i);
  if constexpr ((r & kS2) != 0) x.s2 = LoadStream<kHalves, V>(a, 5, i);
  if constexpr ((r & kS3) != 0) x.s3 = LoadStream<kHalves, V>(a, 6, i);
  if constexpr ((r & kS4) != 0) x.s4 = LoadStream<kHalves, V>(a, 7, i);
  if constexpr ((r & kS5) != 0) x.s5 = LoadStream<kHalves, V>(a, 8, i);
  if constexpr ((r & kS6) != 0) x.s6 = LoadStream<kHalves, V>(a, 9, i);
  if constexpr ((r & kS7) != 0) x.s7 = LoadStream<kHalves, V>(a, 10, i);
  x.at = i;
  Body::Update(x);
  if constexpr (kDirection) {
    if (a.keep_u) {
      x.u.Store(a.stream[2] + i);
    } else {
      (Fma(V::Set(-a.step), x.u, x.p) * V::Set(a.post_decay)).Store(a.stream[0] + i);
    }
  }
  if constexpr ((w & kP) != 0) x.p.Store(a.stream[0] + i);
  if constexpr ((w & kS0) != 0) StoreStream<kHalves, V>(a, 3, i, x.s0);
  if constexpr ((w & kS1) != 0) StoreStream<kHalves, V>(a, 4, i, x.s1);
  if constexpr ((w & kS2) != 0) StoreStream<kHalves, V>(a, 5, i, x.s2);
  if constexpr ((w & kS3) != 0) StoreStream<kHalves, V>(a, 6, i, x.s3);
  if constexpr ((w & kS4) != 0) StoreStream<kHalves, V>(a, 7, i, x.s4);
  if constexpr ((w & kS5) != 0) StoreStream<kHalves, V>(a, 8, i, x.s5);
  if constexpr ((w & kS6) != 0) StoreStream<kHalves, V>(a, 9, i, x.s6);
  if constexpr ((w & kS7) != 0) StoreStream<kHalves, V>(a, 10, i, x.s7);
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

template <class Body, bool kHalves, class V, class T>
__attribute__((noinline)) void RunForm(PassArgs<T>* args) {
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
      UpdateAt<Body, kHalves, V>(x, a, needs_p, i);
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
template <class Body, class V, class T>
void RunPass(PassArgs<T>* args) {
  constexpr bool kStates = ((Body::kReads | Body::kWrites) & ~(kP | kG | kU)) != 0;
  if constexpr (sizeof(T) == sizeof(float) && kStates) {
    if (args->halves) return RunForm<Body, true, V, T>(args);
  }
  RunForm<Body, false, V, T>(args);
}

}  // namespace
}  // namespace malmoi::optim
