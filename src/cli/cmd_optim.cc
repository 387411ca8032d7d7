// malmoi optim: optimizers against recorded trajectories.
#include <cmath>
#include <map>

#include "base/strings.h"
#include "cli/commands.h"
#include "json/writer.h"
#include "optim/check/golden.h"
#include "optim/matrix/register.h"
#include "optim/speed.h"
#include "os/cpu_info.h"

namespace malmoi::cli {
namespace {

using State = optim::SeriesResult::State;

const char* StateName(State state) {
  switch (state) {
    case State::kPassed:
      return "ok";
    case State::kByProperties:
      return "by properties";
    case State::kFailed:
      return "off";
    case State::kMissing:
      return "missing";
    case State::kError:
      break;
  }
  return "error";
}

std::string Scientific(double v) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.1e", v);
  return text;
}

struct Summary {
  int series = 0, passed = 0, tight = 0, properties = 0, missing = 0;
};

void PrintSummary(const Context& context, const std::map<std::string, Summary>& by_dtype) {
  for (const auto& [dtype, s] : by_dtype) {
    std::fprintf(context.out,
                 "%s: %d/%d within tolerance, %d <= 1e-6, %d more by properties, %d missing\n",
                 dtype.c_str(), s.passed, s.series, s.tight, s.properties, s.missing);
  }
}

}  // namespace

Result<int> CmdOptim(const Context& context) {
  optim::matrix::Register();
  const Arguments& a = context.arguments;
  if (a.command == "optim list") {
    for (const std::string& name : optim::OptimizerNames()) {
      std::fprintf(context.out, "%s\n", name.c_str());
    }
    return kFound;
  }
  const bool json = a.json;
  MALMOI_TRY(const auto results,
             optim::CheckGolden({.directory = a.positional[0], .dump = a.dump, .only = a.only},
                                [&](const optim::SeriesResult& r) {
                                  if (json) return;
                                  std::fprintf(context.out, "%-13s %s/%s/%s  %s of %s  %s\n",
                                               StateName(r.state), r.optimizer.c_str(),
                                               r.variant.c_str(), r.dtype.c_str(),
                                               Scientific(r.worst).c_str(),
                                               Scientific(r.tolerance).c_str(), r.where.c_str());
                                }));
  std::map<std::string, Summary> by_dtype;
  json::Writer w;
  w.BeginObject().Key("series").BeginArray();
  bool all = true;
  for (const auto& r : results) {
    Summary& s = by_dtype[r.dtype];
    ++s.series;
    s.passed += r.state == State::kPassed && r.compared;
    s.tight += r.state == State::kPassed && r.compared && r.worst <= 1e-6;
    s.missing += r.state == State::kMissing;
    s.properties += r.state == State::kByProperties;
    all = all && (r.state == State::kPassed || r.state == State::kByProperties);
    w.BeginObject().Field("optimizer", r.optimizer).Field("variant", r.variant);
    w.Field("dtype", r.dtype).Field("state", StateName(r.state)).Field("worst", r.worst);
    w.Field("tolerance", r.tolerance).Field("where", r.where).EndObject();
  }
  w.EndArray().Key("summary").BeginObject();
  for (const auto& [dtype, s] : by_dtype) {
    w.Key(dtype).BeginObject().Field("series", s.series).Field("within", s.passed);
    w.Field("within_1e-6", s.tight).Field("by_properties", s.properties);
    w.Field("missing", s.missing).EndObject();
  }
  w.EndObject().EndObject();
  if (json) {
    std::fprintf(context.out, "%s\n", w.text().c_str());
  } else {
    PrintSummary(context, by_dtype);
  }
  return all ? kFound : kNothing;
}

Result<int> CmdBenchOptim(const Context& context) {
  optim::matrix::Register();
  const Arguments& a = context.arguments;
  optim::SpeedOptions options;
  options.parameters = static_cast<std::size_t>(a.parameters_millions) * 1'000'000;
  options.optimizers = a.only;
  options.storages = a.storage;
  if (os::UsableCores() < 2) options.threads = {1};
  json::Writer w;
  w.BeginObject().Field("cpu_level", os::CpuLevelName(os::ActiveCpuLevel()));
  w.Key("figures").BeginArray();
  if (!a.json) {
    std::fprintf(context.out, "%-20s %-7s %7s %6s %8s %9s %6s %7s\n", "optimizer", "storage",
                 "threads", "passes", "bytes/p", "ms", "GB/s", "% plain");
  }
  MALMOI_TRY(optim::MeasureSpeed(options, [&](const optim::SpeedFigure& f) {
    w.BeginObject().Field("optimizer", f.optimizer).Field("storage", f.storage);
    w.Field("threads", f.threads).Field("parameters", f.parameters).Field("tensors", f.tensors);
    w.Field("one_pass", f.one_pass).Field("bytes_per_parameter", f.bytes_per_parameter);
    w.Field("step_ms", f.step_ms).Field("gb_per_s", f.gb_per_s);
    w.Field("traffic_gb_per_s", f.traffic_gb_per_s).EndObject();
    if (a.json) return;
    const double share = f.traffic_gb_per_s > 0 ? 100 * f.gb_per_s / f.traffic_gb_per_s : 0;
    std::fprintf(context.out, "%-20s %-7s %7zu %6d %8s %9s %6s %5s of %s\n", f.optimizer.c_str(),
                 f.storage.c_str(), f.threads, f.one_pass ? 1 : 2,
                 FormatFixed(f.bytes_per_parameter, 1).c_str(), FormatFixed(f.step_ms, 2).c_str(),
                 FormatFixed(f.gb_per_s, 1).c_str(), FormatFixed(share, 0).c_str(),
                 FormatFixed(f.traffic_gb_per_s, 1).c_str());
    std::fflush(context.out);
  }));
  w.EndArray().EndObject();
  if (a.json) std::fprintf(context.out, "%s\n", w.text().c_str());
  return kFound;
}

}  // namespace malmoi::cli
