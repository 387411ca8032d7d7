#include "cli/embed_flags.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/strings.h"
#include "os/paths.h"

namespace malmoi::cli {
namespace {

using Form = EmbedFlag::Form;
constexpr EmbedFlag kFlags[] = {
    {"model-id", Form::kMany, "model: id, ORG/NAME or directory; repeatable, the first is default"},
    {"revision", Form::kOne, "branch, tag or commit of a model from the hub"},
    {"tokenization-workers", Form::kOne, "shown by /info; texts are tokenised by request threads"},
    {"dtype", Form::kOne, "float32 (default), float16, bfloat16 or int8"},
    {"served-model-name", Form::kMany,
     "name in OpenAI's API (default: the model's id); repeatable"},
    {"pooling", Form::kOne, "cls, mean, splade or last-token instead of the model's own"},
    {"max-concurrent-requests", Form::kOne, "inputs worked on or waiting before 429 (default 512)"},
    {"max-batch-tokens", Form::kOne, "tokens of one batch (default 16384)"},
    {"max-batch-requests", Form::kOne, "inputs of one batch (default: no limit)"},
    {"max-client-batch-size", Form::kOne,
     "inputs of one request; more are refused (default: 1024, split into batches of 32)"},
    {"auto-truncate", Form::kSwitch, "cut inputs that are too long (default true)"},
    {"default-prompt-name", Form::kOne, "prompt of the model that goes before each text"},
    {"default-prompt", Form::kOne, "text that goes before each text"},
    {"dense-path", Form::kOne, "accepted, without effect: modules.json names the Dense modules"},
    {"hf-token", Form::kOne, "token for the hub"},
    {"hf-api-token", Form::kOne, "old name of --hf-token"},
    {"hostname", Form::kOne, "address (default 0.0.0.0)"},
    {"port", Form::kOne, "port (default 3000)"},
    {"uds-path", Form::kOne, "accepted, without effect"},
    {"huggingface-hub-cache", Form::kOne, "folder of models from the hub"},
    {"payload-limit", Form::kOne, "bytes of a request's body (default 2000000)"},
    {"api-key", Form::kOne, "key that clients must send"},
    {"json-output", Form::kSwitch, "accepted, without effect: the log has key=value lines"},
    {"disable-spans", Form::kSwitch, "accepted, without effect"},
    {"otlp-endpoint", Form::kOne, "accepted, without effect"},
    {"otlp-service-name", Form::kOne, "accepted, without effect"},
    {"prometheus-port", Form::kOne,
     "port for /metrics alone (default: none; /metrics is on --port)"},
    {"grpc-port", Form::kOne, "port for gRPC, package tei.v1 (default: none)"},
    {"cors-allow-origin", Form::kMany, "origin that browsers may call from (default: any)"},
    {"tls-cert", Form::kOne, "PEM file with the certificate chain: serve HTTPS"},
    {"tls-key", Form::kOne, "PEM file with the certificate's key"},
};
constexpr const char* kWithoutEffect[] = {"dense-path",    "uds-path",      "json-output",
                                          "disable-spans", "otlp-endpoint", "otlp-service-name"};

std::string EnvironmentName(std::string_view flag) {
  std::string out;
  for (const char c : flag) {
    out += c == '-' ? '_' : static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
  }
  return out;
}

class Reader {
 public:
  explicit Reader(const std::map<std::string, std::vector<std::string>>& flags) : flags_(flags) {}

  std::vector<std::string> Many(const char* name) const {
    if (const auto it = flags_.find(name); it != flags_.end()) return it->second;
    if (const auto value = os::GetEnv(EnvironmentName(name).c_str())) return {*value};
    return {};
  }
  std::optional<std::string> One(const char* name) const {
    const auto all = Many(name);
    return all.empty() ? std::nullopt : std::optional(all.back());
  }
  std::string Text(const char* name, const char* fallback = "") const {
    return One(name).value_or(fallback);
  }

  template <class T>
  Status Number(const char* name, std::int64_t least, std::int64_t most, T* to) const {
    const auto text = One(name);
    if (!text) return Ok();
    const auto value = ParseInt(*text);
    if (!value || *value < least || *value > most) {
      return Wrong(name, *text,
                   "a number from " + std::to_string(least) + " to " + std::to_string(most));
    }
    *to = static_cast<T>(*value);
    return Ok();
  }
  Status Switch(const char* name, bool* to) const {
    const auto text = One(name);
    if (!text) return Ok();
    const std::string value = AsciiLower(*text);
    if (value != "true" && value != "false" && !value.empty()) {
      return Wrong(name, *text, "true or false");
    }
    *to = value != "false";
    return Ok();
  }
  Status Choice(const char* name, std::initializer_list<const char*> choices,
                std::string* to) const {
    const auto text = One(name);
    if (!text) return Ok();
    std::string known;
    for (const char* choice : choices) {
      if (*text == choice) {
        *to = *text;
        return Ok();
      }
      known += (known.empty() ? "" : ", ") + std::string(choice);
    }
    return Wrong(name, *text, "one of " + known);
  }

  static Error Wrong(const char* name, const std::string& value, const std::string& wanted) {
    return Error(Code::kInvalidArgument,
                 std::string("--") + name + " '" + value + "' is not " + wanted);
  }

 private:
  const std::map<std::string, std::vector<std::string>>& flags_;
};

Status ReadModels(const Reader& reader, serve::tei::ServerOptions* out) {
  const auto ids = reader.Many("model-id");
  const auto names = reader.Many("served-model-name");
  if (ids.empty()) return Error(Code::kInvalidArgument, "no model: give --model-id");
  if (names.size() > ids.size()) {
    return Error(Code::kInvalidArgument, "--served-model-name is given more often than --model-id");
  }
  for (std::size_t i = 0; i < ids.size(); ++i) {
    out->models.push_back({ids[i], i < names.size() ? names[i] : std::string()});
  }
  return Ok();
}

Status ReadLimits(const Reader& reader, serve::tei::ServerOptions* out) {
  constexpr std::int64_t kMany = 1 << 20;
  MALMOI_TRY(reader.Number("tokenization-workers", 1, 64, &out->tokenization_workers));
  MALMOI_TRY(reader.Number("max-concurrent-requests", 1, kMany, &out->max_concurrent_requests));
  MALMOI_TRY(reader.Number("max-batch-tokens", 1, kMany, &out->max_batch_tokens));
  MALMOI_TRY(reader.Number("max-client-batch-size", 1, kMany, &out->max_client_batch_size));
  out->split_batches = !reader.One("max-client-batch-size");
  MALMOI_TRY(reader.Number("payload-limit", 1, std::int64_t{1} << 32, &out->payload_limit));
  MALMOI_TRY(reader.Number("port", 0, 65535, &out->port));
  MALMOI_TRY(reader.Number("prometheus-port", 0, 65535, &out->prometheus_port));
  std::uint16_t grpc = 0;
  if (reader.One("grpc-port")) {
    MALMOI_TRY(reader.Number("grpc-port", 0, 65535, &grpc));
    out->grpc_port = grpc;
  }
  std::size_t requests = 0;
  MALMOI_TRY(reader.Number("max-batch-requests", 1, kMany, &requests));
  if (requests > 0) out->max_batch_requests = requests;
  return Ok();
}

}  // namespace

std::span<const EmbedFlag> EmbedFlagTable() {
  return kFlags;
}

Result<serve::tei::ServerOptions> ReadEmbedFlags(
    const std::map<std::string, std::vector<std::string>>& flags,
    std::vector<std::string>* warnings) {
  const Reader reader(flags);
  serve::tei::ServerOptions out;
  MALMOI_TRY(ReadModels(reader, &out));
  MALMOI_TRY(ReadLimits(reader, &out));
  MALMOI_TRY(reader.Choice("dtype", {"float32", "float16", "bfloat16", "int8"}, &out.dtype));
  MALMOI_TRY(reader.Choice("pooling", {"cls", "mean", "splade", "last-token"}, &out.pooling));
  MALMOI_TRY(reader.Switch("auto-truncate", &out.auto_truncate));
  out.revision = reader.Text("revision");
  out.default_prompt = reader.One("default-prompt");
  out.default_prompt_name = reader.One("default-prompt-name");
  if (out.default_prompt && out.default_prompt_name) {
    return Error(Code::kInvalidArgument,
                 "--default-prompt and --default-prompt-name cannot be given together");
  }
  out.hostname = reader.Text("hostname", "0.0.0.0");
  out.api_key = reader.Text("api-key");
  out.cors_allow_origin = reader.Many("cors-allow-origin");
  out.tls_cert = reader.Text("tls-cert");
  out.tls_key = reader.Text("tls-key");
  out.task = os::GetEnv("TASK").value_or("");
  out.vertex_predict_route = os::GetEnv("AIP_PREDICT_ROUTE").value_or("");
  out.vertex_health_route = os::GetEnv("AIP_HEALTH_ROUTE").value_or("");
  for (const char* name : kWithoutEffect) {
    if (flags.contains(name)) warnings->push_back(std::string("--") + name + " has no effect here");
  }
  return out;
}

}  // namespace malmoi::cli
