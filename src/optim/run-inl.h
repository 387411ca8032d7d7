#pragma once

#include "optim/element-inl.h"
#if defined(__AVX512BW__)
#include "optim/avx512/coded_block-inl.h"
#endif

// The loop around every kernel, over the lanes of the level that includes this after its own
// lanes-inl.h. Tails come as whole lanes, padded by the engine, so there is no second formula.
namespace malmoi::optim {
namespace {

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

#if !defined(__AVX512BW__)
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
                    a.key, (a.first + i) / kSumBlock);
  }
}
#endif

// Elements [begin, end), at most a block of sums.
template <class Body, Form kForm, class V>
OPTIM_INLINE void RunBlock(Lane<V>& x, const PassArgs<typename V::T>& a, Steps steps,
                           std::size_t begin, std::size_t end) {
  Block<kForm> block;
#if !defined(__AVX512BW__)
  if constexpr (kForm == Form::kCodes) BeginBlock<Body>(a, begin, &block);
#endif
  if constexpr (kForm == Form::kHalves) block.Begin(a, a.first + begin);
  for (std::size_t i = begin; i < end; i += V::kLanes) {
    if constexpr (kForm == Form::kHalves || kForm == Form::kCodes) AskAhead<Body, kForm>(a, i);
    UpdateAt<Body, kForm, V>(x, a, AllLanes<V>(), block, steps, i, i - begin);
  }
#if !defined(__AVX512BW__)
  if constexpr (kForm == Form::kCodes) EndBlock<Body>(a, begin, block);
#endif
}

template <class Body, Form kForm, class V, class T>
__attribute__((noinline)) void RunForm(PassArgs<T>* args) {
  const PassArgs<T> a = *args;
  const Steps steps = StepsOf<Body>(a);
#if defined(__AVX512BW__)
  [[maybe_unused]] Highs highs;
#endif
  Lane<V> x;
  x.constants = a.constant;
  x.down[0] = a.down[0], x.down[1] = a.down[1];
  for (V& v : x.sum) v = V::Set(0);
  for (V& v : x.top) v = V::Set(0);
  for (std::size_t begin = 0; begin < a.n; begin += kSumBlock) {
    const std::size_t end = begin + kSumBlock < a.n ? begin + kSumBlock : a.n;
#if defined(__AVX512BW__)
    if constexpr (kForm == Form::kCodes) {
      RunCodedBlock<Body>(x, a, steps, begin, &highs);
    } else {
      RunBlock<Body, kForm>(x, a, steps, begin, end);
    }
#else
    RunBlock<Body, kForm>(x, a, steps, begin, end);
#endif
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

// One row of n elements, of which the first is `first` of the tensor; adds its sums and raises its
// maxima.
template <class Body, Form kForm, class V, class T>
OPTIM_INLINE void RunRow(Lane<V>& x, const PassArgs<T>& a, Steps steps, std::size_t first,
                         Block<kForm>& block, double* sums, double* tops) {
  const std::size_t tail = a.n % V::kLanes, whole = a.n - tail;
  for (V& v : x.sum) v = V::Set(0);
  for (V& v : x.top) v = V::Set(0);
  for (std::size_t begin = 0; begin < whole; begin += kSumBlock) {
    const std::size_t end = begin + kSumBlock < whole ? begin + kSumBlock : whole;
    for (std::size_t i = begin; i < end; i += V::kLanes) {
      if constexpr (kForm == Form::kRows) block.Begin(a, first + i);
      UpdateAt<Body, kForm, V>(x, a, AllLanes<V>(), block, steps, i, (first + i) % kSumBlock);
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
  if constexpr (kForm == Form::kRows) block.Begin(a, first + whole);
  UpdateAt<Body, kForm, V>(x, a, FirstLanes<V>{tail}, block, steps, whole,
                           (first + whole) % kSumBlock);
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
  Block<kForm> block;
  Lane<V> x;
  x.constants = a.constant;
  x.down[0] = a.down[0], x.down[1] = a.down[1];
  for (std::size_t r = 0; r < rows.count; ++r) {
    for (int k = 0; k < 4; ++k) {
      if (rows.factor[k] != nullptr) a.constant[kConstants - 4 + k] = rows.factor[k][r];
    }
    double sums[kSums] = {}, tops[kTops] = {};
    RunRow<Body, kForm, V, T>(x, a, steps, a.first + r * a.n, block, sums, tops);
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
