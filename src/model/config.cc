#include <algorithm>
#include <optional>

#include "json/value.h"
#include "model/config_internal.h"
#include "os/vfs.h"

namespace malmoi::model {
namespace {

// Above every published encoder; keeps products of sizes far from overflow.
constexpr std::int64_t kSizeMax = 1 << 24;

// The file's JSON object; nothing where the file does not exist.
Result<std::optional<json::Value>> ReadJson(const std::string& directory, std::string_view name) {
  const std::string path = os::JoinPath(directory, name);
  auto text = os::ReadFile(os::PosixVfs(), path);
  if (!text.ok() && text.error().code() == Code::kNotFound) return std::optional<json::Value>();
  if (!text.ok()) return std::move(text.error());
  auto value = json::Parse(text.value());
  if (!value.ok()) return Error(Code::kCorruption, path + ": " + value.error().message());
  return std::optional<json::Value>(std::move(value).value());
}

Status ReadSizes(const json::Value& json, EncoderConfig* config) {
  const struct {
    const char* name;
    std::int64_t* value;
  } sizes[] = {{"hidden_size", &config->hidden},
               {"num_hidden_layers", &config->layers},
               {"num_attention_heads", &config->heads},
               {"intermediate_size", &config->intermediate},
               {"vocab_size", &config->vocabulary},
               {"max_position_embeddings", &config->positions},
               {"type_vocab_size", &config->type_vocabulary}};
  for (const auto& size : sizes) {
    *size.value = json.GetInt(size.name);
    if (*size.value < 1 || *size.value > kSizeMax) {
      return Error(Code::kCorruption, std::string("config.json: ") + size.name + " is " +
                                          std::to_string(*size.value) + ", not 1 to 16777216");
    }
  }
  if (config->hidden % config->heads != 0) {
    return Error(Code::kCorruption, "config.json: hidden_size " + std::to_string(config->hidden) +
                                        " is no multiple of num_attention_heads " +
                                        std::to_string(config->heads));
  }
  return Ok();
}

Status ReadModel(const json::Value& json, EncoderConfig* config) {
  const std::string type(json.GetString("model_type"));
  const bool roberta = type == "roberta" || type == "xlm-roberta" || type == "camembert";
  if (type != "bert" && !roberta) {
    return Error(Code::kUnsupported, "config.json: model_type '" + type +
                                         "' is not bert, roberta, xlm-roberta or camembert");
  }
  config->family = "bert";
  MALMOI_TRY(ReadSizes(json, config));
  const std::string activation(json.GetString("hidden_act", "gelu"));
  config->gelu_tanh = activation == "gelu_new" || activation == "gelu_pytorch_tanh";
  if (activation != "gelu" && !config->gelu_tanh) {
    return Error(Code::kUnsupported, "config.json: hidden_act '" + activation +
                                         "' is not gelu, gelu_new or gelu_pytorch_tanh");
  }
  const std::string position(json.GetString("position_embedding_type", "absolute"));
  if (position != "absolute" || json.GetBool("is_decoder")) {
    return Error(Code::kUnsupported,
                 "config.json: position_embedding_type '" + position +
                     "' or is_decoder: only encoders with absolute positions are supported");
  }
  config->layer_norm_eps = static_cast<float>(json.GetDouble("layer_norm_eps", 1e-12));
  config->padding_id = roberta ? static_cast<std::int32_t>(json.GetInt("pad_token_id", 1)) : -1;
  config->position_offset = config->padding_id + 1;
  if (config->padding_id < -1 || config->position_offset >= config->positions) {
    return Error(Code::kCorruption, "config.json: pad_token_id " +
                                        std::to_string(config->padding_id) +
                                        " leaves no position for a token");
  }
  return Ok();
}

Status ReadPooling(const json::Value& json, Pooling* pooling) {
  static constexpr struct {
    const char* flag;
    const char* name;
    Pooling value;
  } kModes[] = {{"pooling_mode_mean_tokens", "mean", Pooling::kMean},
                {"pooling_mode_cls_token", "cls", Pooling::kCls},
                {"pooling_mode_max_tokens", "max", Pooling::kMax},
                {"pooling_mode_lasttoken", "lasttoken", Pooling::kLast}};
  int found = json.GetBool("pooling_mode_mean_sqrt_len_tokens") ||
                      json.GetBool("pooling_mode_weightedmean_tokens")
                  ? 2
                  : 0;
  for (const auto& mode : kModes) {
    if (json.GetBool(mode.flag) || json.GetString("pooling_mode") == mode.name) {
      *pooling = mode.value;
      ++found;
    }
  }
  if (found == 1) return Ok();
  return Error(Code::kUnsupported,
               "pooling is not exactly one of mean, cls, max and lasttoken: " + json.Dump());
}

Status ReadModules(const std::string& directory, EncoderConfig* config) {
  MALMOI_TRY(auto modules, ReadJson(directory, "modules.json"));
  std::string pooling = "1_Pooling";
  if (modules) {
    config->normalize = false;
    for (const json::Value& module : modules->items()) {
      const std::string_view type = module.GetString("type");
      const std::string_view name = type.substr(type.rfind('.') + 1);
      if (name == "Normalize") {
        config->normalize = true;
      } else if (name == "Pooling") {
        pooling = module.GetString("path");
      } else if (name != "Transformer") {
        return Error(Code::kUnsupported, "modules.json: module '" + std::string(type) +
                                             "' is not Transformer, Pooling or Normalize");
      }
    }
  }
  MALMOI_TRY(auto json, ReadJson(directory, pooling + "/config.json"));
  if (json) MALMOI_TRY(ReadPooling(*json, &config->pooling));
  return Ok();
}

}  // namespace

Result<EncoderConfig> ReadEncoderConfig(const std::string& directory) {
  EncoderConfig config;
  MALMOI_TRY(auto json, ReadJson(directory, "config.json"));
  if (!json) return Error(Code::kNotFound, "'" + directory + "' has no config.json");
  MALMOI_TRY(ReadModel(*json, &config));
  MALMOI_TRY(ReadModules(directory, &config));
  const std::int64_t room = config.positions - config.position_offset;
  MALMOI_TRY(auto limits, ReadJson(directory, "sentence_bert_config.json"));
  const std::int64_t limit = limits ? limits->GetInt("max_seq_length", room) : room;
  config.max_tokens = static_cast<std::size_t>(limit < 1 ? room : std::min(limit, room));
  return config;
}

}  // namespace malmoi::model
