#pragma once

#include "optim/lane_pass.h"

// The loop around every kernel, over the lanes of the level that includes this after its own
// lanes-inl.h. The tail runs through the same code on a padded copy, so there is no second formula.
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
  const T* constants;

  OPTIM_INLINE V c(int i) const { return V::Set(constants[i]); }
  OPTIM_INLINE V Num(double v) const { return V::Set(static_cast<T>(v)); }
  OPTIM_INLINE void Sum(int i, V v) { sum[i] = sum[i] + v; }
  OPTIM_INLINE void Top(int i, V v) { top[i] = Max(top[i], v); }
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

// The last n < lanes elements: through copies padded with zeros; sums of the padding are dropped.
template <class Body, class V, class T>
__attribute__((noinline)) void RunTail(Lane<V> x, PassArgs<T>* args, bool needs_p,
                                       std::size_t begin) {
  const PassArgs<T>& a = *args;
  const std::size_t n = a.n - begin;
  alignas(64) T pad[kStreams][V::kLanes];
  T* stream[kStreams];
  for (int s = 0; s < kStreams; ++s) {
    stream[s] = pad[s];
    for (std::size_t i = 0; i < V::kLanes; ++i) pad[s][i] = 0;
    if (a.stream[s] == nullptr) continue;
    for (std::size_t i = 0; i < n; ++i) pad[s][i] = a.stream[s][begin + i];
  }
  for (V& v : x.sum) v = V::Set(0);
  for (V& v : x.top) v = V::Set(0);
  UpdateAt<Body, V>(x, a, needs_p, stream, 0);
  constexpr bool kDirection = (Body::kWrites & kU) != 0;
  for (int s = 0; s < kStreams; ++s) {
    const bool writes =
        (Body::kWrites >> s & 1) != 0 ? (s != 2 || a.keep_u) : s == 0 && kDirection && !a.keep_u;
    if (!writes || a.stream[s] == nullptr) continue;
    for (std::size_t i = 0; i < n; ++i) a.stream[s][begin + i] = pad[s][i];
  }
  T lanes[V::kLanes];
  for (int s = 0; s < kSums; ++s) {
    x.sum[s].Store(lanes);
    for (std::size_t i = 0; i < n; ++i) args->sums[s] += static_cast<double>(lanes[i]);
  }
  for (int s = 0; s < kTops; ++s) {
    x.top[s].Store(lanes);
    for (std::size_t i = 0; i < n; ++i) {
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
  for (V& v : x.sum) v = V::Set(0);
  for (V& v : x.top) v = V::Set(0);
  for (double& s : args->sums) s = 0;
  for (double& t : args->tops) t = 0;
  const std::size_t whole = a.n - a.n % V::kLanes;
  for (std::size_t begin = 0; begin < whole; begin += kSumBlock) {
    const std::size_t end = begin + kSumBlock < whole ? begin + kSumBlock : whole;
    for (std::size_t i = begin; i < end; i += V::kLanes) {
      UpdateAt<Body, V>(x, a, needs_p, a.stream, i);
    }
    for (int s = 0; s < kSums; ++s) {
      args->sums[s] += SumLanes(x.sum[s]);
      x.sum[s] = V::Set(0);
    }
  }
  for (int s = 0; s < kTops; ++s) {
    alignas(64) T lanes[V::kLanes];
    x.top[s].Store(lanes);
    for (const T v : lanes) {
      if (!(static_cast<double>(v) <= args->tops[s])) args->tops[s] = static_cast<double>(v);
    }
  }
  if (whole < a.n) RunTail<Body, V, T>(x, args, needs_p, whole);
}

}  // namespace
}  // namespace malmoi::optim
