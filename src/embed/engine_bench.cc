// What the embedding server adds nothing to: text in, vector out through Engine, for one caller
// (latency of a query) and for many (shared batches). bench/embed_http.py compares the same over
// HTTP. The real model runs with --full only.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "embed/engine.h"
#include "embed/model_store.h"

namespace {

using namespace malmoi;

std::shared_ptr<embed::Engine> engine;

std::string Text(std::size_t words, std::size_t shift) {
  const std::string_view some[] = {"the", "quick", "fox", "jumps", "over", "lazy", "dogs"};
  std::string text;
  for (std::size_t i = 0; i < words; ++i) {
    text += (i == 0 ? "" : " ") + std::string(some[(i + shift) % 7]);
  }
  return text;
}

// Tokens of the text; 0 where it could not be embedded.
std::size_t EmbedOne(std::string_view text) {
  auto job = engine->Prepare({.text = text}, {});
  if (!job.ok()) return 0;
  std::vector<embed::Job> jobs;
  jobs.push_back(std::move(job).value());
  const std::size_t tokens = jobs.front().tokens();
  return engine->Submit(jobs, nullptr).ok() && !jobs.front().error ? tokens : 0;
}

// What the clients of a run did; each adds its own share once it is done.
struct Tally {
  std::mutex mutex;  // guards: all below
  std::size_t tokens = 0, failed = 0;
  std::vector<double> milliseconds = {};  // Of each text.

  double Median() {
    if (milliseconds.empty()) return 0;
    const auto middle = milliseconds.begin() + static_cast<std::ptrdiff_t>(milliseconds.size() / 2);
    std::nth_element(milliseconds.begin(), middle, milliseconds.end());
    return *middle;
  }
};

// Takes texts as long as there are any.
void RunClient(std::size_t words, std::size_t texts, std::atomic<std::size_t>* next, Tally* tally) {
  Tally mine;
  for (std::size_t i = (*next)++; i < texts; i = (*next)++) {
    const std::string text = Text(words, i % 7);
    const std::int64_t start = MonotonicNs();
    const std::size_t tokens = EmbedOne(text);
    mine.milliseconds.push_back(1e3 * SecondsSince(start));
    mine.tokens += tokens;
    if (tokens == 0) ++mine.failed;
  }
  const std::lock_guard lock(tally->mutex);
  tally->tokens += mine.tokens;
  tally->failed += mine.failed;
  tally->milliseconds.insert(tally->milliseconds.end(), mine.milliseconds.begin(),
                             mine.milliseconds.end());
}

// Arguments: words of a text, clients, texts. An iteration is all texts, each taken by the next
// free client, from the first one's beginning to the last one's end, as a load generator over HTTP
// counts: a mean of the clients' own times would leave out that they end one after another.
void Embed(benchmark::State& state) {
  const auto words = static_cast<std::size_t>(state.range(0));
  const auto texts = static_cast<std::size_t>(state.range(2));
  Tally tally;
  for (auto _ : state) {
    std::atomic<std::size_t> next{0};
    const auto client = [&] { RunClient(words, texts, &next, &tally); };
    std::vector<std::jthread> clients;
    for (std::int64_t i = 1; i < state.range(1); ++i) clients.emplace_back(client);
    client();
  }
  if (tally.failed > 0) state.SkipWithError("not embedded");
  using benchmark::Counter;
  const auto iterations = static_cast<double>(state.iterations());
  state.counters["texts/s"] = Counter(iterations * static_cast<double>(texts), Counter::kIsRate);
  state.counters["tokens/s"] = Counter(static_cast<double>(tally.tokens), Counter::kIsRate);
  state.counters["p50_ms"] = Counter(tally.Median());
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
  auto* run = benchmark::RegisterBenchmark("embed", Embed)->UseRealTime();
  if (full) {
    run->Args({10, 1, 600})->Args({10, 32, 3000})->Args({126, 1, 60})->Args({126, 32, 300});
  } else {
    run->Args({10, 1, 60})->Args({10, 4, 120});
  }
  benchmark::Initialize(&count, rest.data());
  benchmark::RunSpecifiedBenchmarks();
  engine.reset();
  return 0;
}
