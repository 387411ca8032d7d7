// DistilBERT (Sanh et al. 2019, arXiv:1910.01108): BERT without types, under other names.
#include "model/family_internal.h"

namespace malmoi::model {
namespace {

constexpr float kEps = 1e-12f;  // Fixed in the reference.

LayerNames NamesOf(const std::string& layer, std::int64_t following) {
  const std::string self = layer + "attention.";
  return {.qkv = {self + "q_lin", self + "k_lin", self + "v_lin"},
          .out = self + "out_lin",
          .attention_norm = layer + "sa_layer_norm",
          .up = {layer + "ffn.lin1"},
          .down = layer + "ffn.lin2",
          .feed_norm = layer + "output_layer_norm",
          .following = following};
}

Status LoadHeads(const WeightReader& base, Task task, FamilyModel* out) {
  const WeightReader top = base.At("");
  const std::size_t h = out->stack.hidden;
  if (task == Task::kClassification || task == Task::kReranker) {
    MALMOI_TRY(out->classifier, LoadClassifierHead(top, top, {"pre_classifier", "classifier"}, h,
                                                   Activation::kRelu));
  }
  if (task == Task::kSparse) {
    VocabularyHead& head = out->vocabulary_head;
    head.activation = out->stack.activation;
    MALMOI_TRY(head.dense, top.One("vocab_transform", h, h));
    MALMOI_TRY(head.norm, top.LayerNorm("vocab_layer_norm", h, kEps));
    MALMOI_TRY(
        head.decoder,
        LoadDecoderLayer(top, base, {"vocab_projector", "", "embeddings.word_embeddings.weight"},
                         out->config));
  }
  return Ok();
}

}  // namespace

Result<FamilyModel> LoadDistilBert(FamilySource source) {
  ConfigReader config(source.config);
  FamilyModel out;
  EncoderConfig& c = out.config;
  c.family = "distilbert";
  ReadSizes(&config, &c);
  c.positions = config.Size({"max_position_embeddings"}, 512);
  c.layer_norm_eps = kEps;
  MALMOI_TRY(config.status());
  MALMOI_TRY(out.stack.activation,
             ActivationByName(config.Text({"activation"}, "gelu"), "config.json: activation"));
  c.max_tokens = static_cast<std::size_t>(c.positions);
  UseSizes(c, &out.stack);

  WeightReader& r = source.reader;
  r.ChoosePrefix({"", "distilbert."}, "embeddings.word_embeddings.weight");
  InputEmbedding& input = out.stack.input;
  input.width = out.stack.hidden;
  MALMOI_TRY(input.words, r.Find("embeddings.word_embeddings.weight", {c.vocabulary, c.hidden}));
  MALMOI_TRY(input.positions,
             r.Load("embeddings.position_embeddings.weight", {c.positions, c.hidden}));
  MALMOI_TRY(input.norm, r.LayerNorm("embeddings.LayerNorm", input.width, kEps));
  MALMOI_TRY(out.stack.layers, LoadLayers(c.layers, [&](std::int64_t i) {
               LayerNames names =
                   NamesOf("transformer.layer." + std::to_string(i) + ".", c.layers - 1 - i);
               names.inputs = source.InputsOf(i);
               return LoadPostNormLayer(r, out.stack, kEps, names);
             }));
  MALMOI_TRY(LoadHeads(r, source.task, &out));
  return out;
}

}  // namespace malmoi::model
