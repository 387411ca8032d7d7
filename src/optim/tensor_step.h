#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/buffer.h"
#include "base/result.h"
#include "optim/lane_pass.h"

namespace malmoi::os {
class ThreadPool;
}

namespace malmoi::optim {

class TorchGenerator;  // optim/torch_generator.h

using Shape = std::vector<std::int64_t>;
std::size_t Elements(const Shape& shape);

// How numbers are kept. Arithmetic is in f64 for kF64 parameters, in f32 for all others.
enum class Storage : std::uint8_t {
  kF32,
  kF64,
  kBf16,  // Rounded to nearest even, or by random bits (EngineOptions).
  kQ8,    // 8 bits an element and one f32 scale a block of 256; states only. See storage.h.
};
std::size_t StorageBytes(Storage storage, std::size_t n);  // Without kQ8's scales.

// A state as long as its parameter, or of a shape of its own.
struct Stream {
  std::string name;
  Storage storage = Storage::kF32;
  Shape shape;
  std::size_t n = 0;
  bool full = true;           // Has the parameter's elements, so that kernels can stream it.
  bool non_negative = false;  // Chooses kQ8's code.
  bool nearest = false;       // kBf16 as the reference keeps it: not rounded by random bits.
  Buffer<unsigned char> bytes;
  Buffer<float> scales;  // kQ8.
};

// A number kept a tensor, and how the reference's state_dict shows it.
enum class ScalarKind : std::uint8_t { kInt, kFloat, kBool, kTensor0, kTensor1 };
struct ScalarState {
  std::string name;
  ScalarKind kind = ScalarKind::kFloat;
  double value = 0;
};

float RoundBf16(float v);
double RoundBf16(double v);

// What Rule::Declare fills in.
class StateList {
 public:
  struct Item {
    std::string name;
    Shape shape;
    bool full = false;
    bool non_negative = false;
    bool exact = false;  // Never kept in fewer bits than f32 (counters, denominators near 0).
    bool bf16 = false;   // Always kept as bf16.
    bool half = false;   // Never kept in fewer bits than bf16.
  };
  void Like(const std::string& name) { items.push_back({name, {}, true}); }
  // Second moments: never negative.
  void Square(const std::string& name) { items.push_back({name, {}, true, true}); }
  // Points where the parameter was, is going or is averaged, and what it is computed from without
  // the last one: 8-bit noise would be the parameter's own. The same holds for what goes through a
  // polar factor, which raises small singular values.
  void Point(const std::string& name) {
    Like(name);
    items.back().half = true;
  }
  void Sized(const std::string& name, const Shape& shape) { items.push_back({name, shape}); }
  void Scalar(const std::string& name, ScalarKind kind, double initial = 0) {
    scalars.push_back({name, kind, initial});
  }
  std::vector<Item> items;
  std::vector<ScalarState> scalars;
};

struct TensorState {
  bool initialized = false;
  std::vector<Stream> streams;
  std::vector<ScalarState> scalars;
  Stream* Find(std::string_view name);
  ScalarState* FindScalar(std::string_view name);
};

// Buffers that a thread reuses from tensor to tensor.
struct Workspace {
  std::vector<Buffer<unsigned char>> buffer;
  void* Get(int i, std::size_t bytes);
};
// Its first buffers: the kept direction, the rules' scratch, the centred gradient; then one for
// each stream that is widened as a whole.
inline constexpr int kKeptBuffer = 0, kScratchBuffer = 1, kCenterBuffer = 4, kWholeBuffer = 5;

// One kernel over one tensor, ready to run on any range of it.
struct PassJob {
  struct Source {
    void* data = nullptr;
    Storage storage = Storage::kF32;
    float* scales = nullptr;
    bool non_negative = false;
    std::uint64_t key = 0;  // kQ8, kBf16: of this step's random bits; 0 in bf16: to the nearest.
  };
  const Kernel* kernel = nullptr;
  Source source[kStreams];
  double constant[kConstants] = {};
  double grad_scale = 1, l2 = 0, decay = 1, step = 0, post_decay = 1;
  bool keep_u = false;
  bool f64 = false;
  std::size_t n = 0;
  void* kahan = nullptr;  // bf16 compensation of p.
};

// Results of a pass.
struct PassSums {
  std::array<double, kSums> sum{};
  std::array<double, kTops> top{};
};

// A tensor as `batch` matrices of rows x cols (its last two dimensions, or the first by all others)
// for kernels that see up to four numbers of each row, c(16) to c(19), and of each column, s4 to
// s7, or sum along them.
inline constexpr int kGridFactors = 4;
template <class T>
struct Grid {
  std::size_t batch = 1, rows = 1, cols = 1;
  const T* row[kGridFactors] = {};  // batch * rows numbers, for c(16 + k).
  const T* col[kGridFactors] = {};  // batch * cols numbers, for state 4 + k.
  double* across[4] = {};           // batch * rows: Sum(0) to Sum(3) of each row; replaced.
  double* across_top = nullptr;     // batch * rows: Top(0) of each row; replaced.
  double* down[2] = {};             // batch * cols: what each column gave Down(k); replaced.
  bool down_tops = false;           // down[0] is of DownTop: maxima, at least 0.
};

// Runs elements [begin, end) of a job and adds to *out. `begin` is a multiple of 256.
void RunRange(const PassJob& job, std::size_t begin, std::size_t end, PassSums* out);

// One tensor's visit by a rule: its data, its states and the passes over them. Made by the engine.
class TensorStep {
 public:
  // --- what it is
  std::size_t n() const { return n_; }
  const Shape& shape() const { return *shape_; }
  const std::string& name() const { return *name_; }
  bool first() const { return first_; }  // The states are fresh: all zeros.
  int phase() const { return phase_; }
  bool f64() const { return f64_; }
  bool bf16() const { return p_.storage == Storage::kBf16; }  // The parameter.
  std::size_t index() const { return index_; }                // Among the optimizer's parameters.
  bool bf16_products() const { return bf16_products_; }  // EngineOptions: matrix rules may round.
  bool decays() const { return !no_decay_; }  // False: masked by EngineOptions::no_decay.

  // --- settings of the passes that follow; reset before each visit
  double grad_scale = 1;  // Includes unscaling, clipping and the sign of maximize.
  double l2 = 0;
  double decay = 1;
  double post_decay = 1;  // Update only: p *= post_decay at the end.
  // Slot k of kernels is state slots[k]; at first k itself.
  std::array<int, kStateSlots> slots{};
  void Slots(std::initializer_list<int> states);
  int SlotOf(std::string_view state) const;  // Index of a state; -1 where there is none.

  // --- passes. Reductions see all elements in a fixed order, whatever the threads.
  // Runs now and returns the sums. A kernel that writes u keeps it for the next passes.
  PassSums Reduce(const Kernel& kernel, std::initializer_list<double> constants = {});
  // The same over a grid of the tensor's elements, whose rows need at least kGridCols columns.
  // Grids cannot read or write 8-bit states: see GridFits.
  template <class T>
  PassSums ReduceGrid(const Kernel& kernel, std::initializer_list<double> constants,
                      const Grid<T>& grid);
  static constexpr std::size_t kGridCols = 16;
  bool GridFits() const;  // Two dimensions or more, rows long enough, no 8-bit states.
  template <class T>
  Grid<T> FirstByRest() const {  // The first dimension by all others: rows() by cols().
    Grid<T> grid;
    grid.rows = rows(), grid.cols = cols();
    return grid;
  }
  // Runs now, or later with other tensors where the rule is OnePass.
  void Apply(const Kernel& kernel, std::initializer_list<double> constants = {});
  // A direction kernel: p -= step * u, with the engine's options on the way (cautious masks;
  // Kahan and stochastic rounding are in the store itself).
  void Update(const Kernel& kernel, std::initializer_list<double> constants, double step);
  // The same without those options, for rules that have seen to them themselves.
  void UpdatePlain(const Kernel& kernel, std::initializer_list<double> constants, double step);
  // The factor for gradients that go into the first moment; 1 without adanorm.
  double AdaNorm();

  // --- the tensor's numbers, by position of declaration
  double& scalar(std::size_t i) { return state_->scalars[i].value; }
  // Sums for Rule::Between. After the first visit: this tensor's own of then, those of all tensors
  // before it, and of all (over the groups).
  std::array<double, 8> out{};
  std::array<double, 8> own{}, before{}, total{};

  // --- whole arrays, for rules that are not written as passes (needs OnePass() == false). T is
  // float, or double when f64(). p and states may be written; the engine stores them afterwards.
  template <class T>
  std::span<T> P();
  template <class T>
  std::span<T> G();  // Scaled by grad_scale, without l2; writable scratch.
  template <class T>
  std::span<T> State(int i);
  template <class T>
  std::span<T> Kept() {  // The direction that Reduce kept.
    return {static_cast<T*>(workspace_->Get(kKeptBuffer, n_ * sizeof(T))), n_};
  }
  template <class T>
  std::span<T> Scratch(int i);  // i < 3, n elements, not cleared.
  // Stores what was changed in whole arrays; done after each visit, needed before a pass in it.
  void Flush();
  // What passes do with decay and l2, on whole arrays.
  template <class T>
  void DecayWhole(std::span<T> p, std::span<T> g) const {
    for (std::size_t i = 0; i < p.size(); ++i) {
      p[i] *= static_cast<T>(decay);
      if (l2 != 0) g[i] += static_cast<T>(l2) * p[i];
    }
  }
  // The tensor as [rows, columns]: the first dimension by all others.
  std::size_t rows() const { return shape_->empty() ? 1 : static_cast<std::size_t>((*shape_)[0]); }
  std::size_t cols() const { return rows() == 0 ? 0 : n_ / rows(); }
  // A caller's tensor of the parameter's shape and dtype (StepInputs::hessian); null: none given.
  const void* extra = nullptr;
  TorchGenerator* random = nullptr;  // For rules that draw.
  // Copies p into state i; the gradient as the caller gave it, times factor, into state i.
  void CopyP(int i);
  void CopyRawGradient(int i, double factor = 1);
  void CopyExtra(int i);  // `extra` below, which must be there.
  // The same reduction over the gradient as the caller gave it (scaled, but not centred).
  PassSums ReduceRaw(const Kernel& kernel);
  // g = grad_scale * g + l2 * (decay * p) now, in a copy that later passes read: for rules that
  // change p before the pass that sees g.
  void CoupleNow();

  // g -= its mean over all dimensions but the first, in a copy that later passes read. Needs cols()
  // of at least kGridCols.
  void CenterGradient();

  os::ThreadPool* pool() const { return pool_; }  // Null inside a parallel region.

 private:
  friend class Engine;
  // skip: streams that are not the tensor's own.
  PassJob Job(const Kernel& kernel, std::initializer_list<double> constants, unsigned skip = 0);
  PassSums RunNow(const PassJob& job);
  template <class T>
  void CenterRows();
  void KeepDirection(const Kernel& kernel, PassJob* job);
  void* WholeBytes(int stream);
  PassJob::Source StateSource(std::size_t i) const;

  std::size_t n_ = 0;
  std::size_t index_ = 0;
  const Shape* shape_ = nullptr;
  const std::string* name_ = nullptr;
  TensorState* state_ = nullptr;
  PassJob::Source p_, g_, raw_g_;
  bool first_ = false, f64_ = false, no_decay_ = false, bf16_products_ = false;
  int phase_ = 0;
  bool adanorm_ = false, cautious_ = false;
  double adanorm_r_ = 0.95;
  void* kahan_ = nullptr;
  std::uint64_t key_ = 0;  // Of this tensor's random roundings in this step.
  // Streams that this step's visits have read and written, by bit: p, g, u, then the states.
  std::uint64_t streams_in_ = 0, streams_out_ = 0;
  int kept_buffer_ = kKeptBuffer;  // Where passes keep a direction.
  Workspace* workspace_ = nullptr;
  std::vector<PassJob>* recorder_ = nullptr;
  os::ThreadPool* pool_ = nullptr;
  std::vector<void*> whole_;  // By stream: p, g, u, then the states.
};

}  // namespace malmoi::optim
