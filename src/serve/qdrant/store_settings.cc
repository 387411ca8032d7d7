#include "serve/qdrant/store_settings.h"

#include <vector>

#include "base/strings.h"

namespace malmoi::serve {
namespace {

std::string_view WithoutComment(std::string_view line) {
  char quote = 0;
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (quote != 0) {
      if (line[i] == quote) quote = 0;
    } else if (line[i] == '"' || line[i] == '\'') {
      quote = line[i];
    } else if (line[i] == '#' && (i == 0 || line[i - 1] == ' ' || line[i - 1] == '\t')) {
      return line.substr(0, i);
    }
  }
  return line;
}

std::string Unquoted(std::string_view value) {
  value = Trim(value);
  if (value.size() >= 2 && (value.front() == '"' || value.front() == '\'') &&
      value.back() == value.front()) {
    value = value.substr(1, value.size() - 2);
  }
  if (value == "null" || value == "~") return "";
  return std::string(value);
}

struct Level {
  std::size_t indent;
  std::string prefix;
};

Error Wrong(const std::string& key, const std::string& value, std::string_view what) {
  return Error(Code::kInvalidArgument,
               "setting " + key + ": '" + value + "' is not " + std::string(what));
}

}  // namespace

Result<std::map<std::string, std::string>> ParseYamlSettings(std::string_view text) {
  std::map<std::string, std::string> values;
  std::vector<Level> levels = {{0, ""}};
  std::size_t number = 0;
  for (std::string_view line : Split(text, '\n')) {
    ++number;
    line = WithoutComment(line);
    const std::string_view content = Trim(line);
    if (content.empty() || content == "---" || content.starts_with("- ")) continue;
    const std::size_t indent = line.find_first_not_of(" \t");
    const std::size_t colon = content.find(':');
    if (colon == std::string_view::npos) {
      return Error(Code::kInvalidArgument,
                   "read settings: line " + std::to_string(number) + ": expected KEY: VALUE");
    }
    while (levels.size() > 1 && indent < levels.back().indent) levels.pop_back();
    const std::string key = levels.back().prefix + Unquoted(content.substr(0, colon));
    const std::string value = Unquoted(content.substr(colon + 1));
    if (Trim(content.substr(colon + 1)).empty()) {
      levels.push_back({indent + 1, key + "."});
    } else {
      values[key] = value;
    }
  }
  return values;
}

std::map<std::string, std::string> EnvironmentSettings(const char* const* environment) {
  std::map<std::string, std::string> values;
  for (const char* const* entry = environment; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const std::size_t equals = text.find('=');
    if (!text.starts_with("QDRANT__") || equals == std::string_view::npos) continue;
    const std::string name = AsciiLower(text.substr(8, equals - 8));
    values[ReplaceAll(name, "__", ".")] = std::string(text.substr(equals + 1));
  }
  return values;
}

namespace {

constexpr const char* kPort = "a port, 0 to 65535 (0: any that is free)";

// The keys of section "audit". False: it is none of them.
Result<bool> ApplyAudit(const std::string& key, const std::string& value, AuditSettings* out) {
  const bool flag = AsciiLower(value) == "true" || value == "1";
  if (key == "audit.enabled") {
    out->enabled = flag;
  } else if (key == "audit.dir") {
    out->directory = value;
  } else if (key == "audit.rotation") {
    const std::string name = AsciiLower(value);
    if (name != "daily" && name != "hourly") return Wrong(key, value, "daily or hourly");
    out->hourly = name == "hourly";
  } else if (key == "audit.max_log_files") {
    const auto number = ParseInt(value);
    if (!number || *number < 0) return Wrong(key, value, "a number of files");
    out->files_max = static_cast<std::size_t>(*number);
  } else if (key == "audit.trust_forwarded_headers") {
    out->trust_forwarded = flag;
  } else if (key == "audit.log_api") {
    out->log_api = flag;
  } else {
    return false;
  }
  return true;
}

}  // namespace

Status ApplyStoreSettings(const std::map<std::string, std::string>& values, StoreSettings* out) {
  for (const auto& [key, value] : values) {
    MALMOI_TRY(const bool audit, ApplyAudit(key, value, &out->audit));
    if (audit) continue;
    const auto number = ParseInt(value);
    const bool flag = AsciiLower(value) == "true" || value == "1";
    if (key == "service.host") {
      out->host = value;
    } else if (key == "service.http_port") {
      if (!number || *number < 0 || *number > 65535) return Wrong(key, value, kPort);
      out->http_port = static_cast<std::uint16_t>(*number);
    } else if (key == "service.grpc_port") {
      const bool none = value.empty() || AsciiLower(value) == "null" || value == "~";
      if (!none && (!number || *number < 0 || *number > 65535)) return Wrong(key, value, kPort);
      out->grpc_port.reset();
      if (!none) out->grpc_port = static_cast<std::uint16_t>(*number);
    } else if (key == "storage.storage_path") {
      out->storage = value;
    } else if (key == "storage.snapshots_path") {
      out->snapshots = value;
    } else if (key == "service.api_key") {
      out->api_key = value;
    } else if (key == "service.alt_api_key") {
      out->alt_api_key = value;
    } else if (key == "service.read_only_api_key") {
      out->read_only_api_key = value;
    } else if (key == "service.jwt_rbac") {
      out->jwt_rbac = flag;
    } else if (key == "service.enable_cors") {
      out->enable_cors = flag;
    } else if (key == "service.enable_tls") {
      out->enable_tls = flag;
    } else if (key == "tls.cert") {
      out->tls_certificate = value;
    } else if (key == "tls.key") {
      out->tls_key = value;
    } else if (key == "tls.ca_cert") {
      out->tls_ca = value;
    } else if (key == "service.verify_https_client_certificate") {
      out->verify_clients = flag;
    } else if (key == "service.verify_grpc_client_certificate") {
      out->verify_grpc_clients = flag;
    } else if (key == "tls.cert_ttl") {
      const bool none = value.empty() || AsciiLower(value) == "null" || value == "~";
      if (!none && (!number || *number < 0)) return Wrong(key, value, "seconds, or null");
      out->tls_reload = none ? 0 : static_cast<std::uint64_t>(*number);
    } else if (key == "service.max_request_size_mb") {
      if (!number || *number < 1 || *number > 4096) return Wrong(key, value, "a size in MB");
      out->max_request_mb = static_cast<std::uint64_t>(*number);
    } else if (key == "storage.memory_budget_mb") {
      if (!number || *number < 0 || *number > 1 << 30) {
        return Wrong(key, value, "a whole number of MiB, such as 4096; 0 is no limit");
      }
      out->memory_budget_mb = static_cast<std::uint64_t>(*number);
    } else if (key == "service.slow_query_secs") {
      const auto seconds = ParseDouble(value);
      if (!seconds || *seconds < 0) return Wrong(key, value, "a number of seconds");
      out->slow_query_seconds = *seconds;
    } else if (key == "storage.recovery_mode") {
      out->recovery_reason = value;
    } else if (key == "service.metrics_prefix") {
      out->metrics_prefix = value;
    } else if (key == "service.max_workers") {
      if (number && *number > 0) out->workers = static_cast<std::size_t>(*number);
    }
  }
  return Ok();
}

}  // namespace malmoi::serve
