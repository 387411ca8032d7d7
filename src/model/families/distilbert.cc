// DistilBERT (Sanh et al. 2019, arXiv:1910.01108): BERT without types, under other names.
#include "model/family_internal.h"

namespace malmoi::model {
namespace {

constexpr float kEps = 1e-12f;  // Fixed in the reference.

Result<Layer> LoadLayer(const WeightReader& r, const Stack& stack, const std::string& name) {
  const std::size_t h = stack.hidden;
  const std::string self = name + "attention.";
  Layer layer;
  MALMOI_TRY(layer.attention.qkv,
             r.Stacked({{self + "q_lin", h}, {self + "k_lin", h}, {self + "v_lin", h}}, h));
  MALMOI_TRY(layer.attention.out, r.One(self + "out_lin", h, h));
  MALMOI_TRY(layer.attention.result, r.LayerNorm(name + "sa_layer_norm", h, kEps));
  MALMOI_TRY(layer.feed.up, r.One(name + "ffn.lin1", stack.width, h));
  MALMOI_TRY(layer.feed.down, r.One(name + "ffn.lin2", h, stack.width));
  MALMOI_TRY(layer.feed.result, r.LayerNorm(name + "output_layer_norm", h, kEps));
  return layer;
}

Status LoadHeads(const WeightReader& base, Task task, FamilyModel* out) {
  const WeightReader top = base.At("");
  const std::size_t h = out->stack.hidden;
  if (task == Task::kClassification || task == Task::kReranker) {
    out->classifier.activation = Activation::kRelu;
    MALMOI_TRY(out->classifier.dense, top.One("pre_classifier", h, h));
    MALMOI_TRY(const std::size_t labels, OutputRows(top, "classifier"));
    MALMOI_TRY(out->classifier.out, top.One("classifier", labels, h));
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
  for (std::int64_t i = 0; i < c.layers; ++i) {
    MALMOI_TRY(auto layer, LoadLayer(r, out.stack, "transformer.layer." + std::to_string(i) + "."));
    out.stack.layers.push_back(std::move(layer));
  }
  MALMOI_TRY(LoadHeads(r, source.task, &out));
  return out;
}

}  // namespace malmoi::model
