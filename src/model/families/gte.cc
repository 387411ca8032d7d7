// GTE ("new": Alibaba-NLP's own implementation; Zhang et al. 2024, arXiv:2407.19669): BERT with
// rotary positions and gated feed-forward parts. Its checkpoints pack query, key and value, and
// both halves of the gate; transformers' "gte" splits them.
#include "model/family_internal.h"

namespace malmoi::model {
namespace {

class Loader {
 public:
  explicit Loader(FamilySource source) : source_(std::move(source)), config_(source_.config) {}

  Result<FamilyModel> Load() {
    MALMOI_TRY(ReadConfig());
    const EncoderConfig& c = out_.config;
    WeightReader& r = source_.reader;
    r.ChoosePrefix({"", "new.", "gte.", "model."}, "embeddings.word_embeddings.weight");
    InputEmbedding& input = out_.stack.input;
    input.width = out_.stack.hidden;
    MALMOI_TRY(input.words, r.Find("embeddings.word_embeddings.weight", {c.vocabulary, c.hidden}));
    if (c.type_vocabulary > 0) {
      MALMOI_TRY(input.types,
                 r.Load("embeddings.token_type_embeddings.weight", {c.type_vocabulary, c.hidden}));
    }
    if (out_.stack.ropes.empty()) {
      MALMOI_TRY(input.positions,
                 r.Load("embeddings.position_embeddings.weight", {c.positions, c.hidden}));
    }
    MALMOI_TRY(input.norm, Norm("embeddings.LayerNorm"));
    const bool packed = r.Has("encoder.layer.0.mlp.up_gate_proj.weight");
    MALMOI_TRY(out_.stack.layers, LoadLayers(c.layers, [&](std::int64_t i) {
                 return packed ? OwnLayer("encoder.layer." + std::to_string(i) + ".")
                               : NamedLayer("layers." + std::to_string(i) + ".", c.layers - 1 - i);
               }));
    MALMOI_TRY(LoadHeads());
    return std::move(out_);
  }

 private:
  Status ReadConfig() {
    EncoderConfig& c = out_.config;
    c.family = "gte";
    ReadSizes(&config_, &c);
    c.positions = config_.Size({"max_position_embeddings"}, 8192);
    c.type_vocabulary = config_.json().GetInt("type_vocab_size", 1);
    config_.Check(c.type_vocabulary >= 0 && c.type_vocabulary <= 1 << 20, "type_vocab_size");
    c.layer_norm_eps = config_.Eps({"layer_norm_eps"}, 1e-12);
    c.max_tokens = static_cast<std::size_t>(c.positions);
    const std::string position(config_.Text({"position_embedding_type"}, "rope"));
    const std::string norm(config_.Text({"layer_norm_type"}, "layer_norm"));
    config_.Refuse(position != "rope" && position != "absolute",
                   "position_embedding_type '" + position + "'");
    config_.Refuse(norm != "layer_norm", "layer_norm_type '" + norm + "'");
    config_.Refuse(config_.Flag("logn_attention_scale", false), "logn_attention_scale true");
    MALMOI_TRY(config_.status());
    UseSizes(c, &out_.stack);
    out_.stack.gated = true;
    MALMOI_TRY(out_.stack.activation,
               ActivationByName(config_.Text({"hidden_act"}, "gelu"), "config.json: hidden_act"));
    if (position == "absolute") return Ok();
    const bool own = config_.Text({"model_type"}, "") == "new";
    MALMOI_TRY(auto rope,
               ReadRope(config_.Find({"rope_parameters", "rope_scaling"}),
                        {.theta = config_.json().GetDouble("rope_theta", own ? 10000 : 160000),
                         .head_dim = out_.stack.head_dim,
                         .positions = c.max_tokens}));
    out_.stack.ropes.push_back(std::move(rope));
    return Ok();
  }

  Result<model::Norm> Norm(const std::string& name) const {
    return source_.reader.LayerNorm(name, out_.stack.hidden, out_.config.layer_norm_eps);
  }
  Result<Layer> OwnLayer(const std::string& name) const {
    const WeightReader& r = source_.reader;
    const std::size_t h = out_.stack.hidden;
    const std::size_t w = out_.stack.width;
    Layer layer;
    layer.attention.rope = out_.stack.ropes.empty() ? -1 : 0;
    const std::string self = name + "attention.";
    if (r.Has(self + "qkv_proj.weight")) {
      MALMOI_TRY(layer.attention.qkv, r.One(self + "qkv_proj", 3 * h, h));
    } else {
      MALMOI_TRY(layer.attention.qkv,
                 r.Stacked({{self + "q_proj", h}, {self + "k_proj", h}, {self + "v_proj", h}}, h));
    }
    MALMOI_TRY(layer.attention.out, r.One(name + "attention.o_proj", h, h));
    MALMOI_TRY(layer.attention.result, Norm(name + "attn_ln"));
    MALMOI_TRY(layer.feed.up, r.Swapped(name + "mlp.up_gate_proj", w, h));
    MALMOI_TRY(layer.feed.down, r.Down(name + "mlp.down_proj", h, w));
    MALMOI_TRY(layer.feed.result, Norm(name + "mlp_ln"));
    return layer;
  }

  Result<Layer> NamedLayer(const std::string& name, std::int64_t following) const {
    MALMOI_TRY(auto layer, LoadPostNormLayer(source_.reader, out_.stack, out_.config.layer_norm_eps,
                                             GatedNames(name, following)));
    layer.attention.rope = out_.stack.ropes.empty() ? -1 : 0;
    return layer;
  }

  Status LoadHeads() {
    const WeightReader top = source_.reader.At("");
    const std::size_t h = out_.stack.hidden;
    if (source_.task == Task::kClassification || source_.task == Task::kReranker) {
      MALMOI_TRY(out_.classifier,
                 LoadClassifierHead(source_.reader, top, {"pooler.dense", "classifier"}, h,
                                    Activation::kTanh));
    }
    if (source_.task == Task::kSparse) {
      VocabularyHead& head = out_.vocabulary_head;
      head.activation = Activation::kGelu;
      MALMOI_TRY(head.dense, top.One("lm_head.dense", h, h));
      MALMOI_TRY(head.norm, top.LayerNorm(top.Has("lm_head.norm.weight") ? "lm_head.norm"
                                                                         : "lm_head.layer_norm",
                                          h, out_.config.layer_norm_eps));
      MALMOI_TRY(head.decoder,
                 LoadDecoderLayer(top, source_.reader,
                                  {"lm_head.decoder", "", "embeddings.word_embeddings.weight"},
                                  out_.config));
    }
    return Ok();
  }

  FamilySource source_;
  ConfigReader config_;
  FamilyModel out_;
};

}  // namespace

Result<FamilyModel> LoadGte(FamilySource source) {
  return Loader(std::move(source)).Load();
}

}  // namespace malmoi::model
