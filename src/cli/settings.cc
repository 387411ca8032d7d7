#include "cli/settings.h"

#include <algorithm>

#include "base/check.h"
#include "base/strings.h"
#include "os/paths.h"
#include "os/vfs.h"

namespace malmoi::cli {
namespace {

enum class Kind { kText, kNumber };
struct Definition {
  const char* name;
  const char* value;
  Kind kind;
  const char* help;
};
constexpr Definition kDefinitions[] = {
    {"data", "", Kind::kText, "data directory (default $XDG_DATA_HOME/malmoi)"},
    {"collection", "default", Kind::kText, "collection to use"},
    {"model", "multilingual-e5-small", Kind::kText,
     "embedding model: id, directory, an embedding server (tei://HOST:PORT, http://HOST/v1), or "
     "none "
     "for lexical search only"},
    {"model-key", "", Kind::kText, "API key of the embedding server"},
    {"store", "", Kind::kText,
     "where chunks are stored: empty for the data directory, qdrant://HOST:PORT (REST) or "
     "qdrant+grpc://HOST:PORT (gRPC)"},
    {"store-key", "", Kind::kText, "API key of that store"},
    {"store-ca", "", Kind::kText, "PEM file: authorities that store's certificate may be from"},
    {"store-cert", "", Kind::kText, "PEM file: certificate to show to that store"},
    {"store-cert-key", "", Kind::kText, "PEM file: key of that certificate"},
    {"dtype", "float32", Kind::kText, "arithmetic of the embedding model: float32, bfloat16, int8"},
    {"threads", "0", Kind::kNumber, "computing threads; 0: all usable cores"},
    {"jobs", "0", Kind::kNumber, "reader processes; 0: all usable cores"},
    {"llm", "none", Kind::kText,
     "who words answers: none, local, a .gguf file, or an endpoint URL"},
    {"llm-model", "", Kind::kText, "model name at the endpoint; empty: its first"},
    {"llm-key", "", Kind::kText, "API key of the endpoint"},
    {"host", "127.0.0.1", Kind::kText, "address to serve on"},
    {"port", "7700", Kind::kNumber, "port to serve on; 0: any free one"},
    {"api-key", "", Kind::kText, "key that clients must send; needed beyond loopback"},
    {"log", "warn", Kind::kText, "error, warn, info or debug"},
};

// MALMOI_LLM_KEY for llm-key.
std::string EnvironmentName(std::string_view name) {
  std::string out = "MALMOI_";
  for (const char c : name)
    out += c == '-' ? '_' : static_cast<char>(c >= 'a' && c <= 'z' ? c - 32 : c);
  return out;
}

}  // namespace

Status Settings::Set(const std::string& name, const std::string& value, const std::string& origin) {
  const auto it = std::find_if(settings_.begin(), settings_.end(),
                               [&](const Setting& s) { return s.name == name; });
  if (it == settings_.end()) {
    return Error(Code::kInvalidArgument,
                 origin + ": there is no setting '" + name + "'; see: malmoi config");
  }
  const Definition& definition = kDefinitions[it - settings_.begin()];
  const auto number = ParseInt(value);
  if (definition.kind == Kind::kNumber && (!number || *number < 0 || *number > 65535)) {
    return Error(Code::kInvalidArgument,
                 origin + ": " + name + " is '" + value + "', not a number from 0 to 65535");
  }
  it->value = value;
  it->origin = origin;
  return Ok();
}

Status Settings::LoadFile(const std::string& path, bool must_exist) {
  auto bytes = os::ReadFile(os::PosixVfs(), path);
  if (!bytes.ok()) {
    if (!must_exist && bytes.error().code() == Code::kNotFound) return Ok();
    return std::move(bytes.error()).With("configuration");
  }
  std::size_t number = 0;
  for (std::string_view line : Split(bytes.value(), '\n')) {
    ++number;
    line = Trim(line.substr(0, line.find('#')));
    if (line.empty()) continue;
    const std::string origin = "file " + path + ":" + std::to_string(number);
    const std::size_t equals = line.find('=');
    if (equals == std::string_view::npos) {
      return Error(Code::kInvalidArgument, origin + ": not of the form 'name = value'");
    }
    MALMOI_TRY(Set(std::string(Trim(line.substr(0, equals))),
                   std::string(Trim(line.substr(equals + 1))), origin));
  }
  return Ok();
}

Result<Settings> Settings::Load(const std::map<std::string, std::string>& flags) {
  Settings out;
  for (const Definition& d : kDefinitions) {
    out.settings_.push_back({d.name, d.value, "default", d.help});
  }
  out.settings_[0].value = os::JoinPath(os::DataHome(), "malmoi");
  if (const auto file = os::GetEnv("MALMOI_CONFIG")) {
    MALMOI_TRY(out.LoadFile(*file, true));
  } else {
    const std::string home =
        os::GetEnv("XDG_CONFIG_HOME")
            .value_or(os::JoinPath(os::GetEnv("HOME").value_or("."), ".config"));
    MALMOI_TRY(out.LoadFile(os::JoinPath(home, "malmoi/config"), false));
  }
  for (const Definition& d : kDefinitions) {
    const std::string name = EnvironmentName(d.name);
    if (const auto value = os::GetEnv(name.c_str())) {
      MALMOI_TRY(out.Set(d.name, *value, "environment " + name));
    }
  }
  for (const auto& [name, value] : flags) MALMOI_TRY(out.Set(name, value, "flag --" + name));
  return out;
}

const std::string& Settings::Get(std::string_view name) const {
  const auto it = std::find_if(settings_.begin(), settings_.end(),
                               [&](const Setting& s) { return s.name == name; });
  MALMOI_CHECK(it != settings_.end());
  return it->value;
}

std::int64_t Settings::GetInt(std::string_view name) const {
  return ParseInt(Get(name)).value_or(0);
}

}  // namespace malmoi::cli
