// BERT (Devlin et al. 2018, arXiv:1810.04805), and what differs from it in names and positions
// alone: RoBERTa, XLM-R, CamemBERT, and ELECTRA's discriminator.
#include "model/family_internal.h"

namespace malmoi::model {
namespace {

class Loader {
 public:
  explicit Loader(FamilySource source)
      : source_(std::move(source)),
        config_(source_.config),
        type_(config_.Text({"model_type"}, "")) {}

  Result<FamilyModel> Load() {
    MALMOI_TRY(ReadConfig());
    UseSizes(out_.config, &out_.stack);
    source_.reader.ChoosePrefix({"", Prefix(), "bert.", "roberta.", "model."},
                                "embeddings.word_embeddings.weight");
    MALMOI_TRY(LoadInput());
    MALMOI_TRY(out_.stack.layers,
               LoadLayers(out_.config.layers, [&](std::int64_t i) { return LoadLayer(i); }));
    const Task task = source_.task;
    if (task == Task::kClassification || task == Task::kReranker) MALMOI_TRY(LoadClassifier());
    if (task == Task::kSparse) MALMOI_TRY(LoadVocabularyHead());
    return std::move(out_);
  }

 private:
  bool IsRoberta() const { return type_ != "bert" && type_ != "electra"; }
  std::string Prefix() const {
    return (type_ == "bert" || type_ == "electra" ? type_ : std::string("roberta")) + ".";
  }

  Status ReadConfig() {
    EncoderConfig& c = out_.config;
    c.family = "bert";
    ReadSizes(&config_, &c);
    c.positions = config_.Size({"max_position_embeddings"}, 512);
    c.type_vocabulary = config_.Size({"type_vocab_size"}, 2);
    c.layer_norm_eps = config_.Eps({"layer_norm_eps"}, 1e-12);
    const std::string_view position = config_.Text({"position_embedding_type"}, "absolute");
    config_.Refuse(position != "absolute",
                   "position_embedding_type '" + std::string(position) + "'");
    config_.Refuse(config_.Flag("is_decoder", false), "is_decoder true");
    config_.Refuse(config_.Flag("add_cross_attention", false), "add_cross_attention true");
    if (IsRoberta()) {
      const json::Value* padding = config_.Find({"pad_token_id"});
      const std::int64_t id = padding == nullptr ? 1 : padding->AsInt().value_or(-1);
      config_.Check(id >= 0 && id + 1 < c.positions,
                    "pad_token_id " + std::to_string(id) + " leaves no position for a token");
      c.padding_id = static_cast<std::int32_t>(id);
      c.position_offset = id + 1;
    }
    MALMOI_TRY(config_.status());
    MALMOI_TRY(out_.stack.activation,
               ActivationByName(config_.Text({"hidden_act"}, "gelu"), "config.json: hidden_act"));
    c.max_tokens = static_cast<std::size_t>(c.positions - c.position_offset);
    return Ok();
  }

  Status LoadInput() {
    const EncoderConfig& c = out_.config;
    InputEmbedding& input = out_.stack.input;
    const WeightReader& r = source_.reader;
    const std::int64_t width =
        type_ == "electra" ? config_.Size({"embedding_size"}, c.hidden) : c.hidden;
    MALMOI_TRY(config_.status());
    input.width = static_cast<std::size_t>(width);
    input.position_offset = c.position_offset;
    input.padding_id = c.padding_id;
    MALMOI_TRY(input.words, r.Find("embeddings.word_embeddings.weight", {c.vocabulary, width}));
    MALMOI_TRY(input.positions,
               r.Load("embeddings.position_embeddings.weight", {c.positions, width}));
    MALMOI_TRY(input.types,
               r.Load("embeddings.token_type_embeddings.weight", {c.type_vocabulary, width}));
    MALMOI_TRY(input.norm, r.LayerNorm("embeddings.LayerNorm", input.width, c.layer_norm_eps));
    if (width != c.hidden) {
      MALMOI_TRY(input.projection, r.One("embeddings_project", out_.stack.hidden, input.width));
    }
    return Ok();
  }

  Result<Layer> LoadLayer(std::int64_t i) const {
    const std::string name = "encoder.layer." + std::to_string(i) + ".";
    const std::string self = name + "attention.self.", output = name + "attention.output.";
    return LoadPostNormLayer(source_.reader, out_.stack, out_.config.layer_norm_eps,
                             {.qkv = {self + "query", self + "key", self + "value"},
                              .out = output + "dense",
                              .attention_norm = output + "LayerNorm",
                              .up = {name + "intermediate.dense"},
                              .down = name + "output.dense",
                              .feed_norm = name + "output.LayerNorm",
                              .following = out_.config.layers - 1 - i,
                              .inputs = source_.InputsOf(i)});
  }

  Status LoadClassifier() {
    const WeightReader top = source_.reader.At("");
    const std::size_t h = out_.stack.hidden;
    if (type_ == "bert") {
      MALMOI_TRY(out_.classifier,
                 LoadClassifierHead(source_.reader, top, {"pooler.dense", "classifier"}, h,
                                    Activation::kTanh));
      return Ok();
    }
    MALMOI_TRY(out_.classifier,
               LoadClassifierHead(top, top, {"classifier.dense", "classifier.out_proj"}, h,
                                  type_ == "electra" ? Activation::kGelu : Activation::kTanh));
    return Ok();
  }

  Status LoadVocabularyHead() {
    const WeightReader top = source_.reader.At("");
    const std::size_t h = out_.stack.hidden;
    VocabularyHead& head = out_.vocabulary_head;
    config_.Refuse(type_ == "electra", "a masked-language-model head of model_type electra");
    MALMOI_TRY(config_.status());
    const std::string name = IsRoberta() ? "lm_head." : "cls.predictions.";
    const std::string transform = IsRoberta() ? name : name + "transform.";
    head.activation = IsRoberta() ? Activation::kGelu : out_.stack.activation;
    MALMOI_TRY(head.dense, top.One(transform + "dense", h, h));
    MALMOI_TRY(head.norm, top.LayerNorm(transform + (IsRoberta() ? "layer_norm" : "LayerNorm"), h,
                                        out_.config.layer_norm_eps));
    MALMOI_TRY(head.decoder, LoadDecoderLayer(top, source_.reader,
                                              {name + "decoder", name + "bias",
                                               "embeddings.word_embeddings.weight"},
                                              out_.config));
    return Ok();
  }

  FamilySource source_;
  ConfigReader config_;
  const std::string type_;
  FamilyModel out_;
};

}  // namespace

Result<FamilyModel> LoadBert(FamilySource source) {
  if (source.config.GetString("position_embedding_type") == "alibi") {
    return LoadJina(std::move(source));
  }
  return Loader(std::move(source)).Load();
}

}  // namespace malmoi::model
