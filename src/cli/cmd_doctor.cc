// malmoi doctor: is everything there that this machine needs? malmoi config: settings in force.
#include <sys/statvfs.h>

#include <algorithm>

#include "base/strings.h"
#include "cli/backend.h"
#include "cli/commands.h"
#include "embed/model_store.h"
#include "json/value.h"
#include "json/writer.h"
#include "kernels/gemm.h"
#include "os/cpu_info.h"
#include "os/paths.h"
#include "rag/parts.h"

namespace malmoi::cli {
namespace {

enum class State { kOk, kWarning, kProblem };
struct Check {
  std::string name;
  State state = State::kOk;
  std::string detail;
};

const char* StateName(State state) {
  switch (state) {
    case State::kOk:
      return "ok";
    case State::kWarning:
      return "warning";
    case State::kProblem:
      return "problem";
  }
  return "problem";
}

Check CheckCpu() {
  std::string detail = std::to_string(os::UsableCores()) + " usable cores, kernels at level " +
                       std::string(os::CpuLevelName(os::ActiveCpuLevel())) + " of";
  for (const auto level : os::AvailableCpuLevels()) {
    detail += " " + std::string(os::CpuLevelName(level));
  }
  const std::string_view tiles = kernels::TileCheck();
  if (tiles.empty() || tiles == "ok") return {"processor", State::kOk, detail};
  return {
      "processor", State::kWarning,
      detail + "; its AMX tiles are not used: " + std::string(tiles) + " from their definition"};
}

Check CheckAsset(const char* name, const char* path, const char* without) {
  const auto found = os::FindAsset(path);
  if (found) return {name, State::kOk, *found};
  return {name, State::kWarning, std::string("not found: ") + without};
}

Check CheckModel(const Settings& settings) {
  const std::string& id = settings.Get("model");
  if (id == "none") return {"model", State::kWarning, "none: search by words only"};
  const auto precision = kernels::ParsePrecision(settings.Get("dtype"));
  if (!precision.ok()) return {"model", State::kProblem, precision.error().message()};
  const auto embedder = rag::OpenEmbedder(id, static_cast<std::size_t>(settings.GetInt("threads")),
                                          precision.value(), settings.Get("model-key"));
  if (!embedder.ok()) return {"model", State::kProblem, embedder.error().message()};
  std::string detail = id + ", " + std::to_string(embedder.value()->dim()) + " dimensions, up to " +
                       std::to_string(embedder.value()->max_tokens()) + " tokens, " +
                       settings.Get("dtype");
  for (const auto& info : embed::ListModels()) {
    if (info.id == id && !info.label.empty()) detail += ", " + info.label;
  }
  return {"model", State::kOk, detail};
}

Check CheckIndex(const Settings& settings) {
  const auto backend = Backend::Open(settings, false);
  if (!backend.ok()) return {"index", State::kProblem, backend.error().message()};
  const auto status = backend.value()->StatusOf(settings.Get("collection"));
  if (!status.ok()) {
    const bool missing = status.error().code() == Code::kNotFound;
    return {"index", missing ? State::kWarning : State::kProblem, status.error().message()};
  }
  const auto parsed = json::Parse(status.value());
  if (!parsed.ok()) return {"index", State::kProblem, parsed.error().message()};
  const json::Value& v = parsed.value();
  std::string detail = "collection " + settings.Get("collection") + ": " +
                       std::to_string(v.GetInt("documents")) + " documents, " +
                       std::to_string(v.GetInt("chunks")) + " chunks, " +
                       std::to_string(v.GetInt("failed")) + " files not read";
  const bool complete = v.GetBool("vectors_complete");
  if (!complete) detail += "; vectors are not complete: run malmoi index again";
  return {"index", complete ? State::kOk : State::kWarning, detail};
}

Check CheckDisk(const Settings& settings) {
  // The data directory may not exist yet: its parent tells the same.
  std::string path = settings.Get("data");
  struct statvfs info {};
  while (::statvfs(path.c_str(), &info) != 0 && path.size() > 1) {
    path = path.substr(0, std::max<std::size_t>(path.rfind('/'), 1));
  }
  const std::uint64_t free = static_cast<std::uint64_t>(info.f_bavail) * info.f_frsize;
  constexpr std::uint64_t kLow = 1ull << 30;
  return {"disk", free < kLow ? State::kWarning : State::kOk,
          FormatBytes(free) + " free for " + settings.Get("data") +
              (free < kLow ? "; less than 1 GiB" : "")};
}

Check CheckJapanese() {
  const std::string folder = rag::JapaneseDictionary();
  if (!folder.empty()) return {"japanese", State::kOk, folder};
  return {
      "japanese", State::kWarning,
      "IPADIC was not found (Debian: mecab-ipadic-utf8); Japanese is analysed by bigrams alone"};
}

}  // namespace

Result<int> CmdDoctor(const Context& context) {
  const Check checks[] = {
      CheckCpu(),
      CheckAsset("dictionary", "mecab-ko-dic", "Korean is analysed by a table of particles"),
      CheckJapanese(),
      CheckAsset("pdf", "pdfium/libpdfium.so", "PDF files cannot be read"),
      CheckAsset("llama", "llama", "--llm local cannot be used"),
      CheckModel(context.settings),
      CheckIndex(context.settings),
      CheckDisk(context.settings),
  };
  bool problem = false;
  json::Writer w;
  w.BeginObject().Key("checks").BeginArray();
  for (const Check& check : checks) {
    problem = problem || check.state == State::kProblem;
    w.BeginObject().Field("name", check.name).Field("state", StateName(check.state));
    w.Field("detail", check.detail).EndObject();
    if (!context.arguments.json) {
      std::fprintf(context.out, "%-8s %-11s %s\n", StateName(check.state), check.name.c_str(),
                   check.detail.c_str());
    }
  }
  w.EndArray().EndObject();
  if (context.arguments.json) std::fprintf(context.out, "%s\n", w.text().c_str());
  return problem ? kFailure : kFound;
}

Result<int> CmdConfig(const Context& context) {
  json::Writer w;
  w.BeginObject();
  for (const Setting& s : context.settings.all()) {
    const bool secret = s.name.ends_with("-key") && !s.value.empty();
    const std::string value = secret ? "(set)" : s.value;
    w.Key(s.name).BeginObject().Field("value", value).Field("origin", s.origin).EndObject();
    if (!context.arguments.json) {
      std::fprintf(context.out, "%-12s %-40s %-28s %s\n", s.name.c_str(),
                   value.empty() ? "(empty)" : value.c_str(), s.origin.c_str(), s.help.c_str());
    }
  }
  w.EndObject();
  if (context.arguments.json) std::fprintf(context.out, "%s\n", w.text().c_str());
  return kFound;
}

}  // namespace malmoi::cli
