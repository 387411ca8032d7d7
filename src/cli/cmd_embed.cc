// malmoi embed check: is the encoder's arithmetic right? A model's folder with the outputs that
// another implementation gave (expected.safetensors) against what this program gives.
#include "cli/commands.h"
#include "json/writer.h"
#include "model/golden_check.h"
#include "os/cpu_info.h"
#include "os/thread_pool.h"

namespace malmoi::cli {
namespace {

// The stated accuracy of f32.
constexpr double kLargest = 1e-4;
constexpr double kCosine = 0.99999;

bool Passes(const model::Deviation& d) {
  return d.largest <= kLargest && d.cosine >= kCosine;
}

void PrintJson(const Context& context, const std::vector<model::Deviation>& found) {
  json::Writer w;
  w.BeginObject().Key("outputs").BeginArray();
  for (const auto& d : found) {
    w.BeginObject().Field("output", d.output).Field("values", d.values);
    w.Field("largest_difference", d.largest).Field("smallest_cosine", d.cosine);
    w.Field("passes", Passes(d)).EndObject();
  }
  w.EndArray().EndObject();
  std::fprintf(context.out, "%s\n", w.text().c_str());
}

}  // namespace

Result<int> CmdEmbedCheck(const Context& context) {
  const auto threads = static_cast<std::size_t>(context.settings.GetInt("threads"));
  os::ThreadPool pool(threads == 0 ? os::UsableCores() : threads, "embed");
  MALMOI_TRY(const auto found, model::CheckGolden(context.arguments.positional.at(0), pool));
  bool good = !found.empty();
  for (const auto& d : found) good = good && Passes(d);
  if (context.arguments.json) {
    PrintJson(context, found);
    return good ? kFound : kNothing;
  }
  std::fprintf(context.out, "%-10s %10s  %12s  %12s\n", "output", "values", "largest |d|",
               "1 - cosine");
  for (const auto& d : found) {
    std::fprintf(context.out, "%-10s %10zu  %12.3g  %12.3g  %s\n", d.output.c_str(), d.values,
                 d.largest, 1 - d.cosine, Passes(d) ? "" : "FAILS");
  }
  if (found.empty()) {
    std::fprintf(context.err,
                 "expected.safetensors has no output that is known: hidden, states.N, "
                 "pooled, logits, sparse, tokens\n");
  }
  return good ? kFound : kNothing;
}

}  // namespace malmoi::cli
