// ModernBERT (Warner et al. 2024, arXiv:2412.13663): rotary positions, layers that attend to all
// tokens or to a window in turns, gated feed-forward parts, norms before the parts.
#include "model/family_internal.h"

namespace malmoi::model {
namespace {

class Loader {
 public:
  explicit Loader(FamilySource source) : source_(std::move(source)), config_(source_.config) {}

  Result<FamilyModel> Load() {
    MALMOI_TRY(ReadConfig());
    Stack& stack = out_.stack;
    WeightReader& r = source_.reader;
    r.ChoosePrefix({"", "model."}, "embeddings.tok_embeddings.weight");
    const EncoderConfig& c = out_.config;
    stack.input.width = stack.hidden;
    MALMOI_TRY(stack.input.words,
               r.Find("embeddings.tok_embeddings.weight", {c.vocabulary, c.hidden}));
    MALMOI_TRY(stack.input.norm, Norm("embeddings.norm"));
    MALMOI_TRY(stack.layers, LoadLayers(c.layers, [&](std::int64_t i) { return LoadLayer(i); }));
    MALMOI_TRY(stack.final_norm, Norm("final_norm"));
    MALMOI_TRY(LoadHeads());
    return std::move(out_);
  }

 private:
  Status ReadConfig() {
    EncoderConfig& c = out_.config;
    c.family = "modernbert";
    ReadSizes(&config_, &c);
    c.positions = config_.Size({"max_position_embeddings"}, 8192);
    c.layer_norm_eps = config_.Eps({"norm_eps"}, 1e-5);
    c.max_tokens = static_cast<std::size_t>(c.positions);
    window_ = static_cast<std::size_t>(config_.Size({"local_attention"}, 128) / 2);
    every_ = config_.Size({"global_attn_every_n_layers"}, 3);
    const json::Value* types = config_.Find({"layer_types"});
    config_.Check(types == nullptr || types->items().size() == static_cast<std::size_t>(c.layers),
                  "layer_types does not have a type for each layer");
    MALMOI_TRY(config_.status());
    UseSizes(c, &out_.stack);
    out_.stack.gated = true;
    MALMOI_TRY(out_.stack.activation, ActivationByName(config_.Text({"hidden_activation"}, "gelu"),
                                                       "config.json: hidden_activation"));
    MALMOI_TRY(ReadRopes());
    return Ok();
  }

  // Rope 0 for layers that see all tokens, 1 for those with a window.
  Status ReadRopes() {
    const struct {
      const char* type;
      const char* old_field;
      double theta;
    } kinds[] = {{"full_attention", "global_rope_theta", 160000},
                 {"sliding_attention", "local_rope_theta", 10000}};
    const json::Value* all = config_.Find({"rope_parameters"});
    for (const auto& kind : kinds) {
      RopeSettings settings{.theta = config_.json().GetDouble(kind.old_field, kind.theta),
                            .head_dim = out_.stack.head_dim,
                            .positions = out_.config.max_tokens};
      const json::Value* own = all == nullptr ? nullptr : all->Find(kind.type);
      MALMOI_TRY(auto rope, ReadRope(own, settings));
      out_.stack.ropes.push_back(std::move(rope));
    }
    return Ok();
  }

  bool IsGlobal(std::int64_t layer) const {
    const json::Value* types = config_.Find({"layer_types"});
    if (types == nullptr) return layer % every_ == 0;
    return types->items()[static_cast<std::size_t>(layer)].AsString() == "full_attention";
  }

  Result<model::Norm> Norm(const std::string& name) const {
    return source_.reader.LayerNorm(name, out_.stack.hidden, out_.config.layer_norm_eps);
  }

  Result<Layer> LoadLayer(std::int64_t i) const {
    const WeightReader& r = source_.reader;
    const std::string name = "layers." + std::to_string(i) + ".";
    const std::size_t h = out_.stack.hidden;
    Layer layer;
    if (i > 0) {
      MALMOI_TRY(layer.attention.input, Norm(name + "attn_norm"));
    }
    MALMOI_TRY(layer.attention.qkv, r.One(name + "attn.Wqkv", 3 * h, h));
    MALMOI_TRY(layer.attention.out, r.One(name + "attn.Wo", h, h));
    layer.attention.rope = IsGlobal(i) ? 0 : 1;
    if (!IsGlobal(i)) layer.attention.before = layer.attention.after = window_;
    MALMOI_TRY(layer.feed.input, Norm(name + "mlp_norm"));
    MALMOI_TRY(layer.feed.up, r.One(name + "mlp.Wi", 2 * out_.stack.width, h));
    MALMOI_TRY(layer.feed.down, r.Down(name + "mlp.Wo", h, out_.stack.width));
    return layer;
  }

  Status LoadHeads() {
    const WeightReader top = source_.reader.At("");
    const std::size_t h = out_.stack.hidden;
    const float eps = out_.config.layer_norm_eps;
    const std::string_view pooling = config_.Text({"classifier_pooling"}, "cls");
    MALMOI_TRY(const Activation activation,
               ActivationByName(config_.Text({"classifier_activation"}, "gelu"),
                                "config.json: classifier_activation"));
    if (source_.task == Task::kClassification || source_.task == Task::kReranker) {
      config_.Refuse(pooling != "cls" && pooling != "mean",
                     "classifier_pooling '" + std::string(pooling) + "'");
      MALMOI_TRY(config_.status());
      ClassifierHead& head = out_.classifier;
      head.pooling = pooling == "mean" ? Pooling::kMean : Pooling::kCls;
      head.activation = activation;
      MALMOI_TRY(head.dense, top.One("head.dense", h, h));
      MALMOI_TRY(head.norm, top.LayerNorm("head.norm", h, eps));
      MALMOI_TRY(const std::size_t labels, OutputRows(top, "classifier"));
      MALMOI_TRY(head.out, top.One("classifier", labels, h));
    }
    if (source_.task == Task::kSparse) {
      VocabularyHead& head = out_.vocabulary_head;
      head.activation = activation;
      MALMOI_TRY(head.dense, top.One("head.dense", h, h));
      MALMOI_TRY(head.norm, top.LayerNorm("head.norm", h, eps));
      MALMOI_TRY(head.decoder, LoadDecoderLayer(top, source_.reader,
                                                {"decoder", "", "embeddings.tok_embeddings.weight"},
                                                out_.config));
    }
    return Ok();
  }

  FamilySource source_;
  ConfigReader config_;
  std::size_t window_ = 0;
  std::int64_t every_ = 3;
  FamilyModel out_;
};

}  // namespace

Result<FamilyModel> LoadModernBert(FamilySource source) {
  return Loader(std::move(source)).Load();
}

}  // namespace malmoi::model
