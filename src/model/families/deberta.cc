// DeBERTa v2 and v3 (He et al. 2020 and 2021, arXiv:2006.03654 and 2111.09543): BERT whose
// attention takes relative positions apart from content.
#include <algorithm>
#include <cmath>

#include "base/strings.h"
#include "model/disentangled_internal.h"
#include "model/family_internal.h"

namespace malmoi::model {
namespace {

class Loader {
 public:
  explicit Loader(FamilySource source) : source_(std::move(source)), config_(source_.config) {}

  Result<FamilyModel> Load() {
    MALMOI_TRY(ReadConfig());
    source_.reader.ChoosePrefix({"", "deberta.", "model."}, "embeddings.word_embeddings.weight");
    MALMOI_TRY(LoadInput());
    MALMOI_TRY(LoadRelative());
    for (std::int64_t i = 0; i < out_.config.layers; ++i) {
      MALMOI_TRY(LoadLayer("encoder.layer." + std::to_string(i) + "."));
    }
    MALMOI_TRY(LoadHeads());
    return std::move(out_);
  }

 private:
  Status ReadConfig() {
    EncoderConfig& c = out_.config;
    c.family = "deberta";
    ReadSizes(&config_, &c);
    c.positions = config_.Size({"max_position_embeddings"}, 512);
    c.type_vocabulary = config_.json().GetInt("type_vocab_size", 0);
    config_.Check(c.type_vocabulary >= 0 && c.type_vocabulary <= 1 << 20, "type_vocab_size");
    c.layer_norm_eps = config_.Eps({"layer_norm_eps"}, 1e-7);
    c.max_tokens = static_cast<std::size_t>(c.positions);
    width_ = config_.Size({"embedding_size"}, c.hidden);
    config_.Refuse(config_.json().GetInt("conv_kernel_size", 0) > 0,
                   "conv_kernel_size (a convolution after the first layer)");
    config_.Refuse(config_.Size({"attention_head_size"}, c.hidden / c.heads) != c.hidden / c.heads,
                   "attention_head_size");
    relative_ = config_.Flag("relative_attention", false);
    buckets_ = config_.json().GetInt("position_buckets", -1);
    distance_ = config_.json().GetInt("max_relative_positions", -1);
    if (distance_ < 1) distance_ = c.positions;
    config_.Check(buckets_ <= 1 << 16 && distance_ <= 1 << 16,
                  "position_buckets or max_relative_positions is over 65536");
    config_.Check(buckets_ <= 0 || (buckets_ >= 4 && distance_ > buckets_ / 2 + 1),
                  "position_buckets and max_relative_positions do not make buckets");
    for (const char* kind : {"c2p", "p2c"}) {
      if (HasTerm(kind)) ++terms_;
    }
    MALMOI_TRY(config_.status());
    UseSizes(c, &out_.stack);
    out_.stack.scale = 1.0f / std::sqrt(static_cast<float>(out_.stack.head_dim * terms_));
    MALMOI_TRY(out_.stack.activation,
               ActivationByName(config_.Text({"hidden_act"}, "gelu"), "config.json: hidden_act"));
    return Ok();
  }

  // pos_att_type: ["c2p", "p2c"], or "c2p|p2c".
  bool HasTerm(std::string_view kind) const {
    const json::Value* types = config_.Find({"pos_att_type"});
    if (types == nullptr) return false;
    if (const auto text = types->AsString()) {
      return AsciiLower(*text).find(kind) != std::string::npos;
    }
    return std::any_of(types->items().begin(), types->items().end(),
                       [&](const json::Value& item) { return item.AsString() == kind; });
  }

  Result<model::Norm> Norm(const std::string& name) const {
    return source_.reader.LayerNorm(name, out_.stack.hidden, out_.config.layer_norm_eps);
  }

  Status LoadInput() {
    const EncoderConfig& c = out_.config;
    const WeightReader& r = source_.reader;
    InputEmbedding& input = out_.stack.input;
    input.width = static_cast<std::size_t>(width_);
    MALMOI_TRY(input.words, r.Find("embeddings.word_embeddings.weight", {c.vocabulary, width_}));
    if (config_.Flag("position_biased_input", true)) {
      MALMOI_TRY(input.positions,
                 r.Load("embeddings.position_embeddings.weight", {c.positions, width_}));
    }
    if (c.type_vocabulary > 0) {
      MALMOI_TRY(input.types,
                 r.Load("embeddings.token_type_embeddings.weight", {c.type_vocabulary, width_}));
    }
    if (width_ != c.hidden) {
      MALMOI_TRY(input.projection, r.One("embeddings.embed_proj", out_.stack.hidden, input.width));
      MALMOI_TRY(input.projected_norm, Norm("embeddings.LayerNorm"));
    } else {
      MALMOI_TRY(input.norm, Norm("embeddings.LayerNorm"));
    }
    return Ok();
  }

  // The table of relative positions, the same for all layers before their projections.
  Status LoadRelative() {
    if (!relative_ || terms_ == 1) return Ok();
    const std::int64_t span = buckets_ > 0 ? buckets_ : distance_;
    const WeightReader& r = source_.reader;
    MALMOI_TRY(table_, r.Load("encoder.rel_embeddings.weight", {2 * span, out_.config.hidden}));
    if (AsciiLower(config_.Text({"norm_rel_ebd"}, "none")).find("layer_norm") !=
        std::string::npos) {
      MALMOI_TRY(const auto norm, Norm("encoder.LayerNorm"));
      norm.Apply(table_.data(), table_.data(), static_cast<std::size_t>(2 * span));
    }
    index_ = Disentangled::MakeIndex(out_.config.max_tokens, buckets_, distance_);
    return Ok();
  }

  // The table through a projection, cut by heads.
  Result<std::vector<Linear>> Project(const std::string& name) const {
    const std::size_t h = out_.stack.hidden;
    const std::size_t dim = out_.stack.head_dim;
    const std::size_t rows = table_.size() / h;
    MALMOI_TRY(const Linear projection, source_.reader.One(name, h, h));
    Buffer<float> all(rows * h);
    projection.Apply({.x = table_.data(), .ldx = h, .rows = rows, .y = all.data(), .ldy = h},
                     nullptr);
    std::vector<Linear> out;
    Buffer<float> part(rows * dim);
    for (std::size_t head = 0; head < out_.stack.heads; ++head) {
      for (std::size_t row = 0; row < rows; ++row) {
        std::copy_n(all.data() + row * h + head * dim, dim, part.data() + row * dim);
      }
      out.emplace_back(part.span(), rows, dim, std::span<const float>());
    }
    return out;
  }

  Status LoadDisentangled(const std::string& self, AttentionLayer* layer) {
    if (index_ == nullptr) return Ok();
    const bool shared = config_.Flag("share_att_key", false);
    std::vector<Linear> c2p;
    std::vector<Linear> p2c;
    if (HasTerm("c2p")) {
      MALMOI_TRY(c2p, Project(self + (shared ? "key_proj" : "pos_key_proj")));
    }
    if (HasTerm("p2c")) {
      MALMOI_TRY(p2c, Project(self + (shared ? "query_proj" : "pos_query_proj")));
    }
    layer->disentangled =
        std::make_shared<const Disentangled>(std::move(c2p), std::move(p2c), index_);
    return Ok();
  }

  Status LoadLayer(const std::string& name) {
    const WeightReader& r = source_.reader;
    const std::size_t h = out_.stack.hidden;
    const std::string self = name + "attention.self.";
    Layer layer;
    MALMOI_TRY(
        layer.attention.qkv,
        r.Stacked({{self + "query_proj", h}, {self + "key_proj", h}, {self + "value_proj", h}}, h));
    MALMOI_TRY(LoadDisentangled(self, &layer.attention));
    MALMOI_TRY(layer.attention.out, r.One(name + "attention.output.dense", h, h));
    MALMOI_TRY(layer.attention.result, Norm(name + "attention.output.LayerNorm"));
    MALMOI_TRY(layer.feed.up, r.One(name + "intermediate.dense", out_.stack.width, h));
    MALMOI_TRY(layer.feed.down, r.Down(name + "output.dense", h, out_.stack.width));
    MALMOI_TRY(layer.feed.result, Norm(name + "output.LayerNorm"));
    out_.stack.layers.push_back(std::move(layer));
    return Ok();
  }

  Status LoadHeads() {
    const WeightReader top = source_.reader.At("");
    const std::size_t h = out_.stack.hidden;
    if (source_.task == Task::kClassification || source_.task == Task::kReranker) {
      ClassifierHead& head = out_.classifier;
      MALMOI_TRY(head.activation, ActivationByName(config_.Text({"pooler_hidden_act"}, "gelu"),
                                                   "config.json: pooler_hidden_act"));
      MALMOI_TRY(head.dense, top.One("pooler.dense", h, h));
      MALMOI_TRY(const std::size_t labels, OutputRows(top, "classifier"));
      MALMOI_TRY(head.out, top.One("classifier", labels, h));
    }
    if (source_.task != Task::kSparse) return Ok();
    config_.Refuse(width_ != out_.config.hidden,
                   "embedding_size with a masked-language-model head");
    MALMOI_TRY(config_.status());
    const bool legacy = top.Has("cls.predictions.transform.dense.weight");
    const std::string name = legacy ? "cls.predictions." : "lm_predictions.lm_head.";
    const std::string transform = legacy ? name + "transform." : name;
    VocabularyHead& head = out_.vocabulary_head;
    head.activation = out_.stack.activation;
    MALMOI_TRY(head.dense, top.One(transform + "dense", h, h));
    MALMOI_TRY(head.norm, top.LayerNorm(transform + "LayerNorm", h, out_.config.layer_norm_eps));
    MALMOI_TRY(head.decoder, LoadDecoderLayer(top, source_.reader,
                                              {name + "decoder", name + "bias",
                                               "embeddings.word_embeddings.weight"},
                                              out_.config));
    return Ok();
  }

  FamilySource source_;
  ConfigReader config_;
  std::int64_t width_ = 0;
  bool relative_ = false;
  std::int64_t buckets_ = -1, distance_ = -1;
  std::size_t terms_ = 1;  // Of the scores: content alone, and one for each of c2p and p2c.
  Buffer<float> table_;
  std::shared_ptr<const Disentangled::Index> index_;
  FamilyModel out_;
};

}  // namespace

Result<FamilyModel> LoadDeberta(FamilySource source) {
  return Loader(std::move(source)).Load();
}

}  // namespace malmoi::model
