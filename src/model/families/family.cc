#include <algorithm>
#include <cmath>
#include <iterator>

#include "model/family_internal.h"

namespace malmoi::model {
namespace {

struct Family {
  std::string_view type;
  Result<FamilyModel> (*load)(FamilySource);
};
constexpr Family kFamilies[] = {
    {"bert", LoadBert},
    {"roberta", LoadBert},
    {"xlm-roberta", LoadBert},
    {"camembert", LoadBert},
    {"distilbert", LoadDistilBert},
    {"mpnet", LoadMpnet},
    {"modernbert", LoadModernBert},
    {"nomic_bert", LoadNomicBert},
    {"deberta-v2", LoadDeberta},
    {"new", LoadGte},
    {"gte", LoadGte},
    {"qwen3", LoadDecoder},
    {"qwen2", LoadDecoder},
    {"llama", LoadDecoder},
    {"mistral", LoadDecoder},
    {"gemma3_text", LoadDecoder},
    {"electra", LoadBert},
};

}  // namespace

Status CheckFamily(const json::Value& config) {
  const std::string type(config.GetString("model_type"));
  std::string known;
  for (const Family& family : kFamilies) {
    if (family.type == type) return Ok();
    known += (known.empty() ? "" : ", ") + std::string(family.type);
  }
  return Error(Code::kUnsupported, "config.json: model_type '" + type + "' is none of " + known);
}

Result<FamilyModel> LoadFamily(FamilySource source) {
  MALMOI_TRY(CheckFamily(source.config));
  const std::string_view type = source.config.GetString("model_type");
  const auto* family = std::find_if(std::begin(kFamilies), std::end(kFamilies),
                                    [&](const Family& f) { return f.type == type; });
  return family->load(std::move(source));
}

void UseSizes(const EncoderConfig& config, Stack* stack) {
  stack->hidden = static_cast<std::size_t>(config.hidden);
  stack->heads = static_cast<std::size_t>(config.heads);
  stack->kv_heads = stack->heads;
  stack->head_dim = stack->hidden / stack->heads;
  stack->scale = 1.0f / std::sqrt(static_cast<float>(stack->head_dim));
  stack->width = static_cast<std::size_t>(config.intermediate);
}

Result<Linear> LoadDecoderLayer(const WeightReader& top, const WeightReader& base,
                                const TiedDecoder& names, const EncoderConfig& config) {
  const bool own = top.Has(names.name + ".weight");
  MALMOI_TRY(const auto words, (own ? top : base)
                                   .Load(own ? names.name + ".weight" : names.words,
                                         {config.vocabulary, config.hidden}));
  const std::string bias = top.Has(names.name + ".bias") ? names.name + ".bias" : names.bias;
  Buffer<float> b;
  if (!bias.empty() && top.Has(bias)) {
    MALMOI_TRY(b, top.Load(bias, {config.vocabulary}));
  }
  return Linear(words.span(), static_cast<std::size_t>(config.vocabulary),
                static_cast<std::size_t>(config.hidden), b.span());
}

Result<std::size_t> OutputRows(const WeightReader& reader, const std::string& name) {
  const tensor::TensorView* view = reader.file()->Find(name + ".weight");
  constexpr std::int64_t kLabelsMax = 1 << 16;
  if (view != nullptr && view->shape.size() == 2 && view->shape[0] >= 1 &&
      view->shape[0] <= kLabelsMax) {
    return static_cast<std::size_t>(view->shape[0]);
  }
  return Error(Code::kCorruption,
               "tensor '" + name + ".weight' is not in the weights or has no row for a label");
}

}  // namespace malmoi::model
