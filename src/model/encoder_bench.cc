// Tokens per second of the encoders, token ids in, vectors out; one short query's latency beside
// it. Arguments: threads, sequences, tokens each. The real models, where they are installed, run
// with --full only; without it the tiny golden model keeps the code in use.
#include <benchmark/benchmark.h>

#include <cstdio>
#include <optional>
#include <random>
#include <string>
#include <string_view>

#include "model/encoder.h"
#include "os/paths.h"

namespace {

using namespace malmoi;

void Encode(benchmark::State& state, const std::string& directory, os::CpuLevel level) {
  const os::CpuLevel before = os::SetCpuLevelForTest(level);
  const auto encoder = model::Encoder::Open(directory);
  os::SetCpuLevelForTest(before);
  if (!encoder.ok()) {
    state.SkipWithError(encoder.error().message().c_str());
    return;
  }
  os::ThreadPool pool(static_cast<std::size_t>(state.range(0)), "bench");
  const std::int64_t length = state.range(2);
  std::mt19937 rng(1);
  model::PackedBatch batch;
  batch.starts = {0};
  for (std::int64_t s = 0; s < state.range(1); ++s) {
    for (std::int64_t i = 0; i < length; ++i) {
      batch.ids.push_back(static_cast<std::int32_t>(
          rng() % static_cast<unsigned>(encoder.value()->config().vocabulary)));
    }
    batch.starts.push_back(static_cast<std::uint32_t>(batch.ids.size()));
  }
  double sum = 0;
  for (auto _ : state) {
    const auto out = encoder.value()->Encode(batch, pool);
    if (!out.ok()) {
      state.SkipWithError(out.error().message().c_str());
      return;
    }
    sum = out.value()[0];
  }
  state.counters["checksum"] = sum;
  state.counters["tokens/s"] = benchmark::Counter(static_cast<double>(batch.ids.size()),
                                                  benchmark::Counter::kIsIterationInvariantRate);
}

void RegisterModel(const std::string& name) {
  const std::optional<std::string> directory = os::FindAsset("models/" + name);
  if (!directory) {
    std::fprintf(stderr, "skipped: %s: the model is not installed\n", name.c_str());
    return;
  }
  for (const os::CpuLevel level : os::AvailableCpuLevels()) {
    auto* bench = benchmark::RegisterBenchmark(
        (name + "/" + std::string(os::CpuLevelName(level))).c_str(), Encode, *directory, level);
    bench->UseRealTime()->Unit(benchmark::kMillisecond)->Args({1, 1, 12});
    if (level == os::CpuLevel::kScalar) continue;
    bench->Args({2, 1, 12})->Args({1, 32, 128})->Args({1, 16, 250})->Args({2, 32, 128});
  }
}

}  // namespace

int main(int argc, char** argv) {
  const bool full = argc > 1 && std::string_view(argv[1]) == "--full";
  if (full) {
    RegisterModel("all-MiniLM-L6-v2");
    RegisterModel("multilingual-e5-small");
    argv[1] = argv[0];
    ++argv;
    --argc;
  } else {
    benchmark::RegisterBenchmark("tiny-bert", Encode,
                                 std::string(MALMOI_SOURCE_DIR) + "/tests/golden/encoder/tiny-bert",
                                 os::ActiveCpuLevel())
        ->UseRealTime()
        ->Args({1, 4, 20});
  }
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
