#include "optim/check/golden.h"

#include <algorithm>
#include <cstring>

#include "optim/check/compare.h"
#include "optim/tensor_file.h"
#include "os/vfs.h"

namespace malmoi::optim {
namespace {

// Python's json writes Infinity and NaN, which JSON has not: null here, whose tolerance is the
// floor. Words inside strings stay.
std::string WithoutNonFinite(std::string text) {
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '"' && (i == 0 || text[i - 1] != '\\')) quoted = !quoted;
    if (quoted) continue;
    for (const std::string_view word : {"-Infinity", "Infinity", "NaN"}) {
      if (text.compare(i, word.size(), word) == 0) {
        text.replace(i, word.size(),
                     "null" + std::string(word.size() > 4 ? word.size() - 4 : 0, ' '));
      }
    }
  }
  return text;
}

}  // namespace

Result<GoldenDirectory> OpenGolden(const std::string& path) {
  GoldenDirectory out;
  out.path = path;
  MALMOI_TRY(auto text, os::ReadFile(os::PosixVfs(), os::JoinPath(path, "manifest.json")));
  MALMOI_TRY(out.manifest, json::Parse(WithoutNonFinite(std::move(text))).With("manifest.json"));
  MALMOI_TRY(out.problem, tensor::SafeTensors::Open(os::JoinPath(path, "problem.safetensors")));
  out.steps = out.manifest.GetInt("steps", 0);
  if (out.steps < 1 || out.steps > 100'000) {
    return Error(Code::kCorruption, "manifest.json: steps = " + std::to_string(out.steps));
  }
  if (const json::Value* steps = out.manifest.Find("f64_steps")) {
    for (const json::Value& s : steps->items()) out.f64_steps.push_back(s.AsInt().value_or(0));
  }
  return out;
}

Result<std::vector<SeriesResult>> CheckGolden(
    const CheckOptions& options, const std::function<void(const SeriesResult&)>& line) {
  MALMOI_TRY(const auto directory, OpenGolden(options.directory));
  const json::Value* optimizers = directory.manifest.Find("optimizers");
  if (optimizers == nullptr || !optimizers->is_object()) {
    return Error(Code::kCorruption, "manifest.json has no optimizers");
  }
  std::vector<SeriesResult> results;
  TensorFile dump;
  for (const auto& [name, entry] : optimizers->members()) {
    if (!options.only.empty() &&
        std::find(options.only.begin(), options.only.end(), name) == options.only.end()) {
      continue;
    }
    std::shared_ptr<const tensor::SafeTensors> golden;
    auto opened =
        tensor::SafeTensors::Open(os::JoinPath(directory.path, "opt/" + name + ".safetensors"));
    if (opened.ok()) golden = std::move(opened).value();
    const json::Value* variants = entry.Find("variants");
    if (variants == nullptr) continue;
    for (const auto& [variant_name, variant] : variants->members()) {
      if (variant.Find("same_as") != nullptr) continue;
      for (const char* dtype : {"f32", "f64", "bf16"}) {
        if (std::strcmp(dtype, "f32") != 0 && !variant.GetBool(dtype, false)) continue;
        SeriesResult result;
        result.optimizer = name, result.variant = variant_name, result.dtype = dtype;
        const Series series{name, entry, variant, dtype, options.threads, variant_name};
        SeriesComparison comparison(directory, series, golden.get());
        const auto status = Replay(directory, series, [&](const Snapshot& s) {
          if (!options.dump.empty()) {
            dump.Add(name + "/" + variant_name + "/" + dtype + "/" + s.label + "/" + s.parameter,
                     StorageName(s.storage), s.shape, s.bytes);
          }
          comparison.Add(s);
        });
        if (!status.ok()) {
          const Code code = status.error().code();
          const bool missing = code == Code::kNotFound || code == Code::kUnsupported;
          result.state = missing ? SeriesResult::State::kMissing : SeriesResult::State::kError;
          result.where = status.error().message();
        } else {
          comparison.Finish(&result);
        }
        line(result);
        results.push_back(std::move(result));
      }
    }
  }
  if (!options.dump.empty()) MALMOI_TRY(dump.Write(options.dump));
  return results;
}

}  // namespace malmoi::optim
