#include <algorithm>
#include <atomic>
#include <cmath>
#include <iterator>
#include <optional>

#include "model/family_internal.h"
#include "os/cpu_info.h"
#include "os/thread_pool.h"

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

Result<std::vector<Layer>> LoadLayers(std::int64_t count,
                                      const std::function<Result<Layer>(std::int64_t)>& load) {
  const auto layers = static_cast<std::size_t>(count);
  std::vector<std::optional<Result<Layer>>> loaded(layers);
  std::atomic<std::size_t> next{0};
  std::atomic<bool> failed{false};
  const auto work = [&](std::size_t, std::size_t, std::size_t) {
    while (!failed) {  // Whatever is taken is loaded: all layers before one that failed are.
      const std::size_t i = next++;
      if (i >= layers) return;
      loaded[i] = load(static_cast<std::int64_t>(i));
      if (!loaded[i]->ok()) failed = true;
    }
  };
  // Each thread holds a matrix of a layer in f32 while it packs it.
  constexpr std::size_t kMostThreads = 8;
  const std::size_t threads = std::min<std::size_t>({os::UsableCores(), layers, kMostThreads});
  os::ThreadPool pool(std::max<std::size_t>(threads, 1), "load");
  pool.ParallelFor(pool.threads(), work);
  std::vector<Layer> out;
  for (auto& layer : loaded) {
    if (!layer->ok()) return std::move(layer->error());
    out.push_back(std::move(*layer).value());
  }
  return out;
}

LayerNames GatedNames(const std::string& layer, std::int64_t following) {
  const std::string self = layer + "self_attn.", mlp = layer + "mlp.";
  return {.qkv = {self + "q_proj", self + "k_proj", self + "v_proj"},
          .out = self + "o_proj",
          .attention_norm = layer + "post_attention_layernorm",
          .up = {mlp + "gate_proj", mlp + "up_proj"},
          .down = mlp + "down_proj",
          .feed_norm = layer + "post_mlp_layernorm",
          .following = following};
}

constexpr std::int64_t kLayersOfFineValues = 5;

Status LoadQkv(const WeightReader& reader, const LayerNames& layer, std::size_t h,
               const InputSamples& inputs, AttentionLayer* to) {
  const std::vector<std::string>& names = layer.qkv;
  const bool stacked = names.size() == 1;
  std::vector<WeightReader::Part> parts;
  if (stacked) {
    parts.push_back({.name = names[0], .rows = 2 * h, .whole = 3 * h});
  } else {
    parts = {{.name = names[0], .rows = h}, {.name = names[1], .rows = h}};
  }
  WeightReader::Part value{.name = names.back(), .rows = h};
  if (stacked) value = {.name = names[0], .rows = h, .first = 2 * h, .whole = 3 * h};
  if (reader.precision() == kernels::Precision::kInt8 && inputs.empty() &&
      layer.following < kLayersOfFineValues) {
    MALMOI_TRY(to->value, reader.Stacked({value}, h, kernels::Precision::kBfloat16));
  } else {
    parts.push_back(value);
  }
  MALMOI_TRY(to->qkv, reader.Stacked(parts, h, reader.precision(), inputs));
  return Ok();
}

Result<Layer> LoadPostNormLayer(const WeightReader& reader, const Stack& stack, float eps,
                                const LayerNames& names) {
  const std::size_t h = stack.hidden;
  std::vector<WeightReader::Part> up;
  for (const std::string& name : names.up) up.push_back({name, stack.width});
  const LayerInputs none;
  const LayerInputs& inputs = names.inputs == nullptr ? none : *names.inputs;
  const kernels::Precision precision = reader.precision();
  Layer layer;
  MALMOI_TRY(LoadQkv(reader, names, h, inputs.qkv, &layer.attention));
  MALMOI_TRY(layer.attention.out, reader.Stacked({{names.out, h}}, h, precision, inputs.out));
  MALMOI_TRY(layer.attention.result, reader.LayerNorm(names.attention_norm, h, eps));
  MALMOI_TRY(layer.feed.up, reader.Stacked(up, h, precision, inputs.up));
  MALMOI_TRY(layer.feed.down, reader.Down(names.down, h, stack.width, inputs.down));
  MALMOI_TRY(layer.feed.result, reader.LayerNorm(names.feed_norm, h, eps));
  return layer;
}

Result<ClassifierHead> LoadClassifierHead(const WeightReader& dense, const WeightReader& out,
                                          const ClassifierNames& names, std::size_t hidden,
                                          Activation activation) {
  ClassifierHead head;
  head.activation = activation;
  MALMOI_TRY(head.dense, dense.One(names.dense, hidden, hidden));
  MALMOI_TRY(const std::size_t labels, OutputRows(out, names.out));
  MALMOI_TRY(head.out, out.One(names.out, labels, hidden));
  return head;
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
