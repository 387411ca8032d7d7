// GFLOP/s of the matrix product on the small models' shapes, one thread, and the processor's own
// peak beside it (independent fused multiply-adds in registers). Argument order: m, n, k.
#include <benchmark/benchmark.h>

#include <random>
#include <string>
#include <vector>

#include "kernels/gemm.h"

namespace {

using namespace malmoi;

std::vector<float> Random(std::size_t n) {
  std::mt19937 rng(1);
  std::uniform_real_distribution<float> uniform(-1, 1);
  std::vector<float> out(n);
  for (float& x : out) x = uniform(rng);
  return out;
}

void Product(benchmark::State& state, os::CpuLevel level, kernels::Epilogue epilogue) {
  const auto m = static_cast<std::size_t>(state.range(0));
  const auto n = static_cast<std::size_t>(state.range(1));
  const auto k = static_cast<std::size_t>(state.range(2));
  const auto a = Random(m * k), w = Random(n * k), bias = Random(n);
  std::vector<float> c(m * n);
  const os::CpuLevel before = os::SetCpuLevelForTest(level);
  const auto packed = kernels::PackWeights(w, n, k);
  os::SetCpuLevelForTest(before);
  for (auto _ : state) {
    kernels::Gemm(*packed, {.a = a.data(),
                            .lda = k,
                            .m = m,
                            .c = c.data(),
                            .ldc = n,
                            .epilogue = epilogue,
                            .bias = bias.data()});
    benchmark::DoNotOptimize(c.data());
    benchmark::ClobberMemory();
  }
  double sum = 0;
  for (const float x : c) sum += x;
  state.counters["checksum"] = sum;
  state.counters["FLOP/s"] = benchmark::Counter(2.0 * static_cast<double>(m * n * k),
                                                benchmark::Counter::kIsIterationInvariantRate);
}

void Shapes(benchmark::internal::Benchmark* b) {
  for (const std::int64_t m : {1, 12, 96, 512}) {
    b->Args({m, 1152, 384})->Args({m, 384, 384})->Args({m, 1536, 384})->Args({m, 384, 1536});
  }
}

}  // namespace

int main(int argc, char** argv) {
  for (const os::CpuLevel level : os::AvailableCpuLevels()) {
    const std::string name(os::CpuLevelName(level));
    for (const auto& [label, epilogue] :
         {std::pair{"bias", kernels::Epilogue::kBias}, {"gelu", kernels::Epilogue::kBiasGelu}}) {
      Shapes(benchmark::RegisterBenchmark(("gemm/" + name + "/" + label).c_str(), Product, level,
                                          epilogue));
    }
  }
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
