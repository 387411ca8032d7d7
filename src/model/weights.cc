#include <algorithm>
#include <cmath>

#include "model/weights_internal.h"
#include "os/vfs.h"
#include "tensor/torch_file.h"

namespace malmoi::model {
namespace {

std::int64_t Size(std::size_t n) {
  return static_cast<std::int64_t>(n);
}

template <class T>
Result<T> Corrupt(Result<T> result) {
  if (result.ok()) return result;
  return Error(Code::kCorruption, result.error().message());
}

Status CheckFinite(const std::string& name, std::span<const float> values) {
  // 0, or NaN once one is not finite; several sums, since one would wait for itself.
  constexpr std::size_t kSums = 8;
  float sums[kSums] = {};
  const std::size_t whole = values.size() / kSums * kSums;
  for (std::size_t i = 0; i < whole; i += kSums) {
    for (std::size_t j = 0; j < kSums; ++j) sums[j] += values[i + j] * 0.0f;
  }
  for (std::size_t i = whole; i < values.size(); ++i) sums[0] += values[i] * 0.0f;
  if (std::all_of(sums, sums + kSums, [](float sum) { return sum == 0; })) return Ok();
  return Error(Code::kCorruption, "tensor '" + name +
                                      "' has values that are no finite numbers: the file is "
                                      "damaged, or was saved from a training that diverged");
}

}  // namespace

Result<std::shared_ptr<const tensor::SafeTensors>> OpenWeights(const std::string& folder) {
  auto file = tensor::SafeTensors::Open(folder);
  if (file.ok() || file.error().code() != Code::kNotFound) return file;
  const std::string old = os::JoinPath(folder, "pytorch_model.bin");
  if (!os::PosixVfs().Stat(old).ok()) return file;
  return tensor::OpenTorch(old);
}

void WeightReader::ChoosePrefix(const std::vector<std::string>& prefixes, const std::string& name) {
  const auto found = std::find_if(prefixes.begin(), prefixes.end(), [&](const std::string& p) {
    return file_->Find(p + name) != nullptr;
  });
  prefix_ = found == prefixes.end() ? prefixes.front() : *found;
}

WeightReader WeightReader::At(const std::string& prefix) const {
  WeightReader out(file_);
  out.prefix_ = prefix;
  return out;
}

Result<const tensor::TensorView*> WeightReader::Find(const std::string& name,
                                                     const std::vector<std::int64_t>& shape) const {
  return Corrupt(tensor::FindFloating(*file_, prefix_ + name, shape));
}

Result<Buffer<float>> WeightReader::Load(const std::string& name,
                                         const std::vector<std::int64_t>& shape) const {
  MALMOI_TRY(auto out, Corrupt(tensor::LoadF32(*file_, prefix_ + name, shape)));
  MALMOI_TRY(CheckFinite(prefix_ + name, out.span()));
  return out;
}

Result<Norm> WeightReader::LayerNorm(const std::string& name, std::size_t dim, float eps) const {
  const bool old = Has(name + ".gamma");
  Norm norm{.kind = NormKind::kLayer, .eps = eps, .gamma = {}, .beta = Buffer<float>(dim)};
  MALMOI_TRY(norm.gamma, Load(name + (old ? ".gamma" : ".weight"), {Size(dim)}));
  const std::string bias = name + (old ? ".beta" : ".bias");
  if (Has(bias)) {
    MALMOI_TRY(norm.beta, Load(bias, {Size(dim)}));
  }
  return norm;
}

Result<Norm> WeightReader::RmsNorm(const std::string& name, std::size_t dim, float eps,
                                   float offset) const {
  Norm norm{.kind = NormKind::kRms, .eps = eps, .gamma = {}, .beta = {}};
  MALMOI_TRY(norm.gamma, Load(name + ".weight", {Size(dim)}));
  for (float& g : norm.gamma.span()) g += offset;
  return norm;
}

Result<Linear> WeightReader::Stacked(const std::vector<Part>& parts, std::size_t k,
                                     kernels::Precision precision,
                                     const InputSamples& inputs) const {
  std::size_t n = 0;
  for (const Part& part : parts) n += part.rows;
  Buffer<float> w(n * k);
  Buffer<float> b(n);
  std::size_t row = 0;
  for (const Part& part : parts) {
    const std::span<float> to = w.span().subspan(row * k, part.rows * k);
    const std::size_t whole = part.whole == 0 ? part.rows : part.whole;
    MALMOI_TRY(const tensor::TensorView* view, Find(part.name + ".weight", {Size(whole), Size(k)}));
    tensor::WidenF32(*view, part.first * k, to);
    MALMOI_TRY(CheckFinite(prefix_ + part.name + ".weight", to));
    if (Has(part.name + ".bias")) {
      MALMOI_TRY(const auto bias, Load(part.name + ".bias", {Size(whole)}));
      std::copy_n(bias.data() + part.first, part.rows, b.data() + row);
    }
    row += part.rows;
  }
  if (precision == kernels::Precision::kInt8 && !inputs.empty()) {
    Buffer<float> factors = Smooth(inputs, w.span(), n, k);
    RoundForMeans(inputs, factors, w.span(), n, k);
    return Linear(w.span(), n, k, b.span(), std::move(factors));
  }
  return Linear(w.span(), n, k, b.span(), precision);
}

Result<Linear> WeightReader::Down(const std::string& name, std::size_t n, std::size_t k,
                                  const InputSamples& inputs) const {
  if (precision_ != kernels::Precision::kInt8) return One(name, n, k);
  MALMOI_TRY(auto w, Load(name + ".weight", {Size(n), Size(k)}));
  Buffer<float> b(n);
  if (Has(name + ".bias")) {
    MALMOI_TRY(b, Load(name + ".bias", {Size(n)}));
  }
  return Linear::WithWideInputs(w.span(), n, k, b.span(), inputs);
}

Result<Linear> WeightReader::Swapped(const std::string& name, std::size_t rows,
                                     std::size_t k) const {
  MALMOI_TRY(auto w, Load(name + ".weight", {Size(2 * rows), Size(k)}));
  std::swap_ranges(w.data(), w.data() + rows * k, w.data() + rows * k);
  Buffer<float> b(2 * rows);
  if (Has(name + ".bias")) {
    MALMOI_TRY(b, Load(name + ".bias", {Size(2 * rows)}));
    std::swap_ranges(b.data(), b.data() + rows, b.data() + rows);
  }
  return Linear(w.span(), 2 * rows, k, b.span(), precision_);
}

Result<Linear> WeightReader::Named(const std::string& weight, const std::string& bias,
                                   std::size_t n, std::size_t k) const {
  MALMOI_TRY(const auto w, Load(weight, {Size(n), Size(k)}));
  if (!Has(bias)) return Linear(w.span(), n, k, {});
  MALMOI_TRY(const auto b, Load(bias, {Size(n)}));
  return Linear(w.span(), n, k, b.span());
}

}  // namespace malmoi::model
