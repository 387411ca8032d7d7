// Jina v2 (Günther et al. 2023, arXiv:2310.19923): BERT with ALiBi (Press et al. 2021,
// arXiv:2108.12409) in both directions instead of positions, and gated feed-forward parts. Its
// config.json says model_type "bert" with position_embedding_type "alibi".
#include <cmath>
#include <cstdlib>
#include <vector>

#include "model/family_internal.h"

namespace malmoi::model {
namespace {

// Slopes for n heads: a geometric series for a power of two, else that of the power below and
// every other one of the power above.
std::vector<float> Slopes(std::size_t n) {
  std::size_t power = 1;
  while (2 * power <= n) power *= 2;
  const auto series = [](std::size_t count) {
    std::vector<float> out(count);
    const double start =
        std::pow(2.0, -std::pow(2.0, -(std::log2(static_cast<double>(count)) - 3)));
    for (std::size_t i = 0; i < count; ++i) {
      out[i] = static_cast<float>(start * std::pow(start, static_cast<double>(i)));
    }
    return out;
  };
  std::vector<float> out = series(power);
  const std::vector<float> above = series(2 * power);
  for (std::size_t i = 0; out.size() < n; i += 2) out.push_back(above[i]);
  return out;
}

class Loader {
 public:
  explicit Loader(FamilySource source) : source_(std::move(source)), config_(source_.config) {}

  Result<FamilyModel> Load() {
    MALMOI_TRY(ReadConfig());
    const EncoderConfig& c = out_.config;
    WeightReader& r = source_.reader;
    r.ChoosePrefix({"", "bert.", "model."}, "embeddings.word_embeddings.weight");
    InputEmbedding& input = out_.stack.input;
    input.width = out_.stack.hidden;
    MALMOI_TRY(input.words, r.Find("embeddings.word_embeddings.weight", {c.vocabulary, c.hidden}));
    MALMOI_TRY(input.types,
               r.Load("embeddings.token_type_embeddings.weight", {c.type_vocabulary, c.hidden}));
    MALMOI_TRY(input.norm, Norm("embeddings.LayerNorm"));
    MALMOI_TRY(out_.stack.layers, LoadLayers(c.layers, [&](std::int64_t i) {
                 return LoadLayer("encoder.layer." + std::to_string(i) + ".");
               }));
    if (source_.task == Task::kClassification || source_.task == Task::kReranker) {
      return LoadClassifier();
    }
    return std::move(out_);
  }

 private:
  Status ReadConfig() {
    EncoderConfig& c = out_.config;
    c.family = "jina_bert";
    ReadSizes(&config_, &c);
    c.positions = config_.Size({"max_position_embeddings"}, 8192);
    c.type_vocabulary = config_.Size({"type_vocab_size"}, 2);
    c.layer_norm_eps = config_.Eps({"layer_norm_eps"}, 1e-12);
    c.max_tokens = static_cast<std::size_t>(c.positions);
    config_.Refuse(source_.task == Task::kSparse, "a masked-language-model head of Jina v2");
    const std::string type(config_.Text({"feed_forward_type"}, "original"));
    config_.Refuse(type != "geglu" && type != "reglu" && type != "original",
                   "feed_forward_type '" + type + "'");
    config_.Refuse(config_.Flag("is_decoder", false), "is_decoder true");
    MALMOI_TRY(config_.status());
    UseSizes(c, &out_.stack);
    out_.stack.gated = type != "original";
    const std::string_view own = type == "geglu" ? "gelu" : "relu";
    MALMOI_TRY(out_.stack.activation,
               ActivationByName(out_.stack.gated ? own : config_.Text({"hidden_act"}, "gelu"),
                                "config.json: hidden_act"));
    const std::vector<float> slopes = Slopes(out_.stack.heads);
    out_.stack.distance_bias = [slopes](std::size_t head, std::int64_t distance) {
      return -slopes[head] * static_cast<float>(std::abs(distance));
    };
    return Ok();
  }

  Result<model::Norm> Norm(const std::string& name) const {
    return source_.reader.LayerNorm(name, out_.stack.hidden, out_.config.layer_norm_eps);
  }

  Result<Layer> LoadLayer(const std::string& name) const {
    const WeightReader& r = source_.reader;
    const std::size_t h = out_.stack.hidden;
    const std::size_t w = out_.stack.width;
    const std::string self = name + "attention.self.";
    if (r.Has(self + "layer_norm_q.weight")) {
      return Error(Code::kUnsupported, "tensor '" + self +
                                           "layer_norm_q.weight': norms of queries and keys are "
                                           "not implemented for Jina v2");
    }
    Layer layer;
    MALMOI_TRY(layer.attention.qkv,
               r.Stacked({{self + "query", h}, {self + "key", h}, {self + "value", h}}, h));
    MALMOI_TRY(layer.attention.out, r.One(name + "attention.output.dense", h, h));
    MALMOI_TRY(layer.attention.result, Norm(name + "attention.output.LayerNorm"));
    if (out_.stack.gated) {
      MALMOI_TRY(layer.feed.up, r.One(name + "mlp.gated_layers", 2 * w, h));
      MALMOI_TRY(layer.feed.down, r.Down(name + "mlp.wo", h, w));
      MALMOI_TRY(layer.feed.result, Norm(name + "mlp.layernorm"));
    } else {
      MALMOI_TRY(layer.feed.up, r.One(name + "intermediate.dense", w, h));
      MALMOI_TRY(layer.feed.down, r.Down(name + "output.dense", h, w));
      MALMOI_TRY(layer.feed.result, Norm(name + "output.LayerNorm"));
    }
    return layer;
  }

  Result<FamilyModel> LoadClassifier() {
    const WeightReader top = source_.reader.At("");
    const std::size_t h = out_.stack.hidden;
    out_.classifier.activation = Activation::kTanh;
    MALMOI_TRY(out_.classifier.dense, source_.reader.One("pooler.dense", h, h));
    MALMOI_TRY(const std::size_t labels, OutputRows(top, "classifier"));
    MALMOI_TRY(out_.classifier.out, top.One("classifier", labels, h));
    return std::move(out_);
  }

  FamilySource source_;
  ConfigReader config_;
  FamilyModel out_;
};

}  // namespace

Result<FamilyModel> LoadJina(FamilySource source) {
  return Loader(std::move(source)).Load();
}

}  // namespace malmoi::model
