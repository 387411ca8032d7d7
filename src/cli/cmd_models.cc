// malmoi models: what embedding models are at hand, and getting one from the hub.
#include <algorithm>
#include <map>
#include <memory>

#include "base/strings.h"
#include "cli/commands.h"
#include "embed/model_store.h"
#include "json/writer.h"
#include "obs/progress.h"

namespace malmoi::cli {
namespace {

Result<int> List(const Context& context) {
  const auto models = embed::ListModels();
  if (context.arguments.json) {
    json::Writer w;
    w.BeginObject().Key("models").BeginArray();
    for (const auto& m : models) {
      w.BeginObject().Field("id", m.id).Field("directory", m.directory).Field("label", m.label);
      w.Field("source", m.source).Field("bytes", m.bytes).EndObject();
    }
    w.EndArray().EndObject();
    std::fprintf(context.out, "%s\n", w.text().c_str());
    return models.empty() ? kNothing : kFound;
  }
  for (const auto& m : models) {
    std::fprintf(context.out, "%-28s %9s  %-9s %-20s %s\n", m.id.c_str(),
                 FormatBytes(m.bytes).c_str(), m.source.c_str(), m.label.c_str(),
                 m.directory.c_str());
  }
  if (models.empty()) {
    std::fprintf(context.err, "no models found; get one with: malmoi models pull ORG/NAME\n");
  }
  return models.empty() ? kNothing : kFound;
}

Result<int> Pull(const Context& context) {
  embed::PullOptions options;
  options.revision = context.arguments.revision;
  std::map<std::string, std::uint64_t> seen;
  std::string current;
  std::unique_ptr<obs::Progress> bar;
  const bool quiet = context.arguments.quiet || context.arguments.json;
  options.progress = [&](const std::string& file, std::uint64_t done, std::uint64_t total) {
    constexpr std::uint64_t kUnit = 1 << 20;
    if (file != current) {
      current = file;
      bar = std::make_unique<obs::Progress>(file, "MiB", total / kUnit, quiet);
    }
    std::uint64_t& before = seen[file];
    if (done / kUnit > before) bar->Add(done / kUnit - before);
    before = std::max(before, done / kUnit);
  };
  MALMOI_TRY(const std::string directory,
             embed::PullModel(context.arguments.positional.at(0), options));
  bar.reset();
  if (context.arguments.json) {
    json::Writer w;
    w.BeginObject().Field("directory", directory).EndObject();
    std::fprintf(context.out, "%s\n", w.text().c_str());
  } else {
    std::fprintf(context.out, "%s\n", directory.c_str());
  }
  return kFound;
}

}  // namespace

Result<int> CmdModels(const Context& context) {
  return context.arguments.command == "models list" ? List(context) : Pull(context);
}

}  // namespace malmoi::cli
