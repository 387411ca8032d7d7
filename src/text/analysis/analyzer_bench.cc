// Bytes a second of one thread through Analyze, by script. The counter `terms` would show an
// analyser that became fast by finding nothing.
#include <benchmark/benchmark.h>

#include "os/paths.h"
#include "text/analyzer.h"
#include "text/language.h"
#include "text/sentences.h"

namespace malmoi::text {
namespace {

constexpr std::string_view kEnglish =
    "The reading room of the library opens at nine, and visitors who borrowed books may return "
    "them at any desk; response_model and HTTPException are described in chapter 3.2.\n";
constexpr std::string_view kKorean =
    "도서관의 열람실은 아침 아홉 시에 열리며, 책을 빌린 이용자는 어느 창구에서든 반납할 수 "
    "있습니다. "
    "의존성을 주입하는 방법은 FastAPI 문서의 3.2절에서 설명합니다.\n";
constexpr std::string_view kJapanese =
    "図書館の閲覧室は朝九時に開き、本を借りた利用者はどの窓口でも返却することができます。\n";
constexpr std::string_view kHindi =
    "पुस्तकालय का वाचनालय सुबह नौ बजे खुलता है और पाठक किसी भी काउंटर पर किताबें लौटा सकते हैं।\n";

std::string Repeated(std::string_view line) {
  std::string text;
  while (text.size() < 4096) text += line;
  return text;
}

void Analyze(benchmark::State& state, std::string_view line, Language language) {
  AnalyzerOptions options;
  options.korean_dictionary = os::FindAsset("mecab-ko-dic").value_or("");
  const auto analyzer = Analyzer::Create(options);
  if (!analyzer.ok()) {
    state.SkipWithError(analyzer.error().message().c_str());
    return;
  }
  const std::string text = Repeated(line);
  std::size_t terms = 0;
  for (auto _ : state) terms = analyzer.value()->Analyze(text, language).size();
  state.counters["terms"] = static_cast<double>(terms);
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * text.size()));
}

void CutSentences(benchmark::State& state, std::string_view line) {
  const std::string text = Repeated(line);
  std::size_t spans = 0;
  for (auto _ : state) spans = Sentences(text).size();
  state.counters["spans"] = static_cast<double>(spans);
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * text.size()));
}

void Detect(benchmark::State& state, std::string_view line) {
  const std::string text = Repeated(line);
  for (auto _ : state) benchmark::DoNotOptimize(DetectLanguage(text));
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * text.size()));
}

BENCHMARK_CAPTURE(Analyze, english, kEnglish, Language::kEnglish);
BENCHMARK_CAPTURE(Analyze, korean, kKorean, Language::kKorean);
BENCHMARK_CAPTURE(Analyze, japanese, kJapanese, Language::kJapanese);
BENCHMARK_CAPTURE(Analyze, hindi, kHindi, Language::kHindi);
BENCHMARK_CAPTURE(CutSentences, english, kEnglish);
BENCHMARK_CAPTURE(CutSentences, korean, kKorean);
BENCHMARK_CAPTURE(Detect, english, kEnglish);

}  // namespace
}  // namespace malmoi::text

BENCHMARK_MAIN();
