// What the embedding server adds nothing to: text in, vector out through Engine, for one caller
// (latency of a query) and for many (shared batches). bench/embed_http.py compares the same over
// HTTP. The real model runs with --full only.
#include <benchmark/benchmark.h>

#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "embed/engine.h"
#include "embed/model_store.h"

namespace {

using namespace malmoi;

std::shared_ptr<embed::Engine> engine;

// Argument: words of a text. Each iteration embeds one text.
void Embed(benchmark::State& state) {
  const std::string_view words[] = {"the", "quick", "fox", "jumps", "over", "lazy", "dogs"};
  std::string text;
  for (std::int64_t i = 0; i < state.range(0); ++i) {
    text += (i == 0 ? "" : " ") + std::string(words[(i + state.thread_index()) % 7]);
  }
  double sum = 0;
  std::size_t tokens = 0;
  for (auto _ : state) {
    auto job = engine->Prepare({.text = text}, {});
    if (!job.ok()) {
      state.SkipWithError(job.error().message().c_str());
      return;
    }
    tokens += job.value().tokens();
    std::vector<embed::Job> jobs;
    jobs.push_back(std::move(job).value());
    if (!engine->Submit(jobs, nullptr).ok() || jobs.front().error) {
      state.SkipWithError("not embedded");
      return;
    }
    sum = jobs.front().values[0];
  }
  state.counters["checksum"] = benchmark::Counter(sum, benchmark::Counter::kAvgThreads);
  state.counters["texts/s"] =
      benchmark::Counter(static_cast<double>(state.iterations()), benchmark::Counter::kIsRate);
  state.counters["tokens/s"] =
      benchmark::Counter(static_cast<double>(tokens), benchmark::Counter::kIsRate);
}

}  // namespace

int main(int argc, char** argv) {
  bool full = false;
  std::vector<char*> rest;
  for (int i = 0; i < argc; ++i) {
    std::string_view(argv[i]) == "--full" ? void(full = true) : rest.push_back(argv[i]);
  }
  int count = static_cast<int>(rest.size());
  const auto directory = embed::FindModel("all-MiniLM-L6-v2");
  if (!directory.ok()) {
    std::fprintf(stderr, "skipped: %s\n", directory.error().message().c_str());
    return 0;
  }
  auto opened = embed::Engine::Open(directory.value(), {});
  if (!opened.ok()) {
    std::fprintf(stderr, "%s\n", opened.error().message().c_str());
    return 1;
  }
  engine = opened.value();
  for (const int threads : {1, full ? 32 : 4}) {
    benchmark::RegisterBenchmark("embed", Embed)->Arg(10)->Threads(threads)->UseRealTime();
    if (full)
      benchmark::RegisterBenchmark("embed", Embed)->Arg(126)->Threads(threads)->UseRealTime();
  }
  benchmark::Initialize(&count, rest.data());
  benchmark::RunSpecifiedBenchmarks();
  engine.reset();
  return 0;
}
