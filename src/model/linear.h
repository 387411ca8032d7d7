#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/buffer.h"
#include "kernels/gemm.h"
#include "model/rounding.h"
#include "os/cpu_info.h"
#include "os/thread_pool.h"

namespace malmoi::model {

// f(part, parts) for each thread of `team`; on this thread alone without one.
template <class F>
void Split(os::ThreadPool* team, F f) {
  if (team == nullptr) {
    f(std::size_t{0}, std::size_t{1});
    return;
  }
  const std::size_t parts = team->threads();
  team->ParallelFor(parts, [&](std::size_t, std::size_t begin, std::size_t end) {
    for (std::size_t part = begin; part < end; ++part) f(part, parts);
  });
}

struct LinearArgs {
  const float* x = nullptr;  // [rows, k], rows ldx apart
  std::size_t ldx = 0;
  std::size_t rows = 0;
  float* y = nullptr;  // [rows, n], rows ldy apart; may not overlap x
  std::size_t ldy = 0;
  // kBias where nothing else happens; the bias is the layer's own, and zero where it has none.
  kernels::Epilogue epilogue = kernels::Epilogue::kBias;
  const float* residual = nullptr;  // [rows, n], rows ldr apart; may be y
  std::size_t ldr = 0;
};

// Inputs of a product whose weights are kept in bfloat16 beside the integers of all others: in
// trained feed-forward parts a few have weights some fifty times as large as the rest of their
// column, whose scale they would set.
struct WideInputs {
  std::vector<std::uint32_t> at;  // Ascending; which of k.
  std::unique_ptr<kernels::PackedWeights> w;

  bool empty() const { return at.empty(); }
  // to [rows, at.size()] from x, rows ldx apart.
  void Gather(const float* x, std::size_t ldx, std::size_t rows, float* to) const;
};

// y = epilogue(x W^T + b): the one place where a model's weight matrices are multiplied. Packed
// for the CPU level that is active at construction; how the weights are held is not seen outside.
// A row of y depends on its row of x alone. Immutable, shared by threads.
class Linear {
 public:
  Linear() = default;  // Absent: n() == 0.
  // `w` [n, k] row-major as torch keeps it; `bias` [n] or empty.
  Linear(std::span<const float> w, std::size_t n, std::size_t k, std::span<const float> bias,
         kernels::Precision precision = kernels::Precision::kFloat32);
  // In int8, with weights made for inputs times `factors` (Smooth), or empty.
  Linear(std::span<const float> w, std::size_t n, std::size_t k, std::span<const float> bias,
         Buffer<float> factors);
  // In int8 with the inputs of greatest weight (by the norm of their column of W) as WideInputs: a
  // sixteenth of k, at most 32, or 8 with `inputs`; the integers as RoundForMeans has them. `w` is
  // overwritten. Takes only kBias and kBiasResidual.
  static Linear WithWideInputs(std::span<float> w, std::size_t n, std::size_t k,
                               std::span<const float> bias, const InputSamples& inputs = {});

  bool empty() const { return w_ == nullptr; }
  std::size_t n() const { return w_ == nullptr ? 0 : w_->n(); }
  std::size_t k() const { return w_ == nullptr ? 0 : w_->k(); }
  os::CpuLevel level() const { return w_->level(); }
  kernels::Precision precision() const { return w_->precision(); }
  // For a forward pass that keeps activations narrow between products.
  const kernels::PackedWeights& weights() const { return *w_; }
  const float* bias() const { return bias_.data(); }
  // What its input is multiplied by before it is rounded to integers; null: nothing.
  const float* factors() const { return factors_.empty() ? nullptr : factors_.data(); }
  // What weights() lacks.
  const WideInputs& wide() const { return wide_; }

  // With `team`, the columns are split over its threads; the same bits either way. x is rounded to
  // the layer's precision on the calling thread, in memory that the thread keeps.
  void Apply(const LinearArgs& args, os::ThreadPool* team) const;

 private:
  std::unique_ptr<kernels::PackedWeights> w_;
  WideInputs wide_;
  Buffer<float> bias_, factors_;
};

}  // namespace malmoi::model
