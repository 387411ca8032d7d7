// NomicBERT (Nussbaum et al. 2024, arXiv:2402.01613): BERT with rotary positions, gated
// feed-forward parts and no biases. Its own checkpoints and transformers name tensors and fields
// differently.
#include <algorithm>

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
    r.ChoosePrefix({"", "nomic_bert.", "bert.", "model."}, "embeddings.word_embeddings.weight");
    InputEmbedding& input = out_.stack.input;
    input.width = out_.stack.hidden;
    MALMOI_TRY(input.words, r.Find("embeddings.word_embeddings.weight", {c.vocabulary, c.hidden}));
    if (c.type_vocabulary > 0) {
      MALMOI_TRY(input.types,
                 r.Load("embeddings.token_type_embeddings.weight", {c.type_vocabulary, c.hidden}));
    }
    MALMOI_TRY(input.norm, Norm(r.Has("emb_ln.weight") ? "emb_ln" : "embeddings.LayerNorm"));
    const bool own = r.Has("encoder.layers.0.norm1.weight");
    MALMOI_TRY(out_.stack.layers, LoadLayers(c.layers, [&](std::int64_t i) {
                 const std::int64_t following = c.layers - 1 - i;
                 return own ? OwnLayer("encoder.layers." + std::to_string(i) + ".", following)
                            : LoadLayer(GatedNames("layers." + std::to_string(i) + ".", following));
               }));
    MALMOI_TRY(LoadHeads());
    return std::move(out_);
  }

 private:
  Status ReadConfig() {
    EncoderConfig& c = out_.config;
    c.family = "nomic_bert";
    ReadSizes(&config_, &c);
    c.positions = config_.Size({"max_position_embeddings", "n_positions"}, 2048);
    c.type_vocabulary = config_.json().GetInt("type_vocab_size", 2);
    config_.Check(c.type_vocabulary >= 0 && c.type_vocabulary <= 1 << 20, "type_vocab_size");
    c.layer_norm_eps = config_.Eps({"layer_norm_eps", "layer_norm_epsilon"}, 1e-12);
    c.max_tokens = static_cast<std::size_t>(c.positions);
    // Beyond the trained positions its own code stretches the rotation by the text's length.
    const std::int64_t trained = config_.json().GetInt("max_trained_positions", c.positions);
    if (config_.Find({"rotary_scaling_factor"}) != nullptr && trained > 0) {
      c.max_tokens = std::min(c.max_tokens, static_cast<std::size_t>(trained));
    }
    config_.Refuse(config_.Flag("prenorm", false), "prenorm true");
    config_.Refuse(config_.Flag("use_rms_norm", false), "use_rms_norm true");
    config_.Refuse(config_.Flag("parallel_block", false), "parallel_block true");
    config_.Refuse(config_.Flag("rotary_emb_interleaved", false), "rotary_emb_interleaved true");
    config_.Refuse(config_.json().GetInt("num_experts", 0) > 0 ||
                       config_.json().GetInt("moe_every_n_layers", 0) > 0,
                   "moe_every_n_layers (a mixture of experts)");
    const double fraction = config_.json().GetDouble("rotary_emb_fraction", 1);
    config_.Refuse(fraction != 1, "rotary_emb_fraction " + std::to_string(fraction));
    config_.Refuse(config_.json().GetInt("head_dim", c.hidden / c.heads) != c.hidden / c.heads,
                   "head_dim that is not hidden_size / num_attention_heads");
    MALMOI_TRY(config_.status());
    UseSizes(c, &out_.stack);
    out_.stack.gated = true;
    MALMOI_TRY(ReadActivation());
    const json::Value* scaling = config_.Find({"rope_parameters", "rope_scaling"});
    MALMOI_TRY(
        auto rope,
        ReadRope(scaling, {.theta = config_.json().GetDouble(
                               "rotary_emb_base", config_.json().GetDouble("rope_theta", 1000)),
                           .head_dim = out_.stack.head_dim,
                           .positions = c.max_tokens}));
    out_.stack.ropes.push_back(std::move(rope));
    return Ok();
  }

  // "swiglu", "geglu" and "glu" are gated forms of silu, gelu and sigmoid; in transformers
  // hidden_act names the activation and the gate is always there.
  Status ReadActivation() {
    std::string name(config_.Text({"hidden_act", "activation_function"}, "silu"));
    if (config_.Find({"hidden_act"}) == nullptr) {
      const bool gated = name == "swiglu" || name == "geglu" || name == "glu";
      if (name == "swiglu") name = "silu";
      if (name == "geglu") name = "gelu";
      if (name == "glu") name = "sigmoid";
      out_.stack.gated = gated;
    }
    MALMOI_TRY(out_.stack.activation, ActivationByName(name, "config.json: activation_function"));
    return Ok();
  }

  Result<model::Norm> Norm(const std::string& name) const {
    return source_.reader.LayerNorm(name, out_.stack.hidden, out_.config.layer_norm_eps);
  }

  Result<Layer> OwnLayer(const std::string& name, std::int64_t following) const {
    LayerNames names{.qkv = {name + "attn.Wqkv"},
                     .out = name + "attn.out_proj",
                     .attention_norm = name + "norm1",
                     .up = {name + "mlp.fc1"},
                     .down = name + "mlp.fc2",
                     .feed_norm = name + "norm2",
                     .following = following};
    if (out_.stack.gated) names.up = {name + "mlp.fc12", name + "mlp.fc11"};
    return LoadLayer(names);
  }

  Result<Layer> LoadLayer(const LayerNames& names) const {
    MALMOI_TRY(auto layer,
               LoadPostNormLayer(source_.reader, out_.stack, out_.config.layer_norm_eps, names));
    layer.attention.rope = 0;
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
      const std::string name = "cls.predictions.";
      const std::string norm = name + "transform.layer_norm";
      head.activation = out_.stack.activation;
      MALMOI_TRY(head.dense, top.One(name + "transform.dense", h, h));
      MALMOI_TRY(head.norm,
                 top.LayerNorm(top.Has(norm + ".weight") ? norm : name + "transform.LayerNorm", h,
                               out_.config.layer_norm_eps));
      MALMOI_TRY(head.decoder, LoadDecoderLayer(top, source_.reader,
                                                {name + "decoder", name + "bias",
                                                 "embeddings.word_embeddings.weight"},
                                                out_.config));
    }
    return Ok();
  }

  FamilySource source_;
  ConfigReader config_;
  FamilyModel out_;
};

}  // namespace

Result<FamilyModel> LoadNomicBert(FamilySource source) {
  return Loader(std::move(source)).Load();
}

}  // namespace malmoi::model
