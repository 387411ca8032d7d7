// Decoders as encoders: Qwen3 (arXiv:2505.09388), Gemma 3 (arXiv:2503.19786) and EmbeddingGemma,
// and Qwen2, Llama, Mistral, which are Qwen3 without norms of queries and keys. RMSNorm before the
// parts, rotary positions, fewer key heads than query heads, gated feed-forward parts. Causal, but
// for EmbeddingGemma (use_bidirectional_attention) and checkpoints that say so.
#include <cmath>

#include "model/family_internal.h"
#include "os/vfs.h"

namespace malmoi::model {
namespace {

class Loader {
 public:
  explicit Loader(FamilySource source)
      : source_(std::move(source)),
        config_(source_.config),
        type_(config_.Text({"model_type"}, "")),
        gemma_(type_ == "gemma3_text") {}

  Result<FamilyModel> Load() {
    MALMOI_TRY(ReadConfig());
    Stack& stack = out_.stack;
    WeightReader& r = source_.reader;
    r.ChoosePrefix({"", "model."}, "embed_tokens.weight");
    const EncoderConfig& c = out_.config;
    stack.input.width = stack.hidden;
    if (gemma_) stack.input.scale = std::sqrt(static_cast<float>(c.hidden));
    MALMOI_TRY(stack.input.words, r.Find("embed_tokens.weight", {c.vocabulary, c.hidden}));
    MALMOI_TRY(stack.layers, LoadLayers(c.layers, [&](std::int64_t i) { return LoadLayer(i); }));
    MALMOI_TRY(stack.final_norm, Norm("norm", stack.hidden));
    MALMOI_TRY(LoadHeads());
    return std::move(out_);
  }

 private:
  Status ReadConfig() {
    EncoderConfig& c = out_.config;
    c.family = type_;
    c.hidden = config_.Size({"hidden_size"});
    c.layers = config_.Size({"num_hidden_layers"});
    c.heads = config_.Size({"num_attention_heads"});
    c.intermediate = config_.Size({"intermediate_size"});
    c.vocabulary = config_.Size({"vocab_size"});
    c.positions = config_.Size({"max_position_embeddings"}, 32768);
    c.layer_norm_eps = config_.Eps({"rms_norm_eps"}, 1e-6);
    c.max_tokens = static_cast<std::size_t>(c.positions);
    c.poolings = {Pooling::kLast};
    const std::int64_t kv = config_.Size({"num_key_value_heads"}, gemma_ ? 4 : c.heads);
    const std::int64_t published = gemma_ ? 256 : type_ == "qwen3" ? 128 : c.hidden / c.heads;
    const std::int64_t dim = config_.Size({"head_dim"}, published);
    config_.Check(c.heads % kv == 0, "num_attention_heads is no multiple of num_key_value_heads");
    config_.Check(dim <= 4096, "head_dim is over 4096");
    for (const char* field : {"attn_logit_softcapping", "final_logit_softcapping"}) {
      config_.Refuse(config_.Find({field}) != nullptr, field);
    }
    MALMOI_TRY(config_.status());
    Stack& stack = out_.stack;
    UseSizes(c, &stack);
    stack.kv_heads = static_cast<std::size_t>(kv);
    stack.head_dim = static_cast<std::size_t>(dim);
    stack.scale = 1.0f / std::sqrt(static_cast<float>(dim));
    stack.gated = true;
    if (gemma_) {
      const double scalar = config_.json().GetDouble("query_pre_attn_scalar", 256);
      config_.Check(scalar > 0, "query_pre_attn_scalar is not above 0");
      stack.scale = static_cast<float>(1.0 / std::sqrt(scalar));
    }
    MALMOI_TRY(stack.activation,
               ActivationByName(config_.Text({"hidden_activation", "hidden_act"},
                                             gemma_ ? "gelu_pytorch_tanh" : "silu"),
                                "config.json: hidden_act"));
    MALMOI_TRY(ReadWindows());
    return ReadRopes();
  }

  // Which layers have a window, and what a layer sees.
  Status ReadWindows() {
    bidirectional_ =
        config_.Flag("use_bidirectional_attention", false) || !config_.Flag("is_causal", true);
    const json::Value* window = config_.Find({"sliding_window"});
    const bool used = config_.Flag("use_sliding_window", gemma_ || type_ == "mistral");
    const std::int64_t size =
        window == nullptr ? (gemma_ ? 4096 : 0) : window->AsInt().value_or(-1);
    config_.Check(size >= 0, "sliding_window is below 0");
    if (used && size > 0) {
      // The bound is not counted: w keys, the query's own among them; to both sides half of it.
      window_ = static_cast<std::size_t>(bidirectional_ ? size / 2 : size - 1);
    }
    const json::Value* types = config_.Find({"layer_types"});
    const auto layers = static_cast<std::size_t>(out_.config.layers);
    config_.Check(types == nullptr || types->items().size() == layers,
                  "layer_types does not have a type for each layer");
    const std::int64_t pattern =
        config_.Size({"sliding_window_pattern", "_sliding_window_pattern"}, 6);
    const std::int64_t first = config_.json().GetInt("max_window_layers", 28);
    MALMOI_TRY(config_.status());
    for (std::size_t i = 0; i < layers; ++i) {
      const auto n = static_cast<std::int64_t>(i);
      bool sliding = type_ == "mistral" || (gemma_ ? (n + 1) % pattern != 0 : n >= first);
      if (types != nullptr) {
        const auto name = types->items()[i].AsString().value_or("");
        sliding = name == "sliding_attention";
        config_.Refuse(!sliding && name != "full_attention",
                       "layer_types '" + std::string(name) + "'");
      }
      sliding_.push_back(sliding && window_ != kernels::kAllTokens);
      types_sliding_.push_back(sliding);
    }
    return config_.status();
  }

  // Rope 0 for layers that see all tokens, 1 for Gemma's with a window.
  Status ReadRopes() {
    const json::Value& json = config_.json();
    const json::Value* all = config_.Find({"rope_parameters"});
    const json::Value* scaling = config_.Find({"rope_scaling"});
    RopeSettings settings{.theta = json.GetDouble("rope_theta", gemma_ ? 1e6 : 1e4),
                          .head_dim = out_.stack.head_dim,
                          .positions = out_.config.max_tokens};
    const json::Value* full = all != nullptr && gemma_ ? all->Find("full_attention") : all;
    MALMOI_TRY(auto rope, ReadRope(full == nullptr ? scaling : full, settings));
    out_.stack.ropes.push_back(std::move(rope));
    if (!gemma_) return Ok();
    settings.theta = json.GetDouble("rope_local_base_freq", 1e4);
    MALMOI_TRY(auto local,
               ReadRope(all == nullptr ? nullptr : all->Find("sliding_attention"), settings));
    out_.stack.ropes.push_back(std::move(local));
    return Ok();
  }

  Result<model::Norm> Norm(const std::string& name, std::size_t dim) const {
    return source_.reader.RmsNorm(name, dim, out_.config.layer_norm_eps, gemma_ ? 1.0f : 0.0f);
  }

  Status LoadAttention(const std::string& name, std::size_t i, AttentionLayer* layer) const {
    const WeightReader& r = source_.reader;
    const Stack& stack = out_.stack;
    const std::size_t h = stack.hidden;
    const std::size_t q = stack.heads * stack.head_dim;
    const std::size_t kv = stack.kv_heads * stack.head_dim;
    MALMOI_TRY(layer->qkv,
               r.Stacked({{name + "q_proj", q}, {name + "k_proj", kv}, {name + "v_proj", kv}}, h));
    MALMOI_TRY(layer->out, r.One(name + "o_proj", h, q));
    if (gemma_ || type_ == "qwen3") {
      MALMOI_TRY(layer->query, Norm(name + "q_norm", stack.head_dim));
      MALMOI_TRY(layer->key, Norm(name + "k_norm", stack.head_dim));
    }
    layer->rope = gemma_ && types_sliding_[i] ? 1 : 0;
    if (sliding_[i]) layer->before = layer->after = window_;
    if (!bidirectional_) layer->after = 0;
    return Ok();
  }

  Result<Layer> LoadLayer(std::int64_t i) const {
    const WeightReader& r = source_.reader;
    const std::string name = "layers." + std::to_string(i) + ".";
    const std::size_t h = out_.stack.hidden;
    const std::size_t w = out_.stack.width;
    Layer layer;
    MALMOI_TRY(LoadAttention(name + "self_attn.", static_cast<std::size_t>(i), &layer.attention));
    MALMOI_TRY(layer.attention.input, Norm(name + "input_layernorm", h));
    if (gemma_) {
      MALMOI_TRY(layer.attention.branch, Norm(name + "post_attention_layernorm", h));
      MALMOI_TRY(layer.feed.input, Norm(name + "pre_feedforward_layernorm", h));
      MALMOI_TRY(layer.feed.branch, Norm(name + "post_feedforward_layernorm", h));
    } else {
      MALMOI_TRY(layer.feed.input, Norm(name + "post_attention_layernorm", h));
    }
    MALMOI_TRY(layer.feed.up,
               r.Stacked({{name + "mlp.gate_proj", w}, {name + "mlp.up_proj", w}}, h));
    MALMOI_TRY(layer.feed.down, r.Down(name + "mlp.down_proj", h, w));
    return layer;
  }

  Status LoadHeads() {
    if (source_.task != Task::kClassification && source_.task != Task::kReranker) return Ok();
    const WeightReader top = source_.reader.At("");
    ClassifierHead& head = out_.classifier;
    head.pooling = Pooling::kLast;
    if (top.Has("score.weight")) {
      MALMOI_TRY(const std::size_t labels, OutputRows(top, "score"));
      MALMOI_TRY(head.out, top.One("score", labels, out_.stack.hidden));
      return Ok();
    }
    if (source_.yes_id >= 0) return LoadYesNo(top);
    return Error(Code::kCorruption,
                 "tensor 'score.weight' is not in the weights, and the tokenizer has no tokens "
                 "'yes' and 'no'");
  }

  // One logit: that of "yes" minus that of "no", from the rows of the language model's head.
  Status LoadYesNo(const WeightReader& top) {
    const EncoderConfig& c = out_.config;
    const bool own = top.Has("lm_head.weight");
    MALMOI_TRY(const tensor::TensorView* table,
               own ? top.Find("lm_head.weight", {c.vocabulary, c.hidden})
                   : source_.reader.Find("embed_tokens.weight", {c.vocabulary, c.hidden}));
    if (source_.yes_id >= c.vocabulary || source_.no_id >= c.vocabulary) {
      return Error(Code::kCorruption, "the ids of 'yes' and 'no' are outside the vocabulary");
    }
    const std::size_t h = out_.stack.hidden;
    Buffer<float> yes(h);
    Buffer<float> no(h);
    tensor::WidenF32(*table, static_cast<std::size_t>(source_.yes_id) * h, yes.span());
    if (source_.no_id >= 0) {
      tensor::WidenF32(*table, static_cast<std::size_t>(source_.no_id) * h, no.span());
    }
    for (std::size_t i = 0; i < h; ++i) yes[i] -= no[i];
    out_.classifier.out = Linear(yes.span(), 1, h, {});
    return Ok();
  }

  FamilySource source_;
  ConfigReader config_;
  const std::string type_;
  const bool gemma_;
  bool bidirectional_ = false;
  std::size_t window_ = kernels::kAllTokens;
  std::vector<bool> sliding_;        // Layer i has a window.
  std::vector<bool> types_sliding_;  // Its type says so, which also chooses the rope.
  FamilyModel out_;
};

}  // namespace

Result<FamilyModel> LoadDecoder(FamilySource source) {
  return Loader(std::move(source)).Load();
}

}  // namespace malmoi::model
