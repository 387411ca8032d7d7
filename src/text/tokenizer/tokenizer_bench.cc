// Megabytes a second of Encode() on English, Korean and a mix, with the assets' tokenizers; skipped
// where they are absent. The counter `tokens` stays the same while the answer does.
#include <benchmark/benchmark.h>

#include <string>

#include "os/paths.h"
#include "text/tokenizer.h"

namespace malmoi::text {
namespace {

constexpr const char* kModels[] = {"all-MiniLM-L6-v2", "multilingual-e5-small"};
constexpr const char* kParagraphs[] = {
    "The quick retrieval of a document depends on how its words were cut; \"tokenization\" is the "
    "first step, and in 2024 most encoders still use WordPiece or Unigram vocabularies (30k-250k "
    "pieces). Nothing else in the pipeline touches every single byte of the input.\n",
    "문서를 빠르게 찾으려면 단어가 어떻게 나뉘는지가 중요하다. 토큰화는 첫 단계이며, 2024년에도 "
    "대부분의 인코더는 워드피스나 유니그램 어휘를 쓴다.\n",
    "Café 서울에서 日本語の文章 and plain English — naïve “quotes” and 1,234.56 numbers.\n",
};

// Arguments: model, paragraph.
void Encode(benchmark::State& state) {
  const auto path =
      os::FindAsset(std::string("models/") + kModels[state.range(0)] + "/tokenizer.json");
  if (!path) {
    state.SkipWithError("skipped: the model's asset is absent");
    return;
  }
  auto tokenizer = Tokenizer::FromFile(*path);
  if (!tokenizer.ok()) {
    state.SkipWithError(tokenizer.error().message().c_str());
    return;
  }
  std::string text;  // The size of a chunk that is embedded, several of them.
  while (text.size() < 8192) text += kParagraphs[state.range(1)];
  std::size_t tokens = 0;
  for (auto _ : state) tokens = tokenizer.value()->Encode(text).size();
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(text.size()));
  state.counters["tokens"] = static_cast<double>(tokens);
  state.SetLabel(kModels[state.range(0)]);
}
BENCHMARK(Encode)->ArgsProduct({{0, 1}, {0, 1, 2}});

void Load(benchmark::State& state) {
  const auto path =
      os::FindAsset(std::string("models/") + kModels[state.range(0)] + "/tokenizer.json");
  if (!path) {
    state.SkipWithError("skipped: the model's asset is absent");
    return;
  }
  for (auto _ : state) benchmark::DoNotOptimize(Tokenizer::FromFile(*path).ok());
  state.SetLabel(kModels[state.range(0)]);
}
BENCHMARK(Load)->Arg(0)->Arg(1)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace malmoi::text
