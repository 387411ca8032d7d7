// malmoi bench: how fast this machine is at what malmoi does. Rates, not verdicts: compare runs on
// one machine, or machines with one build.
#include <algorithm>
#include <vector>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/strings.h"
#include "cli/bench_recall.h"
#include "cli/commands.h"
#include "json/writer.h"
#include "kernels/gemm.h"
#include "kernels/vector.h"
#include "os/cpu_info.h"
#include "rag/parts.h"

namespace malmoi::cli {
namespace {

struct Figure {
  std::string name;
  double value = 0;   // Median of the runs.
  double spread = 0;  // (largest - smallest) / median.
  std::string unit;
};

constexpr int kRuns = 5;
constexpr kernels::Precision kPrecisions[] = {
    kernels::Precision::kFloat32, kernels::Precision::kBfloat16, kernels::Precision::kInt8};
const char* const kTexts[] = {
    "말모이는 문서를 읽고, 질문에 답하며, 답이 나온 곳을 함께 보여 준다.",
    "A retrieval system is only as good as the passages that it finds for a question.",
    "도서관의 장서는 한 사람이 다섯 권까지 두 주 동안 빌릴 수 있고 한 번 연장할 수 있다.",
    "The quick brown fox jumps over the lazy dog while the band plays on until the morning.",
};

// `work` returns how much it did, in the figure's unit before "per second".
template <class F>
Figure Measure(const std::string& name, const std::string& unit, F work) {
  work();  // Warm caches and pages.
  std::vector<double> rates;
  for (int run = 0; run < kRuns; ++run) {
    const std::int64_t start = MonotonicNs();
    const double done = work();
    rates.push_back(done / std::max(SecondsSince(start), 1e-9));
  }
  std::sort(rates.begin(), rates.end());
  const double median = rates[kRuns / 2];
  return {name, median, (rates.back() - rates.front()) / median, unit};
}

Figure BenchGemm(kernels::Precision precision) {
  constexpr std::size_t kM = 256, kN = 1536, kK = 384;
  Buffer<float> a(kM * kK), w(kN * kK), c(kM * kN);
  for (std::size_t i = 0; i < a.size(); ++i) a[i] = static_cast<float>(i % 7) - 3;
  for (std::size_t i = 0; i < w.size(); ++i) w[i] = static_cast<float>(i % 5) - 2;
  const auto packed = kernels::PackWeights(w.span(), kN, kK, precision);
  const std::size_t stride = kernels::ActivationStride(precision, packed->level(), kK);
  Buffer<std::uint8_t> rows(kM * stride);
  Buffer<kernels::RowScale> scales(kM);
  const kernels::Activations narrow{rows.data(), stride, scales.data()};
  kernels::Narrow(precision, packed->level(), a.data(), kK, kM, kK, narrow);
  const std::string name =
      "matrix product, one core, " + std::string(kernels::PrecisionName(precision));
  return Measure(name, "GFLOP/s", [&] {
    constexpr int kRepeat = 10;
    for (int i = 0; i < kRepeat; ++i) {
      kernels::Gemm(
          *packed, {.a = a.data(), .lda = kK, .narrow = narrow, .m = kM, .c = c.data(), .ldc = kN});
    }
    return kRepeat * 2e-9 * kM * kN * kK;
  });
}

Figure BenchScan() {
  constexpr std::size_t kRows = 100'000, kDim = 384;
  Buffer<float> rows(kRows * kDim);
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = static_cast<float>(i % 11) * 0.1f;
  std::vector<float> query(kDim, 0.5f), scores(kRows);
  return Measure("exact scan of 100,000 x 384, one core", "GB/s", [&] {
    kernels::DotRows(rows.data(), kDim, query, scores);
    return 4e-9 * kRows * kDim;
  });
}

Result<Figure> BenchAnalysis() {
  MALMOI_TRY(const auto analyzer, rag::OpenAnalyzer());
  return Measure("lexical analysis, Korean and English", "MB/s", [&] {
    double bytes = 0;
    for (int i = 0; i < 200; ++i) {
      for (const char* text : kTexts) {
        const std::string_view s = text;
        bytes += 1e-6 * static_cast<double>(s.size());
        (void)analyzer->Analyze(s, text::DetectLanguage(s));
      }
    }
    return bytes;
  });
}

Status BenchEmbedding(embed::Embedder& embedder, const std::string& dtype,
                      std::vector<Figure>* figures) {
  std::vector<std::string> passages;
  for (int i = 0; i < 32; ++i) {
    std::string passage;
    for (int j = 0; j < 6; ++j) passage += std::string(kTexts[(i + j) % 4]) + " ";
    passages.push_back(std::move(passage));
  }
  const std::vector<std::string_view> views(passages.begin(), passages.end());
  double tokens = 0;
  for (const auto view : views) {
    tokens += static_cast<double>(std::min(embedder.CountTokens(view), embedder.max_tokens()));
  }
  MALMOI_TRY(embedder.Embed(views, embed::Prompt::kPassage));
  const std::string model = embedder.id() + ", " + dtype;
  figures->push_back(Measure("embedding of passages, " + model, "tokens/s", [&] {
    return embedder.Embed(views, embed::Prompt::kPassage).ok() ? tokens : 0;
  }));
  figures->push_back(Measure("embedding of single questions, " + model, "queries/s", [&] {
    double done = 0;
    for (const char* text : kTexts) {
      const std::string_view s = text;
      done += embedder.Embed({&s, 1}, embed::Prompt::kQuery).ok();
    }
    return done;
  }));
  return Ok();
}

}  // namespace

Result<int> CmdBench(const Context& context) {
  const bool embed = !context.arguments.positional.empty();
  if (embed) {
    const std::string& what = context.arguments.positional[0];
    if (what == "optim") return CmdBenchOptim(context);
    const Arguments& a = context.arguments;
    if (what == "store" && !(a.vectors.empty() && a.beir.empty())) return CmdBenchRecall(context);
    if (what == "store") return CmdBenchStore(context);
    if (what == "tokenizer") return CmdBenchTokenizer(context);
    if (what != "embed") {
      return Error(Code::kInvalidArgument,
                   "bench '" + what + "': there are embed, optim, store and tokenizer");
    }
  }
  std::vector<Figure> figures;
  for (const auto precision : kPrecisions) figures.push_back(BenchGemm(precision));
  if (!embed) {
    figures.push_back(BenchScan());
    MALMOI_TRY(auto analysis, BenchAnalysis());
    figures.push_back(std::move(analysis));
  }
  MALMOI_TRY(const auto chosen, kernels::ParsePrecision(context.settings.Get("dtype")));
  for (const auto precision : kPrecisions) {
    if (!embed && precision != chosen) continue;
    MALMOI_TRY(
        const auto embedder,
        rag::OpenEmbedder(context.settings.Get("model"),
                          static_cast<std::size_t>(context.settings.GetInt("threads")), precision));
    if (!embedder) continue;
    MALMOI_TRY(BenchEmbedding(*embedder, std::string(kernels::PrecisionName(precision)), &figures));
  }

  json::Writer w;
  w.BeginObject().Field("cpu_level", os::CpuLevelName(os::ActiveCpuLevel()));
  w.Field("cores", os::UsableCores()).Key("figures").BeginArray();
  for (const Figure& f : figures) {
    w.BeginObject().Field("name", f.name).Field("value", f.value).Field("unit", f.unit);
    w.Field("spread", f.spread).EndObject();
    if (!context.arguments.json) {
      std::fprintf(context.out, "%-66s %12s %-10s (spread %s %%)\n", f.name.c_str(),
                   FormatFixed(f.value, 1).c_str(), f.unit.c_str(),
                   FormatFixed(100 * f.spread, 0).c_str());
    }
  }
  w.EndArray().EndObject();
  if (context.arguments.json) std::fprintf(context.out, "%s\n", w.text().c_str());
  return kFound;
}

}  // namespace malmoi::cli
