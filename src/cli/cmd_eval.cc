// malmoi eval: retrieval quality on a set in BEIR form, modes side by side.
#include <algorithm>
#include <memory>

#include "cli/commands.h"
#include "cli/eval_store.h"
#include "obs/progress.h"
#include "os/vfs.h"
#include "rag/eval_runner.h"
#include "rag/parts.h"

namespace malmoi::cli {
namespace {

Result<rag::EvalOptions> MakeOptions(const Arguments& a) {
  rag::EvalOptions options;
  if (!a.modes.empty()) options.modes.clear();
  for (const std::string& name : a.modes) {
    MALMOI_TRY(const auto mode, rag::ParseMode(name));
    options.modes.push_back(mode);
  }
  MALMOI_TRY(options.fusion, rag::ParseFusion(a.fusion));
  if (a.dense_share) options.dense_share = static_cast<float>(*a.dense_share);
  options.evidence_min = a.evidence_min;
  options.chunked = a.chunked;
  options.answers = a.answers;
  return options;
}

bool NeedsModel(const rag::EvalOptions& options) {
  return options.answers || std::any_of(options.modes.begin(), options.modes.end(), [](auto mode) {
           return mode != rag::SearchMode::kLexical;
         });
}

// A bar a phase.
class Bars {
 public:
  explicit Bars(bool quiet) : quiet_(quiet) {}
  void Update(const char* phase, std::uint64_t done, std::uint64_t total) {
    if (phase_ != phase) {
      phase_ = phase;
      done_ = 0;
      const bool queries = phase_ != "analyse" && phase_ != "embed";
      bar_ = std::make_unique<obs::Progress>(phase_, queries ? "queries" : "texts", total, quiet_);
    }
    if (done > done_) bar_->Add(done - done_);
    done_ = std::max(done_, done);
  }

 private:
  bool quiet_;
  std::string phase_;
  std::uint64_t done_ = 0;
  std::unique_ptr<obs::Progress> bar_;
};

}  // namespace

Result<int> CmdEval(const Context& context) {
  const Arguments& a = context.arguments;
  MALMOI_TRY(const auto options, MakeOptions(a));
  std::vector<rag::Gate> gates;
  for (const std::string& text : a.gates) {
    MALMOI_TRY(auto gate, rag::ParseGate(text));
    gates.push_back(std::move(gate));
  }
  MALMOI_TRY(const auto set, rag::LoadBeir(a.positional.at(0)));

  rag::Ports ports;
  MALMOI_TRY(ports.analyzer, rag::OpenAnalyzer());
  const auto threads = static_cast<std::size_t>(context.settings.GetInt("threads"));
  if (NeedsModel(options)) {
    MALMOI_TRY(const auto precision, kernels::ParsePrecision(context.settings.Get("dtype")));
    MALMOI_TRY(ports.embedder, rag::OpenEmbedder(context.settings.Get("model"), threads, precision,
                                                 context.settings.Get("model-key")));
  }
  MALMOI_TRY(const EvalStore store, OpenEvalStore(context, "eval", threads));

  auto report = [&] {
    Bars bars(a.quiet || a.json);
    return rag::RunEval(
        set, ports, *store.database, options,
        [&](const char* phase, std::uint64_t done, std::uint64_t total) {
          bars.Update(phase, done, total);
        },
        context.cancel);
  }();
  if (!report.ok()) return std::move(report.error()).With("eval '" + a.positional.at(0) + "'");
  std::fprintf(context.out, "%s%s",
               (a.json ? rag::ToJson(report.value()) : rag::ToTable(report.value())).c_str(),
               a.json ? "\n" : "");
  bool holds = true;
  for (const rag::Gate& gate : gates) {
    for (const std::string& breach : rag::CheckGate(gate, report.value())) {
      holds = false;
      std::fprintf(context.err, "gate failed: %s\n", breach.c_str());
    }
  }
  return holds ? kFound : kNothing;
}

}  // namespace malmoi::cli
