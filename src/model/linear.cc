#include "model/linear.h"

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <utility>

#include "base/check.h"

namespace malmoi::model {

namespace {

// The thread's own copy of a product's input in the layer's precision.
struct Rounded {
  Buffer<std::uint8_t> bytes;
  Buffer<kernels::RowScale> scales;

  kernels::Activations Take(const kernels::PackedWeights& w, const float* x, std::size_t ldx,
                            std::size_t rows, const float* factors) {
    const std::size_t stride = kernels::ActivationStride(w.precision(), w.level(), w.k());
    if (bytes.size() < rows * stride) bytes = Buffer<std::uint8_t>(rows * stride);
    if (scales.size() < rows) scales = Buffer<kernels::RowScale>(rows);
    const kernels::Activations out{bytes.data(), stride, scales.data()};
    kernels::Narrow(w.precision(), w.level(), x, ldx, rows, w.k(), out, factors);
    return out;
  }
};

// The `count` inputs whose columns of w [n, k] have the greatest norms, ascending.
std::vector<std::uint32_t> Widest(std::span<const float> w, std::size_t n, std::size_t k,
                                  std::size_t count) {
  std::vector<float> squares(k);
  for (std::size_t row = 0; row < n; ++row) {
    for (std::size_t i = 0; i < k; ++i) squares[i] += w[row * k + i] * w[row * k + i];
  }
  std::vector<std::uint32_t> at(k);
  std::iota(at.begin(), at.end(), 0u);
  std::stable_sort(at.begin(), at.end(),
                   [&](std::uint32_t a, std::uint32_t b) { return squares[a] > squares[b]; });
  at.resize(count);
  std::sort(at.begin(), at.end());
  return at;
}

// Makes of a product one that is added to what `c` has.
void AddToResult(kernels::GemmArgs* args) {
  args->epilogue = kernels::Epilogue::kBiasResidual;
  args->bias = nullptr;
  args->residual = args->c;
  args->ldr = args->ldc;
}

}  // namespace

Linear::Linear(std::span<const float> w, std::size_t n, std::size_t k, std::span<const float> bias,
               kernels::Precision precision)
    : w_(kernels::PackWeights(w, n, k, precision)), bias_(n) {
  std::copy(bias.begin(), bias.end(), bias_.data());
}

Linear::Linear(std::span<const float> w, std::size_t n, std::size_t k, std::span<const float> bias,
               Buffer<float> factors)
    : Linear(w, n, k, bias, kernels::Precision::kInt8) {
  factors_ = std::move(factors);
}

Linear Linear::WithWideInputs(std::span<float> w, std::size_t n, std::size_t k,
                              std::span<const float> bias, const InputSamples& inputs) {
  const std::size_t most = inputs.empty() ? 32 : 8;
  const std::size_t count = std::min(most, k / 16);
  WideInputs wide;
  wide.at = Widest(w, n, k, count);
  Buffer<float> apart(n * count);
  for (std::size_t row = 0; row < n; ++row) {
    for (std::size_t i = 0; i < count; ++i) {
      apart[row * count + i] = std::exchange(w[row * k + wide.at[i]], 0.0f);
    }
  }
  RoundForMeans(inputs, {}, w, n, k);
  Linear out(w, n, k, bias, kernels::Precision::kInt8);
  if (count == 0) return out;
  wide.w = kernels::PackWeights(apart.span(), n, count, kernels::Precision::kBfloat16);
  out.wide_ = std::move(wide);
  return out;
}

void WideInputs::Gather(const float* x, std::size_t ldx, std::size_t rows, float* to) const {
  for (std::size_t row = 0; row < rows; ++row, x += ldx, to += at.size()) {
    for (std::size_t i = 0; i < at.size(); ++i) to[i] = x[at[i]];
  }
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
  if (w_->precision() != kernels::Precision::kFloat32) {
    gemm.narrow = rounded.Take(*w_, args.x, args.ldx, args.rows, factors());
  }
  kernels::GemmArgs rest = gemm;
  if (!wide_.empty()) {
    MALMOI_CHECK(args.epilogue == kernels::Epilogue::kBias ||
                 args.epilogue == kernels::Epilogue::kBiasResidual);
    thread_local Rounded apart;
    thread_local Buffer<float> gathered;
    const std::size_t size = args.rows * wide_.at.size();
    if (gathered.size() < size) gathered = Buffer<float>(size);
    wide_.Gather(args.x, args.ldx, args.rows, gathered.data());
    rest.narrow = apart.Take(*wide_.w, gathered.data(), wide_.at.size(), args.rows, nullptr);
    AddToResult(&rest);
  }
  Split(team, [&](std::size_t part, std::size_t parts) {
    const auto multiply = [&](const kernels::PackedWeights& w, kernels::GemmArgs mine) {
      mine.part = part;
      mine.parts = parts;
      kernels::Gemm(w, mine);
    };
    multiply(*w_, gemm);
    if (!wide_.empty()) multiply(*wide_.w, rest);
  });
}

}  // namespace malmoi::model
