#include <utility>

#include "base/strings.h"
#include "model/config_internal.h"
#include "model/modules_internal.h"
#include "model/pooling.h"
#include "model/weights_internal.h"
#include "os/vfs.h"

namespace malmoi::model {
namespace {

constexpr std::int64_t kFeaturesMax = 1 << 20;

// "torch.nn.modules.activation.Tanh" and the like.
Result<Activation> TorchActivation(std::string_view path) {
  const std::string_view name = path.substr(path.rfind('.') + 1);
  static constexpr struct {
    std::string_view name;
    Activation value;
  } kNames[] = {{"Identity", Activation::kLinear}, {"Tanh", Activation::kTanh},
                {"ReLU", Activation::kRelu},       {"GELU", Activation::kGelu},
                {"SiLU", Activation::kSilu},       {"Sigmoid", Activation::kSigmoid},
                {"Mish", Activation::kMish},       {"LeakyReLU", Activation::kLeakyRelu},
                {"ReLU6", Activation::kRelu6},     {"Hardswish", Activation::kHardSwish}};
  for (const auto& entry : kNames) {
    if (entry.name == name) return entry.value;
  }
  return Error(Code::kUnsupported,
               "activation_function '" + std::string(path) + "' of a Dense module is unknown");
}

class Reader {
 public:
  explicit Reader(std::string directory) : directory_(std::move(directory)) {}

  Result<ModuleFiles> Read() {
    MALMOI_TRY(auto modules, ReadJson(directory_, "modules.json"));
    if (modules) {
      out_.present = true;
      out_.normalize = false;
      for (const json::Value& module : modules->items()) {
        MALMOI_TRY(ReadModule(module));
      }
    } else {
      MALMOI_TRY(auto pooling, ReadJson(directory_, "1_Pooling/config.json"));
      if (pooling) MALMOI_TRY(ReadPooling(*pooling));
    }
    const std::string folder =
        out_.transformer.empty() ? directory_ : os::JoinPath(directory_, out_.transformer);
    MALMOI_TRY(auto limits, ReadJson(folder, "sentence_bert_config.json"));
    if (limits) out_.max_tokens = limits->GetInt("max_seq_length");
    MALMOI_TRY(auto about, ReadJson(directory_, "config_sentence_transformers.json"));
    const std::int64_t cut = about ? about->GetInt("truncate_dim") : 0;
    if (cut > 0) out_.truncate_dim = static_cast<std::size_t>(cut);
    return std::move(out_);
  }

 private:
  Status ReadModule(const json::Value& module) {
    const std::string_view type = module.GetString("type");
    const std::string name(type.substr(type.rfind('.') + 1));
    const std::string path(module.GetString("path"));
    if (path.starts_with("/") || path.find("..") != std::string::npos) {
      return Error(Code::kCorruption, "modules.json: path '" + path + "' leaves the directory");
    }
    MALMOI_TRY(auto json, ReadJson(directory_, os::JoinPath(path, "config.json")));
    const json::Value none{};
    const json::Value& config = json ? *json : none;
    if (name == "Transformer" || name == "MLMTransformer" || name == "BERT") {
      out_.transformer = path;
    } else if (name == "StaticEmbedding") {
      out_.static_embedding = true;
      out_.static_folder = path;
    } else if (name == "Pooling") {
      MALMOI_TRY(ReadPooling(config));
    } else if (name == "SpladePooling") {
      MALMOI_TRY(ReadSplade(config));
    } else if (name == "Normalize") {
      Normalize();
    } else if (name == "Dense") {
      return ReadDense(path, config);
    } else if (name == "LayerNorm") {
      return ReadLayerNorm(path, config);
    } else if (name == "LogitScore") {
      out_.yes_id = config.GetInt("true_token_id", -1);
      if (config.Find("false_token_id") != nullptr)
        out_.no_id = config.GetInt("false_token_id", -1);
    } else if (name != "Dropout") {
      return Error(Code::kUnsupported,
                   "modules.json: module '" + std::string(type) +
                       "' is not Transformer, Pooling, Normalize, Dense, LayerNorm, "
                       "StaticEmbedding, SpladePooling or LogitScore");
    }
    return Ok();
  }

  Status ReadPooling(const json::Value& config) {
    MALMOI_TRY(out_.poolings, ReadPoolings(config));
    out_.include_prompt = config.GetBool("include_prompt", true);
    return Ok();
  }

  Status ReadSplade(const json::Value& config) {
    out_.splade = true;
    const std::string_view strategy = config.GetString("pooling_strategy", "max");
    const std::string_view activation = config.GetString("activation_function", "relu");
    out_.splade_sum = strategy == "sum";
    out_.splade_twice_log = activation == "log1p_relu";
    if ((strategy != "max" && strategy != "sum") ||
        (activation != "relu" && activation != "log1p_relu")) {
      return Error(Code::kUnsupported, "SpladePooling with pooling_strategy '" +
                                           std::string(strategy) + "' or activation_function '" +
                                           std::string(activation) + "'");
    }
    return Ok();
  }

  // Normalises at the end, or between other modules.
  void Normalize() {
    if (out_.normalize) out_.post.push_back({});
    out_.normalize = true;
  }
  // A module after a Normalize: that one was not the last.
  void Follow(PostModule module) {
    if (std::exchange(out_.normalize, false)) out_.post.push_back({});
    out_.post.push_back(std::move(module));
  }

  Result<WeightReader> Weights(const std::string& path) {
    MALMOI_TRY(auto file, OpenWeights(os::JoinPath(directory_, path)));
    for (const std::string& name : file->Names()) {
      out_.identity += path + "/" + name;
      out_.identity += file->Find(name)->bytes.substr(0, 4096);
    }
    return WeightReader(std::move(file));
  }

  Status ReadDense(const std::string& path, const json::Value& config) {
    const std::int64_t in = config.GetInt("in_features");
    const std::int64_t out = config.GetInt("out_features");
    if (in < 1 || out < 1 || in > kFeaturesMax || out > kFeaturesMax) {
      return Error(Code::kCorruption, path + "/config.json: in_features " + std::to_string(in) +
                                          " or out_features " + std::to_string(out) +
                                          " is not 1 to 1048576");
    }
    PostModule module;
    MALMOI_TRY(module.activation, TorchActivation(config.GetString(
                                      "activation_function", "torch.nn.modules.activation.Tanh")));
    MALMOI_TRY(const WeightReader reader, Weights(path));
    MALMOI_TRY(module.dense,
               reader.One("linear", static_cast<std::size_t>(out), static_cast<std::size_t>(in)));
    const bool tokens = config.GetString("module_input_name") == "token_embeddings" ||
                        (out_.poolings.empty() && !out_.static_embedding && !out_.splade);
    if (!tokens) {
      Follow(std::move(module));
      return Ok();
    }
    if (module.activation != Activation::kLinear || !out_.token_layer.empty()) {
      return Error(Code::kUnsupported, path +
                                           ": a Dense module of token vectors with an "
                                           "activation, or more than one");
    }
    out_.token_layer = std::move(module.dense);
    return Ok();
  }

  Status ReadLayerNorm(const std::string& path, const json::Value& config) {
    const std::int64_t dim = config.GetInt("dimension");
    if (dim < 1 || dim > kFeaturesMax) {
      return Error(Code::kCorruption, path + "/config.json: dimension " + std::to_string(dim));
    }
    PostModule module;
    MALMOI_TRY(const WeightReader reader, Weights(path));
    MALMOI_TRY(module.norm, reader.LayerNorm("norm", static_cast<std::size_t>(dim), 1e-5f));
    Follow(std::move(module));
    return Ok();
  }

  const std::string directory_;
  ModuleFiles out_;
};

}  // namespace

Result<ModuleFiles> ReadModules(const std::string& directory) {
  return Reader(directory).Read();
}

}  // namespace malmoi::model
