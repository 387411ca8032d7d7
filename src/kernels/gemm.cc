#include "kernels/gemm.h"

#include <algorithm>
#include <string>

#include "base/buffer.h"
#include "base/check.h"
#include "base/clock.h"
#include "kernels/gemm_internal.h"
#include "kernels/packing_internal.h"

namespace malmoi::kernels {
namespace {

class Packed final : public PackedWeights {
 public:
  Packed(os::CpuLevel level, Precision precision, std::span<const float> w, std::size_t n,
         std::size_t k, WeightLayout layout)
      : level_(level),
        precision_(precision),
        table_(GemmOfLevel(static_cast<int>(level), static_cast<int>(precision))),
        n_(n),
        k_(k),
        panels_(Pack(table_, w, n, k, layout == WeightLayout::kColumns)) {}

  std::size_t n() const override { return n_; }
  std::size_t k() const override { return k_; }
  Precision precision() const override { return precision_; }
  os::CpuLevel level() const override { return level_; }
  os::CpuLevel kernel_level() const override { return static_cast<os::CpuLevel>(table_.level); }

  const GemmTable& table() const { return table_; }
  const Panels& panels() const { return panels_; }

 private:
  const os::CpuLevel level_;
  const Precision precision_;
  const GemmTable& table_;
  const std::size_t n_, k_;
  const Panels panels_;
};

int FormOf(Precision precision, os::CpuLevel level) {
  return GemmOfLevel(static_cast<int>(level), static_cast<int>(precision)).form;
}

void SetOutput(const GemmArgs& args, const Packed& w, RawGemm* g) {
  if (args.out_form == GemmArgs::Out::kFloat) {
    g->c = reinterpret_cast<char*>(args.c);
    g->ldc = args.ldc * sizeof(float);
    g->c_form = kFloatForm;
    return;
  }
  g->c = static_cast<char*>(args.out);
  g->ldc = args.out_stride;
  g->c_form = args.out_form == GemmArgs::Out::kBf16 ? kBf16Form : w.table().form;
  MALMOI_CHECK(g->c_form == kBf16Form || g->c_form == kRoundedForm);
}

void SetEpilogue(const GemmArgs& args, RawGemm* g) {
  if (args.epilogue != Epilogue::kNone) g->bias = args.bias;
  if (args.epilogue == Epilogue::kBiasResidual) {
    g->residual = args.residual;
    g->ldr = args.ldr;
  }
  if (args.epilogue == Epilogue::kBiasGelu) g->activation = 1;
  if (args.epilogue == Epilogue::kBiasGeluTanh) g->activation = 2;
}

}  // namespace

std::string_view PrecisionName(Precision precision) {
  switch (precision) {
    case Precision::kBfloat16:
      return "bfloat16";
    case Precision::kInt8:
      return "int8";
    default:
      return "float32";
  }
}

Result<Precision> ParsePrecision(std::string_view name) {
  if (name == "float32" || name == "f32" || name == "fp32") return Precision::kFloat32;
  if (name == "bfloat16" || name == "bf16") return Precision::kBfloat16;
  if (name == "int8") return Precision::kInt8;
  return Error(Code::kInvalidArgument,
               "dtype is '" + std::string(name) + "', not one of float32, bfloat16, int8");
}

const GemmTable& GemmOfLevel(int level, int precision) {
  MALMOI_CHECK(level >= 0 && level <= static_cast<int>(os::CpuLevel::kAmx));
#if defined(__x86_64__)
  const auto at = static_cast<os::CpuLevel>(level);
  const bool tiles = at == os::CpuLevel::kAmx && TileCheck() == "ok";
  switch (static_cast<Precision>(precision)) {
    case Precision::kFloat32:
      if (at >= os::CpuLevel::kAvx512) return kAvx512Float;
      if (at == os::CpuLevel::kAvx2) return kAvx2Float;
      return kScalarFloat;
    case Precision::kBfloat16:
      if (tiles) return kTilesBf16;
      if (at >= os::CpuLevel::kAvx512Bf16) return kNativeBf16;
      if (at >= os::CpuLevel::kAvx512) return kAvx512Bf16;
      if (at == os::CpuLevel::kAvx2) return kAvx2Bf16;
      return kScalarBf16;
    case Precision::kInt8:
      if (tiles) return kTilesInt8;
      if (at >= os::CpuLevel::kAvx512Bf16) return kNativeInt8;
      if (at >= os::CpuLevel::kAvx512Vnni) return kVnniInt8;
      if (at == os::CpuLevel::kAvx512) return kAvx512Int8;
      if (at == os::CpuLevel::kAvx2) return kAvx2Int8;
      return kScalarInt8;
  }
#endif
  const GemmTable* const scalar[] = {&kScalarFloat, &kScalarBf16, &kScalarInt8};
  return *scalar[precision];
}

const RowTable& RowsOfLevel(int level) {
#if defined(__x86_64__)
  if (level >= static_cast<int>(os::CpuLevel::kAvx512)) return kAvx512Rows;
  if (level == static_cast<int>(os::CpuLevel::kAvx2)) return kAvx2Rows;
#endif
  return kScalarRows;
}

std::string_view TileCheck() {
  static const char* const difference =
      os::DetectedCpuLevel() == os::CpuLevel::kAmx ? CheckTiles() : nullptr;
  if (difference == nullptr) return "";
  return *difference == 0 ? "ok" : difference;
}

double PeakRate(Precision precision, os::CpuLevel level) {
  const GemmTable& table = GemmOfLevel(static_cast<int>(level), static_cast<int>(precision));
  constexpr std::size_t kRounds = 2000;  // Tens of microseconds: some runs meet no interruption.
  double best = 0;
  for (const std::int64_t start = MonotonicNs(); MonotonicNs() - start < 20'000'000;) {
    const std::int64_t run = MonotonicNs();
    const auto done = static_cast<double>(2 * table.peak(kRounds));
    best = std::max(best, done / std::max(SecondsSince(run), 1e-9));
  }
  return best;
}

std::unique_ptr<PackedWeights> PackWeights(std::span<const float> w, std::size_t n, std::size_t k,
                                           Precision precision, WeightLayout layout) {
  MALMOI_CHECK(w.size() == n * k);
  constexpr std::size_t kMostIntegers = 65'536;  // 255 x 127 of them are below 2^31.
  MALMOI_CHECK(precision != Precision::kInt8 || k <= kMostIntegers);
  return std::make_unique<Packed>(os::ActiveCpuLevel(), precision, w, n, k, layout);
}

std::size_t ActivationStride(Precision precision, os::CpuLevel level, std::size_t k) {
  const int form = FormOf(precision, level);
  const std::size_t size = form == kByteForm                            ? 1
                           : form == kFloatForm || form == kRoundedForm ? 4
                                                                        : 2;
  return (k * size + 63) / 64 * 64;
}

void Narrow(Precision precision, os::CpuLevel level, const float* x, std::size_t ldx,
            std::size_t rows, std::size_t n, const Activations& out, const float* factors) {
  MALMOI_CHECK(factors == nullptr || precision == Precision::kInt8);
  RawNarrow r{};
  r.x = const_cast<float*>(x);  // Written only where there is a gamma.
  r.ldx = ldx;
  r.rows = rows;
  r.n = n;
  r.form = FormOf(precision, level);
  r.out = out.data;
  r.stride = out.stride;
  r.scales = out.scales;
  r.factors = factors;
  RowsOfLevel(static_cast<int>(level)).narrow(r);
}

void LayerNormNarrow(Precision precision, os::CpuLevel level, float* x, std::size_t rows,
                     std::size_t n, const float* gamma, const float* beta, float eps,
                     const Activations& out, const float* factors) {
  MALMOI_CHECK(factors == nullptr || precision == Precision::kInt8);
  RawNarrow r{};
  r.x = x;
  r.ldx = n;
  r.rows = rows;
  r.n = n;
  r.gamma = gamma;
  r.beta = beta;
  r.eps = eps;
  r.form = FormOf(precision, level);
  r.out = out.data;
  r.stride = out.stride;
  r.scales = out.scales;
  r.factors = factors;
  RowsOfLevel(static_cast<int>(level)).narrow(r);
}

void Gemm(const PackedWeights& weights, const GemmArgs& args) {
  const auto& w = static_cast<const Packed&>(weights);
  constexpr std::size_t kWidth = 2 * kPanel;
  const std::size_t pairs = (w.n() + kWidth - 1) / kWidth;
  const std::size_t end = pairs * (args.part + 1) / args.parts * kWidth;
  const bool floats = w.precision() == Precision::kFloat32;
  RawGemm g{};
  g.a = floats ? reinterpret_cast<const char*>(args.a) : static_cast<const char*>(args.narrow.data);
  g.lda = floats ? args.lda * sizeof(float) : args.narrow.stride;
  g.row_scales = args.narrow.scales;
  g.m = args.m;
  g.packed = reinterpret_cast<const char*>(w.panels().values.data());
  g.panel_bytes = w.panels().panel_bytes;
  g.steps = w.panels().steps;
  g.column_begin = pairs * args.part / args.parts * kWidth;
  g.column_end = end < w.n() ? end : w.n();
  g.column_scales = w.panels().scales.data();
  g.column_sums = w.panels().sums.data();
  SetOutput(args, w, &g);
  SetEpilogue(args, &g);
  w.table().gemm(g);
}

}  // namespace malmoi::kernels
