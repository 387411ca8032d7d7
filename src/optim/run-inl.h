#pragma once

#include "optim/lane_pass.h"

// The loop around every kernel, over the lanes of the level that includes this after its own
// lanes-inl.h. Tails come as whole lanes, padded by the engine, so there is no second formula.
#define OPTIM_INLINE inline __attribute__((always_inline))

namespace malmoi::optim {
namespace {

// Sums are kept in lanes over this many elements, then added to doubles.
constexpr std::size_t kSumBlock = 256;

// Whether a factor changes nothing: by its bits, since comparing floats would take one of the units
// that multiply, which is what is saved.
OPTIM_INLINE bool IsOne(float x) {
  unsigned bits;
  __builtin_memcpy(&bits, &x, sizeof(bits));
  return bits == 0x3f800000u;
}
OPTIM_INLINE bool IsOne(double x) {
  unsigned long long bits;
  __builtin_memcpy(&bits, &x, sizeof(bits));
  return bits == 0x3ff0000000000000ull;
}

template <class V>
struct Lane {
  using T = typename V::T;
  V p, g, u, s0, s1, s2, s3, s4, s5, s6, s7;
  V sum[kSums];
  V top[kTops];
  // Known when compiled: the kernel has sums or maxima; and how many of them.
  bool reduces = false;
  int sums = 0, tops = 0;
  const T* constants;
  double* down[2];
  std::size_t at;

  OPTIM_INLINE V c(int i) const { return V::Set(constants[i]); }
  // v * c(i), where c(i) often is 1.
  OPTIM_INLINE V Times(V v, int i) const { return IsOne(constants[i]) ? v : v * c(i); }
  OPTIM_INLINE V Num(double v) const { return V::Set(static_cast<T>(v)); }
  OPTIM_INLINE void Sum(int i, V v) {
    sum[i] = sum[i] + v;
    reduces = true;
    if (sums <= i) sums = i + 1;
  }
  OPTIM_INLINE void Top(int i, V v) {
    top[i] = Max(top[i], v);
    reduces = true;
    if (tops <= i) tops = i + 1;
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

// Of one block of 256: the states as they were, in bf16, which holds what 8-bit codes stand for,
// and their new values until the block's largest is known. Empty for other forms.
template <Form kForm>
struct Block {};
template <>
struct Block<Form::kCodes> {
  // Rows are no multiple of a page apart.
  alignas(64) unsigned short old[kStateSlots][kSumBlock + 32];
  alignas(64) float wide[kStateSlots][kSumBlock + 16];
};

// How numbers of the lanes' own type are reached: whole sets of lanes, or the first n of one.
template <class V>
struct AllLanes {
  OPTIM_INLINE V Load(const typename V::T* p) const { return V::Load(p); }
  OPTIM_INLINE void Store(typename V::T* p, V x) const { x.Store(p); }
  OPTIM_INLINE V OfHalves(const unsigned short* p) const { return LoadHalf(p); }
  OPTIM_INLINE void ToHalves(unsigned short* p, V x) const { StoreHalf(p, x); }
};
template <class V>
struct FirstLanes {
  std::size_t n;
  OPTIM_INLINE V Load(const typename V::T* p) const { return V::LoadFirst(p, n); }
  OPTIM_INLINE void Store(typename V::T* p, V x) const { x.StoreFirst(p, n); }
  OPTIM_INLINE V OfHalves(const unsigned short* p) const {
    unsigned short padded[V::kLanes] = {};
    for (std::size_t i = 0; i < n; ++i) padded[i] = p[i];
    return LoadHalf(padded);
  }
  OPTIM_INLINE void ToHalves(unsigned short* p, V x) const {
    unsigned short padded[V::kLanes];
    StoreHalf(padded, x);
    for (std::size_t i = 0; i < n; ++i) p[i] = padded[i];
  }
};

// g and the states, in any form; `at` is i in its block.
template <Form kForm, class V, class Lanes>
OPTIM_INLINE V LoadGradient(const PassArgs<typename V::T>& a, Lanes lanes, std::size_t i) {
  if constexpr (kForm == Form::kHalves) {
    return lanes.OfHalves(reinterpret_cast<const unsigned short*>(a.stream[1]) + i);
  } else if constexpr (kForm == Form::kCodes || kForm == Form::kRows) {
    if (a.half_gradient) {
      return lanes.OfHalves(reinterpret_cast<const unsigned short*>(a.stream[1]) + i);
    }
  }
  return lanes.Load(a.stream[1] + i);
}
// Whether a state is bf16.
constexpr bool IsHalf(Form form, int k) {
  return form == Form::kHalves || (form == Form::kRows && k < 4);
}
template <Form kForm, int k, class V, class Lanes>
OPTIM_INLINE V LoadState(const PassArgs<typename V::T>& a, Lanes lanes, const Block<kForm>& block,
                         std::size_t i, std::size_t at) {
  if constexpr (IsHalf(kForm, k)) {
    return lanes.OfHalves(reinterpret_cast<const unsigned short*>(a.stream[3 + k]) + i);
  } else if constexpr (kForm == Form::kCodes) {
    return lanes.OfHalves(block.old[k] + at);
  } else {
    return lanes.Load(a.stream[3 + k] + i);
  }
}
template <Form kForm, int k, class V, class Lanes>
OPTIM_INLINE void StoreState(const PassArgs<typename V::T>& a, Lanes lanes, Block<kForm>& block,
                             std::size_t i, std::size_t at, V x) {
  if constexpr (IsHalf(kForm, k)) {
    lanes.ToHalves(reinterpret_cast<unsigned short*>(a.stream[3 + k]) + i, x);
  } else if constexpr (kForm == Form::kCodes) {
    x.Store(block.wide[k] + at);
  } else {
    lanes.Store(a.stream[3 + k] + i, x);
  }
}

// What a pass does with each element besides its formula, known before it.
struct Steps {
  bool parameter;  // Is read, whatever the kernel reads.
  bool scale, l2, post_decay;
};
template <class Body, class T>
OPTIM_INLINE Steps StepsOf(const PassArgs<T>& a) {
  constexpr bool kDirection = (Body::kWrites & kU) != 0;
  return {a.l2 != 0 || (kDirection && !a.keep_u), !IsOne(a.grad_scale), a.l2 != 0,
          !IsOne(a.post_decay)};
}

template <class Body, Form kForm, class V, class Lanes>
OPTIM_INLINE void UpdateAt(Lane<V>& x, const PassArgs<typename V::T>& a, Lanes lanes,
                           Block<kForm>& block, Steps steps, std::size_t i, std::size_t at) {
  constexpr unsigned r = Body::kReads;
  constexpr unsigned w = Body::kWrites;
  constexpr bool kDirection = (w & kU) != 0;
  if ((r & kP) != 0 || steps.parameter) x.p = lanes.Load(a.stream[0] + i) * V::Set(a.decay);
  if constexpr ((r & kG) != 0) {
    x.g = LoadGradient<kForm, V>(a, lanes, i);
    if (steps.scale) x.g = x.g * V::Set(a.grad_scale);
    if (steps.l2) x.g = Fma(V::Set(a.l2), x.p, x.g);
  }
  if constexpr ((r & kU) != 0) x.u = lanes.Load(a.stream[2] + i);
  if constexpr ((r & kS0) != 0) x.s0 = LoadState<kForm, 0, V>(a, lanes, block, i, at);
  if constexpr ((r & kS1) != 0) x.s1 = LoadState<kForm, 1, V>(a, lanes, block, i, at);
  if constexpr ((r & kS2) != 0) x.s2 = LoadState<kForm, 2, V>(a, lanes, block, i, at);
  if constexpr ((r & kS3) != 0) x.s3 = LoadState<kForm, 3, V>(a, lanes, block, i, at);
  if constexpr ((r & kS4) != 0) x.s4 = LoadState<kForm, 4, V>(a, lanes, block, i, at);
  if constexpr ((r & kS5) != 0) x.s5 = LoadState<kForm, 5, V>(a, lanes, block, i, at);
  if constexpr ((r & kS6) != 0) x.s6 = LoadState<kForm, 6, V>(a, lanes, block, i, at);
  if constexpr ((r & kS7) != 0) x.s7 = LoadState<kForm, 7, V>(a, lanes, block, i, at);
  x.at = i;
  Body::Update(x);
  if constexpr (kDirection) {
    if (a.keep_u) {
      lanes.Store(a.stream[2] + i, x.u);
    } else {
      V p = Fma(V::Set(-a.step), x.u, x.p);
      if (steps.post_decay) p = p * V::Set(a.post_decay);
      lanes.Store(a.stream[0] + i, p);
    }
  }
  if constexpr ((w & kP) != 0) lanes.Store(a.stream[0] + i, x.p);
  if constexpr ((w & kS0) != 0) StoreState<kForm, 0, V>(a, lanes, block, i, at, x.s0);
  if constexpr ((w & kS1) != 0) StoreState<kForm, 1, V>(a, lanes, block, i, at, x.s1);
  if constexpr ((w & kS2) != 0) StoreState<kForm, 2, V>(a, lanes, block, i, at, x.s2);
  if constexpr ((w & kS3) != 0) StoreState<kForm, 3, V>(a, lanes, block, i, at, x.s3);
  if constexpr ((w & kS4) != 0) StoreState<kForm, 4, V>(a, lanes, block, i, at, x.s4);
  if constexpr ((w & kS5) != 0) StoreState<kForm, 5, V>(a, lanes, block, i, at, x.s5);
  if constexpr ((w & kS6) != 0) StoreState<kForm, 6, V>(a, lanes, block, i, at, x.s6);
  if constexpr ((w & kS7) != 0) StoreState<kForm, 7, V>(a, lanes, block, i, at, x.s7);
}

template <class V>
__attribute__((noinline)) void RaiseTops(const V* tops, int kinds, std::size_t count, double* out) {
  typename V::T lanes[V::kLanes];
  for (int s = 0; s < kinds; ++s) {
    tops[s].Store(lanes);
    for (std::size_t i = 0; i < count; ++i) {
      if (!(static_cast<double>(lanes[i]) <= out[s])) out[s] = static_cast<double>(lanes[i]);
    }
  }
}

// Before and after a block of codes.
template <class Body, class T>
OPTIM_INLINE void BeginBlock(const PassArgs<T>& a, std::size_t i, Block<Form::kCodes>* block) {
  for (int k = 0; k < kStateSlots; ++k) {
    if ((Body::kReads >> (3 + k) & 1) == 0) continue;
    const CodedState& s = a.coded[k];
    a.codes->decode(reinterpret_cast<unsigned char*>(a.stream[3 + k]) + i, s.scales + i / kSumBlock,
                    s.non_negative, block->old[k]);
  }
}
template <class Body, class T>
OPTIM_INLINE void EndBlock(const PassArgs<T>& a, std::size_t i, const Block<Form::kCodes>& block) {
  for (int k = 0; k < kStateSlots; ++k) {
    if ((Body::kWrites >> (3 + k) & 1) == 0) continue;
    const CodedState& s = a.coded[k];
    a.codes->encode(block.wide[k], s.non_negative,
                    reinterpret_cast<unsigned char*>(a.stream[3 + k]) + i, s.scales + i / kSumBlock,
                    s.key, a.first_block + i / kSumBlock);
  }
}

template <class Body, Form kForm, class V, class T>
__attribute__((noinline)) void RunForm(PassArgs<T>* args) {
  const PassArgs<T> a = *args;
  const Steps steps = StepsOf<Body>(a);
  Block<kForm> block;
  Lane<V> x;
  x.constants = a.constant;
  x.down[0] = a.down[0], x.down[1] = a.down[1];
  for (V& v : x.sum) v = V::Set(0);
  for (V& v : x.top) v = V::Set(0);
  for (std::size_t begin = 0; begin < a.n; begin += kSumBlock) {
    const std::size_t end = begin + kSumBlock < a.n ? begin + kSumBlock : a.n;
    if constexpr (kForm == Form::kCodes) BeginBlock<Body>(a, begin, &block);
    for (std::size_t i = begin; i < end; i += V::kLanes) {
      UpdateAt<Body, kForm, V>(x, a, AllLanes<V>(), block, steps, i, i - begin);
    }
    if constexpr (kForm == Form::kCodes) EndBlock<Body>(a, begin, block);
    for (int s = 0; s < kSums; ++s) {
      if (s >= x.sums) break;
      args->sums[s] += SumLanes(a.tail != 0 ? x.sum[s].First(a.tail) : x.sum[s]);
      x.sum[s] = V::Set(0);
    }
  }
  if (x.tops > 0) {
    V tops[kTops];
    for (int s = 0; s < kTops; ++s) tops[s] = x.top[s];
    RaiseTops<V>(tops, x.tops, a.tail != 0 ? a.tail : V::kLanes, args->tops);
  }
}

// One row of n elements; adds its sums and raises its maxima.
template <class Body, Form kForm, class V, class T>
OPTIM_INLINE void RunRow(Lane<V>& x, const PassArgs<T>& a, Steps steps, double* sums,
                         double* tops) {
  Block<kForm> block;
  const std::size_t tail = a.n % V::kLanes, whole = a.n - tail;
  for (V& v : x.sum) v = V::Set(0);
  for (V& v : x.top) v = V::Set(0);
  for (std::size_t begin = 0; begin < whole; begin += kSumBlock) {
    const std::size_t end = begin + kSumBlock < whole ? begin + kSumBlock : whole;
    for (std::size_t i = begin; i < end; i += V::kLanes) {
      UpdateAt<Body, kForm, V>(x, a, AllLanes<V>(), block, steps, i, i - begin);
    }
    for (int s = 0; s < kSums; ++s) {
      if (s >= x.sums) break;
      sums[s] += SumLanes(x.sum[s]);
      x.sum[s] = V::Set(0);
    }
  }
  if (x.tops > 0) {
    V raised[kTops];
    for (int s = 0; s < kTops; ++s) raised[s] = x.top[s], x.top[s] = V::Set(0);
    RaiseTops<V>(raised, x.tops, V::kLanes, tops);
  }
  if (tail == 0) return;
  UpdateAt<Body, kForm, V>(x, a, FirstLanes<V>{tail}, block, steps, whole, 0);
  for (int s = 0; s < kSums; ++s) {
    if (s < x.sums) sums[s] += SumLanes(x.sum[s].First(tail));
  }
  if (x.tops > 0) {
    V raised[kTops];
    for (int s = 0; s < kTops; ++s) raised[s] = x.top[s];
    RaiseTops<V>(raised, x.tops, tail, tops);
  }
}
template <class Body, Form kForm, class V, class T>
__attribute__((noinline)) void RunRows(PassArgs<T>* args) {
  PassArgs<T> a = *args;
  const RowArgs<T>& rows = args->rows;
  const Steps steps = StepsOf<Body>(a);
  Lane<V> x;
  x.constants = a.constant;
  x.down[0] = a.down[0], x.down[1] = a.down[1];
  for (std::size_t r = 0; r < rows.count; ++r) {
    for (int k = 0; k < 4; ++k) {
      if (rows.factor[k] != nullptr) a.constant[kConstants - 4 + k] = rows.factor[k][r];
    }
    double sums[kSums] = {}, tops[kTops] = {};
    RunRow<Body, kForm, V, T>(x, a, steps, sums, tops);
    for (int k = 0; k < 4; ++k) {
      if (rows.across[k] != nullptr) rows.across[k][r] = sums[k];
    }
    if (rows.across_top != nullptr) rows.across_top[r] = tops[0];
    for (int s = 0; s < kSums; ++s) args->sums[s] += sums[s];
    for (int s = 0; s < kStreams; ++s) {
      if (a.stream[s] == nullptr || (rows.columns >> s & 1) != 0) continue;
      const bool half = s == 1 ? a.half_gradient : s >= 3 && IsHalf(kForm, s - 3);
      a.stream[s] = half
                        ? reinterpret_cast<T*>(reinterpret_cast<unsigned short*>(a.stream[s]) + a.n)
                        : a.stream[s] + a.n;
    }
  }
}
template <class Body, class V, class T>
void RunPass(PassArgs<T>* args) {
  // Without vectors copies are as fast, and these are a third of the code.
#if defined(__AVX2__)
  constexpr bool kForms = true;
#else
  constexpr bool kForms = false;
#endif
  constexpr bool kStates = ((Body::kReads | Body::kWrites) & ~(kP | kG | kU)) != 0;
  if constexpr (Body::kGrid) {
    if constexpr (sizeof(T) == sizeof(float) && kForms) {
      if (args->form == Form::kRows) return RunRows<Body, Form::kRows, V, T>(args);
    }
    if (args->rows.count != 0) return RunRows<Body, Form::kWide, V, T>(args);
  }
  if constexpr (sizeof(T) == sizeof(float) && kForms && kStates) {
    if (args->form == Form::kHalves) return RunForm<Body, Form::kHalves, V, T>(args);
    if (args->form == Form::kCodes) return RunForm<Body, Form::kCodes, V, T>(args);
  }
  RunForm<Body, Form::kWide, V, T>(args);
}

}  // namespace
}  // namespace malmoi::optim
