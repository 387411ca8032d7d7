#pragma once

#include <cstddef>
#include <cstdint>

// What the engine hands to a kernel, and how a kernel is written. A kernel is one formula over
// sixteen f32 or eight f64 virtual lanes, compiled for every instruction-set level:
//
//   OPTIM_KERNEL(LionDirection, kG | kS0, kS0 | kU) {
//     x.u = Sign(Lerp(x.s0, x.g, x.c(0)));
//     x.s0 = Lerp(x.s0, x.g, x.c(1));
//   }
//
// `x` has the element streams as members, loaded and stored by the engine as the two masks say
// (read, then written), and constants x.c(i). x.Sum(i, v) and x.Top(i, v) reduce; over grids
// (TensorStep::ReduceGrid) x.Down(i, v) adds to column sums and x.DownTop(v) raises column maxima.
// OPTIM_GRID_KERNEL, the same otherwise, compiles a second loop, over whole rows.
//
//   p   the parameter, already multiplied by PassArgs::decay
//   g   the gradient, already scaled (unscale, clip, maximize), plus l2 * p
//   u   a direction. A kernel that writes it does not write p: the engine subtracts step * u, or
//       keeps u for a pass that needs a statistic of it first
//   s0  the tensor's states, in the order of their declaration or of TensorStep::Slots
//
// This header is read by files compiled with an instruction set's own flags: plain types only.
namespace malmoi::optim {

inline constexpr int kStateSlots = 8;
inline constexpr int kStreams = 3 + kStateSlots;
inline constexpr int kConstants = 20;
inline constexpr int kSums = 8;
inline constexpr int kTops = 2;
inline constexpr unsigned kP = 1, kG = 2, kU = 4, kS0 = 8, kS1 = 16, kS2 = 32, kS3 = 64, kS4 = 128,
                          kS5 = 256, kS6 = 512, kS7 = 1024;

// How the states of an f32 pass are kept, all alike, where the kernel reads and writes them itself.
enum class Form : std::uint8_t {
  kWide,    // As numbers of the lanes; so is g.
  kHalves,  // bf16, and so is g.
  kCodes,   // 8-bit codes (storage.h) of whole blocks; g is bf16 or f32 as half_gradient says.
  kRows,    // Of rows (RowArgs): s0 to s3 are bf16, s4 to s7 of columns and wide, g as in kCodes.
};

// Where kCodes finds a state's scales, and what its codes are.
struct CodedState {
  float* scales = nullptr;  // Of the block of the pass's first element.
  bool non_negative = false;
};

// What is added to a number's bits before their low half is cut off and they are bf16: by place in
// its block of 256, `add` with the block's key over it, and one more where the number is odd as
// `odd` says. Rounding up or down by random bits, and rounding to the nearest, differ in these.
struct HalfRounding {
  const std::uint32_t* add = nullptr;  // 256 of them, aligned to 64 bytes.
  std::uint32_t keys = 0;              // Bits of a block's key that count.
  std::uint32_t odd = 0;               // 1: nearest, ties to even.
};

// Whole blocks of 256 of storage.h's 8-bit codes: to bf16, which holds what a code stands for, and
// from new values.
struct BlockCodes {
  void (*decode)(const std::uint8_t* in, const float* scale, bool non_negative, std::uint16_t* out);
  void (*encode)(const float* in, bool non_negative, std::uint8_t* out, float* scale,
                 std::uint64_t key, std::size_t block);
};

// A pass over rows of n elements each, which lie one after the other in all streams but those that
// `columns` names by bit: these begin anew with every row.
template <class T>
struct RowArgs {
  std::size_t count = 0;  // 0: no rows.
  unsigned columns = 0;
  const T* factor[4] = {};       // Of each row, for c(16) to c(19); null: none.
  double* across[4] = {};        // Sum(0) to Sum(3) of each row; replaced.
  double* across_top = nullptr;  // Top(0) of each row; replaced.
};

template <class T>
struct PassArgs {
  T* stream[kStreams];  // p, g, u, s0 ...; null where unused. g is only read.
  Form form = Form::kWide;
  bool half_gradient = false;
  CodedState coded[kStateSlots];
  HalfRounding halves;                // kHalves and kRows.
  std::uint64_t key = 0;              // Of the random bits, which all states of a place share.
  std::size_t first = 0;              // The pass's first element in its tensor.
  const BlockCodes* codes = nullptr;  // kCodes: of this level.
  T constant[kConstants];
  T grad_scale = 1;
  T l2 = 0;          // g += l2 * p, after decay.
  T decay = 1;       // p *= decay, before everything else.
  T step = 0;        // p -= step * u, in kernels that write u, unless keep_u;
  T post_decay = 1;  // then p *= post_decay.
  bool keep_u = false;
  RowArgs<T> rows;       // Kernels over grids only.
  std::size_t n = 0;     // A multiple of the lanes; any number where there are rows.
  std::size_t tail = 0;  // Nonzero: n is one set of lanes, of which only so many count in sums.
  // By position, n of them: what Down adds to, and DownTop raises (the first).
  double* down[2] = {nullptr, nullptr};
  double sums[kSums];  // In and out: what the n elements add.
  double tops[kTops];  // In and out: maxima, at least 0.
};

struct KernelBodies {
  void (*f32)(PassArgs<float>* args);
  void (*f64)(PassArgs<double>* args);
};

// A kernel as the engine knows it: one body a level, in the order of os::CpuLevel up to
// kAvx512.
struct Kernel {
  const char* name;
  unsigned reads;
  unsigned writes;
  const KernelBodies* levels[3];
  bool grid = false;  // Takes PassArgs::rows.
};

}  // namespace malmoi::optim

#define OPTIM_JOIN2(a, b) a##b
#define OPTIM_JOIN(a, b) OPTIM_JOIN2(a, b)

#if defined(MALMOI_OPTIM_LEVEL)
// In a level's file: the body, run over the level's lanes (run-inl.h).
#define OPTIM_KERNEL(Name, reads_, writes_) OPTIM_BODY(Name, reads_, writes_, false)
#define OPTIM_GRID_KERNEL(Name, reads_, writes_) OPTIM_BODY(Name, reads_, writes_, true)
#define OPTIM_BODY(Name, reads_, writes_, grid_)                            \
  struct Name##Body {                                                       \
    static constexpr bool kGrid = (grid_);                                  \
    static constexpr unsigned kReads = (reads_);                            \
    static constexpr unsigned kWrites = (writes_);                          \
    template <class V>                                                      \
    static OPTIM_INLINE void Update(Lane<V>& x);                            \
  };                                                                        \
  extern const KernelBodies OPTIM_JOIN(k##Name##_, MALMOI_OPTIM_LEVEL);     \
  const KernelBodies OPTIM_JOIN(k##Name##_, MALMOI_OPTIM_LEVEL) = {         \
      &RunPass<Name##Body, F32, float>, &RunPass<Name##Body, F64, double>}; \
  template <class V>                                                        \
  OPTIM_INLINE void Name##Body::Update(Lane<V>& x)
#else
#if defined(__x86_64__)
#define OPTIM_LEVELS(Name) \
  { &k##Name##_scalar, &k##Name##_avx2, &k##Name##_avx512 }
#else
#define OPTIM_LEVELS(Name) \
  { &k##Name##_scalar, &k##Name##_scalar, &k##Name##_scalar }
#endif
// Elsewhere: the handle. The body is parsed and never instantiated.
#define OPTIM_KERNEL(Name, reads_, writes_) OPTIM_HANDLE(Name, reads_, writes_, false)
#define OPTIM_GRID_KERNEL(Name, reads_, writes_) OPTIM_HANDLE(Name, reads_, writes_, true)
#define OPTIM_HANDLE(Name, reads_, writes_, grid_)                                      \
  extern const KernelBodies k##Name##_scalar, k##Name##_avx2, k##Name##_avx512;         \
  inline const Kernel Name = {#Name, (reads_), (writes_), OPTIM_LEVELS(Name), (grid_)}; \
  template <class X>                                                                    \
  void Name##Body([[maybe_unused]] X& x)
#endif
