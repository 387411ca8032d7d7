#include "optim/check/golden.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "optim/check/replay_internal.h"
#include "optim/storage.h"
#include "optim/tensor_file.h"
#include "os/vfs.h"

namespace malmoi::optim {
namespace {

constexpr double kFloor = 1e-6;    // Of |p|: what f32 can be asked for.
constexpr double kCeiling = 1e-4;  // No series may be further off, whatever its conditioning.
// The reference keeps norms, step counts and learned rates in f32 whatever the parameters are.
constexpr double kF64 = 1e-6;
// A bf16 has 8 bits; the reference rounds after every operation, the engine once a step.
constexpr double kBf16 = 1e-1;

double At(const std::string& bytes, Storage storage, std::size_t i) {
  if (storage == Storage::kF64) {
    double v;
    std::memcpy(&v, bytes.data() + 8 * i, 8);
    return v;
  }
  float v = 0;
  if (storage == Storage::kBf16) {
    std::uint16_t b;
    std::memcpy(&b, bytes.data() + 2 * i, 2);
    FromBf16(&b, &v, 1);
  } else {
    std::memcpy(&v, bytes.data() + 4 * i, 4);
  }
  return static_cast<double>(v);
}

double Tolerance(const json::Value& variant, const std::string& dtype, const std::string& name) {
  if (dtype == "f64") return kF64;
  if (dtype == "bf16") return kBf16;
  const json::Value* table = variant.Find("f32_vs_f64_rel_param");
  const double measured = table == nullptr ? 0 : table->GetDouble(name, 0);
  return std::min(std::max(10 * measured, kFloor), kCeiling);
}

void Compare(const Snapshot& ours, const tensor::SafeTensors& golden, const std::string& key,
             double tolerance, SeriesResult* result) {
  const tensor::TensorView* theirs = golden.Find(key);
  if (theirs == nullptr || theirs->bytes.size() != ours.bytes.size()) return;
  result->compared = true;
  const std::string reference(theirs->bytes);
  const std::size_t n = ours.bytes.size() / StorageBytes(ours.storage, 1);
  double difference = 0, size = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const double a = At(ours.bytes, ours.storage, i);
    const double b = At(reference, ours.storage, i);
    if (std::isnan(a) && std::isnan(b)) continue;
    const double d = a == b ? 0 : std::fabs(a - b);
    if (!(d <= difference)) difference = d;
    if (std::fabs(b) > size) size = std::fabs(b);
  }
  const double relative = difference / std::max(size, 1e-12);
  const bool worse = !(relative / tolerance <= result->worst / std::max(result->tolerance, 1e-300));
  if (worse || result->tolerance == 0) {
    result->worst = relative;
    result->tolerance = tolerance;
    result->where = key;
  }
}

}  // namespace

Result<GoldenDirectory> OpenGolden(const std::string& path) {
  GoldenDirectory out;
  out.path = path;
  MALMOI_TRY(const auto text, os::ReadFile(os::PosixVfs(), os::JoinPath(path, "manifest.json")));
  MALMOI_TRY(out.manifest, json::Parse(text).With("manifest.json"));
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
        const auto sink = [&](const Snapshot& s) {
          const std::string key = variant_name + "/" + dtype + "/" + s.label + "/" + s.parameter;
          if (!options.dump.empty()) {
            dump.Add(name + "/" + key, StorageName(s.storage), s.shape, s.bytes);
          }
          if (golden != nullptr) {
            Compare(s, *golden, key, Tolerance(variant, dtype, s.parameter), &result);
          }
        };
        const auto status = Replay(directory, {name, entry, variant, dtype, options.threads}, sink);
        if (!status.ok()) {
          const Code code = status.error().code();
          const bool missing = code == Code::kNotFound || code == Code::kUnsupported;
          result.state = missing ? SeriesResult::State::kMissing : SeriesResult::State::kError;
          result.where = status.error().message();
        } else if (result.compared && !(result.worst <= result.tolerance)) {
          result.state = SeriesResult::State::kFailed;
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
