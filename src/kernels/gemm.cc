#include "kernels/gemm.h"

#include "base/buffer.h"
#include "base/check.h"
#include "kernels/gemm_internal.h"

namespace malmoi::kernels {
namespace {

class Packed final : public PackedWeights {
 public:
  Packed(const GemmTable& table, std::span<const float> w, std::size_t n, std::size_t k)
      : table_(table),
        n_(n),
        k_(k),
        values_((n + table.panel - 1) / table.panel * table.panel * k) {
    table.pack(w.data(), k, n, k, values_.data());
  }
  std::size_t n() const override { return n_; }
  std::size_t k() const override { return k_; }
  os::CpuLevel level() const override { return static_cast<os::CpuLevel>(table_.level); }

  const GemmTable& table() const { return table_; }
  const float* values() const { return values_.data(); }

 private:
  const GemmTable& table_;
  std::size_t n_, k_;
  Buffer<float> values_;
};

}  // namespace

const GemmTable& GemmOfLevel(int asked) {
  const auto level = static_cast<int>(os::BaseCpuLevel(static_cast<os::CpuLevel>(asked)));
#if defined(__x86_64__)
  if (level == kAvx512Gemm.level) return kAvx512Gemm;
  if (level == kAvx2Gemm.level) return kAvx2Gemm;
#endif
  MALMOI_CHECK(level == kScalarGemm.level);
  return kScalarGemm;
}

const GemmTable& ActiveGemm() {
  return GemmOfLevel(static_cast<int>(os::BaseCpuLevel(os::ActiveCpuLevel())));
}

std::unique_ptr<PackedWeights> PackWeights(std::span<const float> w, std::size_t n, std::size_t k) {
  MALMOI_CHECK(w.size() == n * k);
  return std::make_unique<Packed>(ActiveGemm(), w, n, k);
}

void Gemm(const PackedWeights& w, const GemmArgs& args) {
  const auto& packed = static_cast<const Packed&>(w);
  const std::size_t panel = packed.table().panel;
  const std::size_t panels = (packed.n() + panel - 1) / panel;
  const std::size_t end = panels * (args.part + 1) / args.parts * panel;
  RawGemm g{};
  g.a = args.a;
  g.lda = args.lda;
  g.m = args.m;
  g.packed = packed.values();
  g.k = packed.k();
  g.column_begin = panels * args.part / args.parts * panel;
  g.column_end = end < packed.n() ? end : packed.n();
  g.c = args.c;
  g.ldc = args.ldc;
  if (args.epilogue != Epilogue::kNone) g.bias = args.bias;
  if (args.epilogue == Epilogue::kBiasResidual) {
    g.residual = args.residual;
    g.ldr = args.ldr;
  }
  g.activation = args.epilogue == Epilogue::kBiasGelu       ? 1
                 : args.epilogue == Epilogue::kBiasGeluTanh ? 2
                                                            : 0;
  packed.table().gemm(g);
}

}  // namespace malmoi::kernels
