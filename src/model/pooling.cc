#include "model/pooling.h"

#include <algorithm>
#include <cmath>
#include <string>

namespace malmoi::model {
namespace {

struct Mode {
  std::string_view flag, name;
  Pooling value;
};
// In the order of concatenation.
constexpr Mode kModes[] = {
    {"pooling_mode_cls_token", "cls", Pooling::kCls},
    {"pooling_mode_max_tokens", "max", Pooling::kMax},
    {"pooling_mode_mean_tokens", "mean", Pooling::kMean},
    {"pooling_mode_mean_sqrt_len_tokens", "mean_sqrt_len_tokens", Pooling::kMeanSqrt},
    {"pooling_mode_weightedmean_tokens", "weightedmean", Pooling::kWeightedMean},
    {"pooling_mode_lasttoken", "lasttoken", Pooling::kLast}};

bool Named(const json::Value* mode, std::string_view name) {
  if (mode == nullptr) return false;
  if (mode->AsString() == name) return true;
  return std::any_of(mode->items().begin(), mode->items().end(),
                     [&](const json::Value& item) { return item.AsString() == name; });
}

void Sum(const float* x, std::size_t tokens, bool weighted, std::span<float> out) {
  const std::size_t dim = out.size();
  std::copy_n(x, dim, out.data());
  for (std::size_t t = 1; t < tokens; ++t) {
    const float* row = x + t * dim;
    const float weight = weighted ? static_cast<float>(t + 1) : 1.0f;
    for (std::size_t i = 0; i < dim; ++i) out[i] += row[i] * weight;
  }
}

}  // namespace

void Pool(Pooling pooling, const float* x, std::size_t tokens, std::span<float> out) {
  const std::size_t dim = out.size();
  const auto count = static_cast<float>(tokens);
  float divisor = 1;
  switch (pooling) {
    case Pooling::kCls:
      std::copy_n(x, dim, out.data());
      return;
    case Pooling::kLast:
      std::copy_n(x + (tokens - 1) * dim, dim, out.data());
      return;
    case Pooling::kMax:
      std::copy_n(x, dim, out.data());
      for (std::size_t t = 1; t < tokens; ++t) {
        for (std::size_t i = 0; i < dim; ++i) out[i] = std::max(out[i], x[t * dim + i]);
      }
      return;
    case Pooling::kMean:
      divisor = count;
      break;
    case Pooling::kMeanSqrt:
      divisor = std::sqrt(count);
      break;
    case Pooling::kWeightedMean:
      divisor = count * (count + 1) / 2;
      break;
  }
  Sum(x, tokens, pooling == Pooling::kWeightedMean, out);
  for (float& v : out) v /= divisor;
}

Result<std::vector<Pooling>> ReadPoolings(const json::Value& json) {
  const json::Value* mode = json.Find("pooling_mode");
  std::vector<Pooling> out;
  for (const Mode& m : kModes) {
    const bool flag = mode == nullptr && json.GetBool(m.flag);
    const bool alias = m.value == Pooling::kMeanSqrt && Named(mode, "mean_sqrt_len");
    if (flag || alias || Named(mode, m.name)) out.push_back(m.value);
  }
  if (!out.empty()) return out;
  return Error(Code::kUnsupported,
               "pooling is none of mean, cls, max, lasttoken, mean_sqrt_len and weightedmean: " +
                   json.Dump());
}

}  // namespace malmoi::model
