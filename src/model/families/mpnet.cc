// MPNet (Song et al. 2020, arXiv:2004.09297): BERT with RoBERTa's positions, no types, and a bias
// of each head for the bucket of the distance between query and key (T5's buckets).
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <memory>

#include "model/family_internal.h"

namespace malmoi::model {
namespace {

constexpr std::int64_t kBuckets = 32;  // Fixed in the reference, whatever the configuration says.
constexpr float kDistanceMax = 128;

// distance = key - query. In f32, as the reference: a bucket's border must fall on the same side.
std::int64_t Bucket(std::int64_t distance) {
  constexpr std::int64_t half = kBuckets / 2;
  constexpr std::int64_t exact = half / 2;
  const std::int64_t side = distance > 0 ? half : 0;
  const std::int64_t n = std::abs(distance);
  if (n < exact) return side + n;
  const float part = std::log(static_cast<float>(n) / static_cast<float>(exact)) /
                     static_cast<float>(std::log(kDistanceMax / static_cast<double>(exact))) *
                     static_cast<float>(half - exact);
  return side + std::min<std::int64_t>(exact + static_cast<std::int64_t>(part), half - 1);
}

LayerNames NamesOf(const std::string& layer, std::int64_t following) {
  const std::string self = layer + "attention.attn.";
  return {.qkv = {self + "q", self + "k", self + "v"},
          .out = self + "o",
          .attention_norm = layer + "attention.LayerNorm",
          .up = {layer + "intermediate.dense"},
          .down = layer + "output.dense",
          .feed_norm = layer + "output.LayerNorm",
          .following = following};
}

Status LoadHeads(const WeightReader& base, Task task, FamilyModel* out) {
  const WeightReader top = base.At("");
  const std::size_t h = out->stack.hidden;
  if (task == Task::kClassification || task == Task::kReranker) {
    MALMOI_TRY(out->classifier,
               LoadClassifierHead(top, top, {"classifier.dense", "classifier.out_proj"}, h,
                                  Activation::kTanh));
  }
  if (task == Task::kSparse) {
    VocabularyHead& head = out->vocabulary_head;
    head.activation = Activation::kGelu;
    MALMOI_TRY(head.dense, top.One("lm_head.dense", h, h));
    MALMOI_TRY(head.norm, top.LayerNorm("lm_head.layer_norm", h, out->config.layer_norm_eps));
    MALMOI_TRY(head.decoder, LoadDecoderLayer(top, base,
                                              {"lm_head.decoder", "lm_head.bias",
                                               "embeddings.word_embeddings.weight"},
                                              out->config));
  }
  return Ok();
}

}  // namespace

Result<FamilyModel> LoadMpnet(FamilySource source) {
  ConfigReader config(source.config);
  FamilyModel out;
  EncoderConfig& c = out.config;
  c.family = "mpnet";
  ReadSizes(&config, &c);
  c.positions = config.Size({"max_position_embeddings"}, 512);
  c.layer_norm_eps = config.Eps({"layer_norm_eps"}, 1e-12);
  const std::int64_t buckets = config.Size({"relative_attention_num_buckets"}, kBuckets);
  config.Check(buckets >= kBuckets, "relative_attention_num_buckets is below 32");
  c.padding_id = 1;  // Fixed in the reference.
  c.position_offset = 2;
  config.Check(c.positions > 2, "max_position_embeddings leaves no position for a token");
  MALMOI_TRY(config.status());
  MALMOI_TRY(out.stack.activation,
             ActivationByName(config.Text({"hidden_act"}, "gelu"), "config.json: hidden_act"));
  c.max_tokens = static_cast<std::size_t>(c.positions - c.position_offset);
  UseSizes(c, &out.stack);

  WeightReader& r = source.reader;
  r.ChoosePrefix({"", "mpnet."}, "embeddings.word_embeddings.weight");
  InputEmbedding& input = out.stack.input;
  input.width = out.stack.hidden;
  input.position_offset = c.position_offset;
  input.padding_id = c.padding_id;
  MALMOI_TRY(input.words, r.Find("embeddings.word_embeddings.weight", {c.vocabulary, c.hidden}));
  MALMOI_TRY(input.positions,
             r.Load("embeddings.position_embeddings.weight", {c.positions, c.hidden}));
  MALMOI_TRY(input.norm, r.LayerNorm("embeddings.LayerNorm", input.width, c.layer_norm_eps));
  MALMOI_TRY(auto table, r.Load("encoder.relative_attention_bias.weight", {buckets, c.heads}));
  const auto bias = std::make_shared<const Buffer<float>>(std::move(table));
  const std::size_t heads = out.stack.heads;
  out.stack.distance_bias = [bias, heads](std::size_t head, std::int64_t distance) {
    return (*bias)[static_cast<std::size_t>(Bucket(distance)) * heads + head];
  };
  MALMOI_TRY(out.stack.layers, LoadLayers(c.layers, [&](std::int64_t i) {
               return LoadPostNormLayer(
                   r, out.stack, c.layer_norm_eps,
                   NamesOf("encoder.layer." + std::to_string(i) + ".", c.layers - 1 - i));
             }));
  MALMOI_TRY(LoadHeads(r, source.task, &out));
  return out;
}

}  // namespace malmoi::model
