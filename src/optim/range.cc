#include "optim/range.h"

#include <algorithm>
#include <cstring>

#include "optim/storage.h"
#include "os/cpu_info.h"

namespace malmoi::optim {

void LoadStage(const PassJob::Source& s, std::size_t begin, std::size_t n, float* out) {
  if (s.storage == Storage::kBf16) {
    FromBf16(static_cast<const std::uint16_t*>(s.data) + begin, out, n);
  } else {
    FromQ8(static_cast<const std::uint8_t*>(s.data) + begin, s.scales + begin / kQ8Block,
           s.non_negative, out, n);
  }
}
void LoadStage(const PassJob::Source& s, std::size_t begin, std::size_t n, double* out) {
  for (std::size_t i = 0; i < n; ++i) {
    float v;
    if (s.storage == Storage::kF32) {
      v = static_cast<const float*>(s.data)[begin + i];
    } else {
      FromBf16(static_cast<const std::uint16_t*>(s.data) + begin + i, &v, 1);
    }
    out[i] = static_cast<double>(v);
  }
}
void StoreStage(const PassJob::Source& s, std::size_t begin, std::size_t n, const float* in) {
  if (s.storage == Storage::kBf16) {
    ToBf16(in, static_cast<std::uint16_t*>(s.data) + begin, n, s.key, begin);
  } else {
    ToQ8(in, s.non_negative, static_cast<std::uint8_t*>(s.data) + begin,
         s.scales + begin / kQ8Block, n, s.key, begin / kQ8Block);
  }
}
void StoreStage(const PassJob::Source& s, std::size_t begin, std::size_t n, const double* in) {
  for (std::size_t i = 0; i < n; ++i) {
    const auto v = static_cast<float>(in[i]);
    if (s.storage == Storage::kF32) {
      static_cast<float*>(s.data)[begin + i] = v;
    } else {
      ToBf16(&v, static_cast<std::uint16_t*>(s.data) + begin + i, 1, s.key, begin + i);
    }
  }
}

void LoadKahan(const PassJob& job, std::size_t begin, std::size_t n, float* p) {
  const auto* low = static_cast<const std::uint16_t*>(job.kahan) + begin;
  float part[kStage];
  FromBf16(low, part, n);
  for (std::size_t i = 0; i < n; ++i) p[i] += part[i];
}
void StoreP(const PassJob& job, std::size_t begin, std::size_t n, float* p) {
  auto* out = static_cast<std::uint16_t*>(job.source[0].data) + begin;
  ToBf16(p, out, n, job.source[0].key, begin);
  if (job.kahan == nullptr) return;
  float kept[kStage];
  FromBf16(out, kept, n);
  for (std::size_t i = 0; i < n; ++i) p[i] -= kept[i];
  ToBf16(p, static_cast<std::uint16_t*>(job.kahan) + begin, n);
}
void LoadKahan(const PassJob&, std::size_t, std::size_t, double*) {}
void StoreP(const PassJob&, std::size_t, std::size_t, double*) {}

namespace {

template <class T>
constexpr std::size_t kLanesOf = 64 / sizeof(T);

// Rows are no multiple of a page apart, so that they do not compete for the same cache lines.
template <class T>
struct StageBuffers {
  alignas(64) T data[kStreams][kStage + 2 * kMostLanes];
};

bool Direct(const PassJob::Source& source, bool f64) {
  return source.data == nullptr || source.storage == (f64 ? Storage::kF64 : Storage::kF32);
}

// Scalar kernels have no forms for small states (run-inl.h).
bool HasForms() {
  return os::BaseCpuLevel(os::ActiveCpuLevel()) != os::CpuLevel::kScalar;
}

const KernelBodies& Bodies(const Kernel& kernel) {
  return *kernel.levels[static_cast<int>(os::BaseCpuLevel(os::ActiveCpuLevel()))];
}
void Call(const KernelBodies& bodies, PassArgs<float>* args) {
  bodies.f32(args);
}
void Call(const KernelBodies& bodies, PassArgs<double>* args) {
  bodies.f64(args);
}

// Kernels go on with the sums so far, block by block: how a range is cut into calls, at multiples
// of a block, changes no bit.
template <class T>
void GiveSums(const PassSums& sums, PassArgs<T>* args) {
  std::copy(sums.sum.begin(), sums.sum.end(), args->sums);
  std::copy(sums.top.begin(), sums.top.end(), args->tops);
}
template <class T>
void TakeSums(const PassArgs<T>& args, PassSums* sums) {
  std::copy(args.sums, args.sums + kSums, sums->sum.begin());
  std::copy(args.tops, args.tops + kTops, sums->top.begin());
}

template <class T>
void Start(const PassJob& job, PassArgs<T>* args) {
  std::memset(args->stream, 0, sizeof(args->stream));
  for (int i = 0; i < kConstants; ++i) args->constant[i] = static_cast<T>(job.constant[i]);
  args->grad_scale = static_cast<T>(job.grad_scale);
  args->l2 = static_cast<T>(job.l2);
  args->decay = static_cast<T>(job.decay);
  args->step = static_cast<T>(job.step);
  args->post_decay = static_cast<T>(job.post_decay);
  args->keep_u = job.keep_u;
  args->down[0] = args->down[1] = nullptr;
}

// What a job reads and writes of its streams, by bit.
struct Use {
  unsigned in = 0, out = 0;
  explicit Use(const PassJob& job) {
    const unsigned writes = job.kernel->writes;
    const bool direction = (writes & kU) != 0;
    in = job.kernel->reads, out = writes & ~kU;
    if (direction && job.keep_u) out |= kU;
    if (direction && !job.keep_u) in |= kP, out |= kP;
    if (job.l2 != 0) in |= kP;
  }
  bool Any(int s) const { return ((in | out) >> s & 1) != 0; }
  bool In(int s) const { return (in >> s & 1) != 0; }
  bool Out(int s) const { return (out >> s & 1) != 0; }
};

// The kernel over n elements at args->stream: whole lanes in place, the rest in copies padded with
// zeros, whose padding counts in no sum. `staged` streams have room for the padding themselves.
template <class T>
void RunLanes(const KernelBodies& bodies, const Use& use, unsigned staged, std::size_t n,
              PassArgs<T>* args, PassSums* out) {
  constexpr std::size_t kLanes = kLanesOf<T>;
  GiveSums(*out, args);
  const std::size_t whole = n - n % kLanes, rest = n - whole;
  args->n = whole, args->tail = 0;
  if (whole > 0) Call(bodies, args);
  if (rest > 0) {
    alignas(64) T pad[kStreams][kLanes];
    T* place[kStreams] = {};
    for (int s = 0; s < kStreams; ++s) {
      if (!use.Any(s)) continue;
      place[s] = args->stream[s] + whole;
      const bool own = (staged >> s & 1) == 0;
      if (own) {
        std::copy(place[s], place[s] + rest, pad[s]);
        args->stream[s] = pad[s];
      } else {
        args->stream[s] = place[s];
      }
      std::fill(args->stream[s] + rest, args->stream[s] + kLanes, T{0});
    }
    args->n = kLanes, args->tail = rest;
    for (double*& down : args->down) down = down == nullptr ? nullptr : down + whole;
    Call(bodies, args);
    for (int s = 0; s < kStreams; ++s) {
      if (use.Out(s) && (staged >> s & 1) == 0) std::copy(pad[s], pad[s] + rest, place[s]);
    }
  }
  TakeSums(*args, out);
}

// Runs a job over ranges of its elements. Where gradient and states are all bf16, or the states all
// 8-bit, the kernel reads and writes them itself. All else that is not kept as the arithmetic wants
// it passes through copies in L1: f64, states of several kinds, bf16 parameters, grids, tails.
template <class T>
class Runner {
 public:
  explicit Runner(const PassJob& job) : job_(job), use_(job), bodies_(Bodies(*job.kernel)) {
    Start(job, &args);
    for (int s = 0; s < kStreams; ++s) {
      if (use_.Any(s) && !Direct(job.source[s], job.f64)) staged_ |= 1u << s;
    }
    if (sizeof(T) == sizeof(float) && HasForms()) form_ = FormOf();
  }

  // Elements [begin, end); columns s6 and s7 of a grid begin at `col`.
  void Run(std::size_t begin, std::size_t end, std::size_t col, const Grid<T>* grid,
           PassSums* out) {
    std::size_t i = begin;
    if (form_ != Form::kWide && grid == nullptr) {
      i = end - (end - begin) % (form_ == Form::kCodes ? kQ8Block : kLanesOf<T>);
      if (i > begin) RunForm(begin, i, out);
    }
    const std::size_t step = staged_ == 0 ? end - begin : kStage;
    for (; i < end; i += step) {
      const std::size_t n = std::min(step, end - i);
      Fill(i, n);
      if (grid != nullptr) Columns(*grid, col + (i - begin));
      RunLanes(bodies_, use_, staged_, n, &args, out);
      Empty(i, n);
    }
  }

  // Rows [first, first + count) of a grid in one call of the kernel, where that can be: false
  // where streams pass through copies. Their columns begin at `col`.
  bool RunGrid(const Grid<T>& grid, std::size_t first, std::size_t count, std::size_t col,
               PassSums* out) {
    if (!job_.kernel->grid || (staged_ != 0 && !HalfRows())) return false;
    Point(first * grid.cols);
    Columns(grid, col);
    args.form = staged_ != 0 ? Form::kRows : Form::kWide;
    args.half_gradient = job_.source[1].storage == Storage::kBf16;
    args.first = first * grid.cols;
    for (int k = 0; k < kGridFactors; ++k) {
      if (grid.col[k] != nullptr) args.rows.columns |= 1u << (kStreams - kGridFactors + k);
      args.rows.factor[k] = grid.row[k] == nullptr ? nullptr : grid.row[k] + first;
      args.rows.across[k] = grid.across[k] == nullptr ? nullptr : grid.across[k] + first;
    }
    args.rows.across_top = grid.across_top == nullptr ? nullptr : grid.across_top + first;
    args.rows.count = count;
    args.n = grid.cols, args.tail = 0;
    GiveSums(*out, &args);
    Call(bodies_, &args);
    TakeSums(args, out);
    return true;
  }

  PassArgs<T> args;
  double* down[2] = {nullptr, nullptr};  // Of column 0.

 private:
  // The form in which the kernel can read what the job's sources keep.
  Form FormOf() const {
    bool halves = true, codes = true, states = false;
    for (int s = 0; s < kStreams; ++s) {
      if (!use_.Any(s)) continue;
      const Storage kept = job_.source[s].storage;
      if (s >= 3) {
        if (job_.source[s].data == nullptr) return Form::kWide;  // A grid's columns.
        halves = halves && kept == Storage::kBf16;
        codes = codes && kept == Storage::kQ8;
        states = true;
      } else if (s == 1) {
        halves = halves && kept == Storage::kBf16;
      } else if (kept != Storage::kF32) {
        return Form::kWide;
      }
    }
    if (!states || !RoundAlike()) return Form::kWide;
    return halves ? Form::kHalves : codes ? Form::kCodes : Form::kWide;
  }
  // Whether all states are rounded by the same bits: not where some go to the nearest.
  bool RoundAlike() const {
    const PassJob::Source* first = nullptr;
    for (int s = 3; s < kStreams; ++s) {
      const PassJob::Source& source = job_.source[s];
      if (source.storage != Storage::kBf16 && source.storage != Storage::kQ8) continue;
      if (first == nullptr) first = &source;
      if (source.key != first->key) return false;
    }
    return true;
  }
  // Whether all that passes through copies is the gradient and states in bf16, and the states all.
  bool HalfRows() const {
    if (sizeof(T) != sizeof(float) || !HasForms() || !RoundAlike()) return false;
    for (int s = 0; s < kStreams; ++s) {
      const bool staged = (staged_ >> s & 1) != 0, state = s >= 3 && s < kStreams - kGridFactors;
      const bool half = job_.source[s].storage == Storage::kBf16;
      if (staged && !(half && (s == 1 || state))) return false;
      if (state && use_.Any(s) && !half) return false;
    }
    return true;
  }
  // Streams as they are kept, at element `begin`.
  void Point(std::size_t begin) {
    for (int s = 0; s < kStreams; ++s) {
      const PassJob::Source& source = job_.source[s];
      if (!use_.Any(s) || source.data == nullptr) continue;
      args.stream[s] = reinterpret_cast<T*>(static_cast<char*>(source.data) +
                                            StorageBytes(source.storage, begin));
      if (s < 3) continue;
      if (source.storage == Storage::kBf16) args.halves = RoundingOfHalves(source.key);
      args.key = source.key;
      float* scales = source.scales == nullptr ? nullptr : source.scales + begin / kQ8Block;
      args.coded[s - 3] = {scales, source.non_negative};
    }
  }
  void RunForm(std::size_t begin, std::size_t end, PassSums* out) {
    Point(begin);
    args.form = form_;
    args.half_gradient = job_.source[1].storage == Storage::kBf16;
    args.first = begin;
    args.codes = &CodesOfBlocks();
    RunLanes(bodies_, use_, staged_, end - begin, &args, out);
    args.form = Form::kWide;
  }
  void Fill(std::size_t i, std::size_t n) {
    for (int s = 0; s < kStreams; ++s) {
      const PassJob::Source& source = job_.source[s];
      if (!use_.Any(s) || source.data == nullptr) continue;
      if ((staged_ >> s & 1) == 0) {
        args.stream[s] = static_cast<T*>(source.data) + i;
        continue;
      }
      args.stream[s] = stage_.data[s];
      if (!use_.In(s)) continue;
      LoadStage(source, i, n, stage_.data[s]);
      if (s == 0 && job_.kahan != nullptr) LoadKahan(job_, i, n, stage_.data[s]);
    }
  }
  void Empty(std::size_t i, std::size_t n) {
    if (staged_ == 0) return;
    for (int s = 0; s < kStreams; ++s) {
      if (!use_.Out(s) || (staged_ >> s & 1) == 0) continue;
      if (s == 0) {
        StoreP(job_, i, n, stage_.data[s]);
      } else {
        StoreStage(job_.source[s], i, n, stage_.data[s]);
      }
    }
  }
  void Columns(const Grid<T>& grid, std::size_t col) {
    for (int k = 0; k < kGridFactors; ++k) {
      if (grid.col[k] != nullptr) {
        args.stream[kStreams - kGridFactors + k] = const_cast<T*>(grid.col[k]) + col;
      }
    }
    for (int k = 0; k < 2; ++k) {
      if (down[k] != nullptr) args.down[k] = down[k] + col % grid.cols;
    }
  }

  const PassJob& job_;
  const Use use_;
  const KernelBodies& bodies_;
  unsigned staged_ = 0;  // Streams not kept as lanes are, by bit.
  Form form_ = Form::kWide;
  StageBuffers<T> stage_;
};

template <class T>
void RunRangeT(const PassJob& job, std::size_t begin, std::size_t end, PassSums* out) {
  Runner<T>(job).Run(begin, end, 0, nullptr, out);
}

}  // namespace

template <class T>
void RunRows(const PassJob& job, const Grid<T>& grid, std::size_t batch, std::size_t begin,
             std::size_t end, double* const* down, PassSums* out) {
  Runner<T> runner(job);
  runner.down[0] = down[0], runner.down[1] = down[1];
  const std::size_t first = batch * grid.rows + begin;
  if (runner.RunGrid(grid, first, end - begin, batch * grid.cols, out)) return;
  for (std::size_t r = first; r < first + (end - begin); ++r) {
    for (int k = 0; k < kGridFactors; ++k) {
      if (grid.row[k] != nullptr) {
        runner.args.constant[kConstants - kGridFactors + k] = grid.row[k][r];
      }
    }
    PassSums row;
    runner.Run(r * grid.cols, (r + 1) * grid.cols, batch * grid.cols, &grid, &row);
    for (std::size_t k = 0; k < 4; ++k) {
      if (grid.across[k] != nullptr) grid.across[k][r] = row.sum[k];
    }
    if (grid.across_top != nullptr) grid.across_top[r] = row.top[0];
    for (std::size_t i = 0; i < kSums; ++i) out->sum[i] += row.sum[i];
  }
}
template void RunRows<float>(const PassJob&, const Grid<float>&, std::size_t, std::size_t,
                             std::size_t, double* const*, PassSums*);
template void RunRows<double>(const PassJob&, const Grid<double>&, std::size_t, std::size_t,
                              std::size_t, double* const*, PassSums*);

void RunRange(const PassJob& job, std::size_t begin, std::size_t end, PassSums* out) {
  if (job.f64) {
    RunRangeT<double>(job, begin, end, out);
  } else {
    RunRangeT<float>(job, begin, end, out);
  }
}

}  // namespace malmoi::optim
