#include "model/linear.h"

#include <algorithm>
#include <cstdint>

namespace malmoi::model {

namespace {

// The thread's own copy of a product's input in the layer's precision.
struct Rounded {
  Buffer<std::uint8_t> bytes;
  Buffer<kernels::RowScale> scales;

  kernels::Activations Take(const kernels::PackedWeights& w, const LinearArgs& args) {
    const std::size_t stride = kernels::ActivationStride(w.precision(), w.level(), w.k());
    if (bytes.size() < args.rows * stride) bytes = Buffer<std::uint8_t>(args.rows * stride);
    if (scales.size() < args.rows) scales = Buffer<kernels::RowScale>(args.rows);
    const kernels::Activations out{bytes.data(), stride, scales.data()};
    kernels::Narrow(w.precision(), w.level(), args.x, args.ldx, args.rows, w.k(), out);
    return out;
  }
};

}  // namespace

Linear::Linear(std::span<const float> w, std::size_t n, std::size_t k, std::span<const float> bias,
               kernels::Precision precision)
    : w_(kernels::PackWeights(w, n, k, precision)), bias_(n) {
  std::copy(bias.begin(), bias.end(), bias_.data());
}

void Linear::Apply(const LinearArgs& args, os::ThreadPool* team) const {
  thread_local Rounded rounded;
  kernels::GemmArgs gemm{.a = args.x,
                         .lda = args.ldx,
                         .m = args.rows,
                         .c = args.y,
                         .ldc = args.ldy,
                         .epilogue = args.epilogue,
                         .bias = bias_.data(),
                         .residual = args.residual,
                         .ldr = args.ldr};
  if (w_->precision() != kernels::Precision::kFloat32) gemm.narrow = rounded.Take(*w_, args);
  Split(team, [&](std::size_t part, std::size_t parts) {
    kernels::GemmArgs mine = gemm;
    mine.part = part;
    mine.parts = parts;
    kernels::Gemm(*w_, mine);
  });
}

}  // namespace malmoi::model
