#pragma once

#include "optim/lane_pass.h"

#define OPTIM_INLINE inline __attribute__((always_inline))

#include "optim/codes-inl.h"

// A kernel's formula on one set of lanes: how streams of any form are loaded and stored around it.
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

// The same for what is not added.
OPTIM_INLINE bool IsZero(float x) {
  unsigned bits;
  __builtin_memcpy(&bits, &x, sizeof(bits));
  return (bits & 0x7fffffffu) == 0;
}
OPTIM_INLINE bool IsZero(double x) {
  unsigned long long bits;
  __builtin_memcpy(&bits, &x, sizeof(bits));
  return (bits & 0x7fffffffffffffffull) == 0;
}

// The bits by which halves at a place are rounded.
struct HalfBits {
  const std::uint32_t* add;
  std::uint32_t key, odd;
};
OPTIM_INLINE std::uint32_t HalfKey(const PassArgs<float>& a, std::size_t block) {
  return (DitherKey(a.key, block) >> 4) & a.halves.keys;
}
// What is added at sixteen places from `at` on, of which the last lie in the next block.
__attribute__((noinline)) void MixBits(const std::uint32_t* add, std::size_t at, std::uint32_t key,
                                       std::uint32_t next, std::uint32_t* out) {
  for (std::size_t i = 0; i < 16; ++i) {
    out[i] = add[(at + i) % kSumBlock] ^ (at + i < kSumBlock ? key : next);
  }
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

// What a loop keeps for a block of 256 elements of a tensor, for small states. Empty for wide ones.
template <Form kForm>
struct Block {};
// The key by which bf16 states are rounded (HalfRounding).
template <>
struct Block<Form::kHalves> {
  std::uint32_t key;
  OPTIM_INLINE void Begin(const PassArgs<float>& a, std::size_t element) {
    key = HalfKey(a, element / kSumBlock);
  }
  OPTIM_INLINE HalfBits Bits(const PassArgs<float>& a, std::size_t at) const {
    return {a.halves.add + at, key, a.halves.odd};
  }
};
// The same for rows, which begin anywhere in a block and may leave it within a set of lanes.
template <>
struct Block<Form::kRows> {
  std::size_t block = ~std::size_t{0};
  std::uint32_t key, next;
  std::uint32_t mixed[16];
  OPTIM_INLINE void Begin(const PassArgs<float>& a, std::size_t element) {
    if (element / kSumBlock == block) return;
    block = element / kSumBlock;
    key = HalfKey(a, block);
    next = HalfKey(a, block + 1);
  }
  OPTIM_INLINE HalfBits Bits(const PassArgs<float>& a, std::size_t at) {
    if (at <= kSumBlock - 16) return {a.halves.add + at, key, a.halves.odd};
    MixBits(a.halves.add, at, key, next, mixed);
    return {mixed, 0, a.halves.odd};
  }
};
// States kept as 8-bit codes between decoding and encoding.
#if defined(__AVX512BW__)
// Of thirty-two elements, in registers: both halves before the formula and after it.
template <>
struct Block<Form::kCodes> {
  F32 now[kStateSlots][2];
};
#else
// Of one block of 256: the states as they were, in bf16, which holds what codes stand for, and
// their new values until the block's largest is known.
template <>
struct Block<Form::kCodes> {
  // Rows are no multiple of a page apart.
  alignas(64) unsigned short old[kStateSlots][kSumBlock + 32];
  alignas(64) float wide[kStateSlots][kSumBlock + 16];
};
#endif

// How numbers of the lanes' own type are reached: whole sets of lanes, or the first n of one.
template <class V>
struct AllLanes {
  OPTIM_INLINE V Load(const typename V::T* p) const { return V::Load(p); }
  OPTIM_INLINE void Store(typename V::T* p, V x) const { x.Store(p); }
  OPTIM_INLINE V OfHalves(const unsigned short* p) const { return LoadHalf(p); }
  OPTIM_INLINE void ToHalves(unsigned short* p, V x, HalfBits b) const {
    StoreHalf(p, x, b.add, b.key, b.odd);
  }
};
// The same of the first or second half of a Block.
template <class V, int kHalf_>
struct HalfLanes : AllLanes<V> {
  static constexpr int kHalf = kHalf_;
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
  OPTIM_INLINE void ToHalves(unsigned short* p, V x, HalfBits b) const {
    unsigned short padded[V::kLanes];
    StoreHalf(padded, x, b.add, b.key, b.odd);
    for (std::size_t i = 0; i < n; ++i) p[i] = padded[i];
  }
};

// g and the states, in any form; `at` is the place of i in its block of the tensor.
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
                         std::size_t i, [[maybe_unused]] std::size_t at) {
  if constexpr (IsHalf(kForm, k)) {
    return lanes.OfHalves(reinterpret_cast<const unsigned short*>(a.stream[3 + k]) + i);
  } else if constexpr (kForm == Form::kCodes) {
#if defined(__AVX512BW__)
    return block.now[k][Lanes::kHalf];
#else
    return lanes.OfHalves(block.old[k] + at);
#endif
  } else {
    return lanes.Load(a.stream[3 + k] + i);
  }
}
template <Form kForm, int k, class V, class Lanes>
OPTIM_INLINE void StoreState(const PassArgs<typename V::T>& a, Lanes lanes, Block<kForm>& block,
                             std::size_t i, [[maybe_unused]] std::size_t at, V x) {
  if constexpr (IsHalf(kForm, k)) {
    lanes.ToHalves(reinterpret_cast<unsigned short*>(a.stream[3 + k]) + i, x, block.Bits(a, at));
  } else if constexpr (kForm == Form::kCodes) {
#if defined(__AVX512BW__)
    block.now[k][Lanes::kHalf] = x;
#else
    x.Store(block.wide[k] + at);
#endif
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
  const bool l2 = !IsZero(a.l2);
  return {l2 || (kDirection && !a.keep_u), !IsOne(a.grad_scale), l2, !IsOne(a.post_decay)};
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

// Streams narrower than the lanes leave memory idle where arithmetic takes as long as they do:
// their lines are asked for some blocks ahead, as far as the loop gets while one comes. With f32
// streams, which memory alone bounds, it takes more time than it saves.
template <class Body, Form kForm, class T>
OPTIM_INLINE void AskAhead(const PassArgs<T>& a, std::size_t i) {
  constexpr std::size_t kAhead = kForm == Form::kHalves ? 128 : 384;
  constexpr unsigned kDirection = (Body::kWrites & kU) != 0 ? kP : 0;
  for (int s = 0; s < kStreams; ++s) {
    if (((Body::kReads | kDirection) >> s & 1) == 0 || s == 2) continue;
    const bool half = s == 1 && (kForm == Form::kHalves || a.half_gradient);
    const std::size_t bytes = s == 0 ? 4 : s == 1 ? (half ? 2 : 4) : kForm == Form::kHalves ? 2 : 1;
    if ((i * bytes) % 64 != 0) continue;
    __builtin_prefetch(reinterpret_cast<const char*>(a.stream[s]) + (i + kAhead) * bytes);
  }
}

}  // namespace
}  // namespace malmoi::optim
