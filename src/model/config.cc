#include "model/config_internal.h"
#include "os/vfs.h"

namespace malmoi::model {
namespace {

// Above every published encoder; keeps products of sizes far from overflow.
constexpr std::int64_t kSizeMax = 1 << 24;

}  // namespace

Result<std::optional<json::Value>> ReadJson(const std::string& directory, std::string_view name) {
  const std::string path = os::JoinPath(directory, name);
  auto text = os::ReadFile(os::PosixVfs(), path);
  if (!text.ok() && text.error().code() == Code::kNotFound) return std::optional<json::Value>();
  if (!text.ok()) return std::move(text.error());
  auto value = json::Parse(text.value());
  if (!value.ok()) return Error(Code::kCorruption, path + ": " + value.error().message());
  return std::optional<json::Value>(std::move(value).value());
}

const json::Value* ConfigReader::Find(std::initializer_list<const char*> names) const {
  for (const char* name : names) {
    const json::Value* value = json_.Find(name);
    if (value != nullptr && !value->is_null()) return value;
  }
  return nullptr;
}

std::int64_t ConfigReader::Size(std::initializer_list<const char*> names, std::int64_t fallback) {
  const json::Value* value = Find(names);
  const std::int64_t size = value == nullptr ? fallback : value->AsInt().value_or(-1);
  if (size >= 1 && size <= kSizeMax) return size;
  Fail(Code::kCorruption,
       std::string(*names.begin()) + " is " +
           (value == nullptr ? "missing" : value->Dump() + ", not 1 to 16777216"));
  return 1;
}

float ConfigReader::Eps(std::initializer_list<const char*> names, double fallback) {
  const json::Value* value = Find(names);
  const double eps = value == nullptr ? fallback : value->AsDouble().value_or(-1);
  if (eps >= 0 && eps < 1) return static_cast<float>(eps);
  Fail(Code::kCorruption,
       std::string(*names.begin()) + " is " + std::to_string(eps) + ", not 0 to 1");
  return 0;
}

std::string_view ConfigReader::Text(std::initializer_list<const char*> names,
                                    std::string_view fallback) const {
  const json::Value* value = Find(names);
  return value == nullptr ? fallback : value->AsString().value_or("");
}

bool ConfigReader::Flag(const char* name, bool fallback) const {
  const json::Value* value = Find({name});
  return value == nullptr ? fallback : value->AsBool().value_or(fallback);
}

void ConfigReader::Refuse(bool present, const std::string& field) {
  if (present) Fail(Code::kUnsupported, field + " is not implemented with this value");
}

void ConfigReader::Check(bool good, const std::string& message) {
  if (!good) Fail(Code::kCorruption, message);
}

Status ConfigReader::status() const {
  return error_ ? Status(error_->Clone()) : Ok();
}

void ConfigReader::Fail(Code code, const std::string& message) {
  if (!error_) error_ = Error(code, "config.json: " + message);
}

void ReadSizes(ConfigReader* reader, EncoderConfig* config) {
  config->hidden = reader->Size({"hidden_size", "n_embd", "dim", "d_model"});
  config->layers = reader->Size({"num_hidden_layers", "n_layer", "n_layers", "num_layers"});
  config->heads = reader->Size({"num_attention_heads", "n_head", "n_heads"});
  config->intermediate =
      reader->Size({"intermediate_size", "n_inner", "hidden_dim"}, 4 * config->hidden);
  config->vocabulary = reader->Size({"vocab_size"});
  reader->Check(config->hidden % config->heads == 0,
                "hidden_size " + std::to_string(config->hidden) +
                    " is no multiple of num_attention_heads " + std::to_string(config->heads));
}

}  // namespace malmoi::model
