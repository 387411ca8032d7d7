#pragma once

// Functions that few rules need, lane by lane in double through libm, so that every level gives the
// same bits. Slow next to the rest: 10-40 ns an element.
namespace malmoi::optim {
namespace {

#define OPTIM_FUNCTION1(Name, fn)                                                               \
  template <class V>                                                                            \
  inline V Name(V a) {                                                                          \
    typename V::T lanes[V::kLanes];                                                             \
    a.Store(lanes);                                                                             \
    for (typename V::T & l : lanes) l = static_cast<typename V::T>(fn(static_cast<double>(l))); \
    return V::Load(lanes);                                                                      \
  }
OPTIM_FUNCTION1(Exp, __builtin_exp)
OPTIM_FUNCTION1(Log, __builtin_log)
OPTIM_FUNCTION1(Tanh, __builtin_tanh)
OPTIM_FUNCTION1(Floor, __builtin_floor)
#undef OPTIM_FUNCTION1

#define OPTIM_FUNCTION2(Name, fn)                                                                  \
  template <class V>                                                                               \
  inline V Name(V a, V b) {                                                                        \
    typename V::T x[V::kLanes], y[V::kLanes];                                                      \
    a.Store(x);                                                                                    \
    b.Store(y);                                                                                    \
    for (std::size_t i = 0; i < V::kLanes; ++i) {                                                  \
      x[i] = static_cast<typename V::T>(fn(static_cast<double>(x[i]), static_cast<double>(y[i]))); \
    }                                                                                              \
    return V::Load(x);                                                                             \
  }
OPTIM_FUNCTION2(Pow, __builtin_pow)
OPTIM_FUNCTION2(Atan2, __builtin_atan2)
#undef OPTIM_FUNCTION2

}  // namespace
}  // namespace malmoi::optim
