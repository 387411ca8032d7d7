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
  double* down[2];
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
  OPTIM_INLINE void Down(int i, V v) { AddWide(down[i] + at, v); }
  OPTIM_INLINE void DownTop(V v) { RaiseWide(down[0] + at, v); }
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

// What the states of one block of 256 are decoded with, and where their new values wait until the
// block's largest is known. Empty for other forms.
template <Form kForm, class V>
struct Block {};
template <class V>
struct Block<Form::kCodes, V> {
  V unit[kStateSlots], size[kStateSlots], sign[kStateSlots];
  // Rows are no multiple of a page apart.
  alignas(64) float wide[kStateSlots][kSumBlock + 16];
};

// g and the states, in any form; `at` is i in its block.
template <Form kForm, class V>
OPTIM_INLINE V LoadGradient(const PassArgs<typename V::T>& a, std::size_t i) {
  if constexpr (kForm == Form::kHalves) {
    return LoadHalf(reinterpret_cast<const unsigned short*>(a.stream[1]) + i);
  } else if constexpr (kForm == Form::kCodes) {
    if (a.half_gradient) return LoadHalf(reinterpret_cast<const unsigned short*>(a.stream[1]) + i);
  }
  return V::Load(a.stream[1] + i);
}
template <Form kForm, class V>
OPTIM_INLINE V LoadState(const PassArgs<typename V::T>& a, const Block<kForm, V>& block, int k,
                         std::size_t i) {
  if constexpr (kForm == Form::kHalves) {
    return LoadHalf(reinterpret_cast<const unsigned short*>(a.stream[3 + k]) + i);
  } else if constexpr (kForm == Form::kCodes) {
    return LoadCodes(reinterpret_cast<const unsigned char*>(a.stream[3 + k]) + i, block.unit[k],
                     block.size[k], block.sign[k]);
  } else {
    return V::Load(a.stream[3 + k] + i);
  }
}
template <Form kForm, class V>
OPTIM_INLINE void StoreState(const PassArgs<typename V::T>& a, Block<kForm, V>& block, int k,
                             std::size_t i, std::size_t at, V x) {
  if constexpr (kForm == Form::kHalves) {
    StoreHalf(reinterpret_cast<unsigned short*>(a.stream[3 + k]) + i, x);
  } else if constexpr (kForm == Form::kCodes) {
    x.Store(block.wide[k] + at);
  } else {
    x.Store(a.stream[3 + k] + i);
  }
}

template <class Body, Form kForm, class V>
OPTIM_INLINE void UpdateAt(Lane<V>& x, const PassArgs<typename V::T>& a, Block<kForm, V>& block,
                           bool needs_p, std::size_t i, std::size_t at) {
  constexpr unsigned r = Body::kReads;
  constexpr unsigned w = Body::kWrites;
  constexpr bool kDirection = (w & kU) != 0;
  if ((r & kP) != 0 || needs_p) x.p = V::Load(a.stream[0] + i) * V::Set(a.decay);
  if constexpr ((r & kG) != 0) {
    x.g = LoadGradient<kForm, V>(a, i) * V::Set(a.grad_scale);
    if (a.l2 != 0) x.g = Fma(V::Set(a.l2), x.p, x.g);
  }
  if constexpr ((r & kU) != 0) x.u = V::Load(a.stream[2] + i);
  if constexpr ((r & kS0) != 0) x.s0 = LoadState(a, block, 0, i);
  if constexpr ((r & kS1) != 0) x.s1 = LoadState(a, block, 1, i);
  if constexpr ((r & kS2) != 0) x.s2 = LoadState(a, block, 2, i);
  if constexpr ((r & kS3) != 0) x.s3 = LoadState(a, block, 3, i);
  if constexpr ((r & kS4) != 0) x.s4 = LoadState(a, block, 4, i);
  if constexpr ((r & kS5) != 0) x.s5 = LoadState(a, block, 5, i);
  if constexpr ((r & kS6) != 0) x.s6 = LoadState(a, block, 6, i);
  if constexpr ((r & kS7) != 0) x.s7 = LoadState(a, block, 7, i);
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
  if constexpr ((w & kS0) != 0) StoreState(a, block, 0, i, at, x.s0);
  if constexpr ((w & kS1) != 0) StoreState(a, block, 1, i, at, x.s1);
  if constexpr ((w & kS2) != 0) StoreState(a, block, 2, i, at, x.s2);
  if constexpr ((w & kS3) != 0) StoreState(a, block, 3, i, at, x.s3);
  if constexpr ((w & kS4) != 0) StoreState(a, block, 4, i, at, x.s4);
  if constexpr ((w & kS5) != 0) StoreState(a, block, 5, i, at, x.s5);
  if constexpr ((w & kS6) != 0) StoreState(a, block, 6, i, at, x.s6);
  if constexpr ((w & kS7) != 0) StoreState(a, block, 7, i, at, x.s7);
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

// Before and after a block of codes.
template <class Body, class V, class T>
OPTIM_INLINE void BeginBlock(const PassArgs<T>& a, std::size_t i, Block<Form::kCodes, V>* block) {
  for (int k = 0; k < kStateSlots; ++k) {
    if ((Body::kReads >> (3 + k) & 1) == 0) continue;
    block->unit[k] = V::Set(a.coded[k].scales[i / kSumBlock]);
    block->size[k] = CodeSize(a.coded[k].non_negative);
    block->sign[k] = CodeSign(a.coded[k].non_negative);
  }
}
template <class Body, class V, class T>
OPTIM_INLINE void EndBlock(const PassArgs<T>& a, std::size_t i,
                           const Block<Form::kCodes, V>& block) {
  for (int k = 0; k < kStateSlots; ++k) {
    if ((Body::kWrites >> (3 + k) & 1) == 0) continue;
    const CodedState& s = a.coded[k];
    a.encode(block.wide[k], s.non_negative, reinterpret_cast<unsigned char*>(a.stream[3 + k]) + i,
             s.scales + i / kSumBlock, kSumBlock, s.key, a.first_block + i / kSumBlock);
  }
}

template <class Body, Form kForm, class V, class T>
__attribute__((noinline)) void RunForm(PassArgs<T>* args) {
  const PassArgs<T> a = *args;
  constexpr bool kDirection = (Body::kWrites & kU) != 0;
  const bool needs_p = a.l2 != 0 || (kDirection && !a.keep_u);
  Block<kForm, V> block;
  Lane<V> x;
  x.constants = a.constant;
  x.down[0] = a.down[0], x.down[1] = a.down[1];
  for (V& v : x.sum) v = V::Set(0);
  for (V& v : x.top) v = V::Set(0);
  for (std::size_t begin = 0; begin < a.n; begin += kSumBlock) {
    const std::size_t end = begin + kSumBlock < a.n ? begin + kSumBlock : a.n;
    if constexpr (kForm == Form::kCodes) BeginBlock<Body>(a, begin, &block);
    for (std::size_t i = begin; i < end; i += V::kLanes) {
      UpdateAt<Body, kForm, V>(x, a, block, needs_p, i, i - begin);
    }
    if constexpr (kForm == Form::kCodes) EndBlock<Body>(a, begin, block);
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
  // Without vectors copies are as fast, and these are a third of the code.
#if defined(__AVX2__)
  constexpr bool kStates = ((Body::kReads | Body::kWrites) & ~(kP | kG | kU)) != 0;
#else
  constexpr bool kStates = false;
#endif
  if constexpr (sizeof(T) == sizeof(float) && kStates) {
    if (args->form == Form::kHalves) return RunForm<Body, Form::kHalves, V, T>(args);
    if (args->form == Form::kCodes) return RunForm<Body, Form::kCodes, V, T>(args);
  }
  RunForm<Body, Form::kWide, V, T>(args);
}

}  // namespace
}  // namespace malmoi::optim
