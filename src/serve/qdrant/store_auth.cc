#include <ctime>

#include "base/hash.h"
#include "base/strings.h"
#include "serve/qdrant/store_front_internal.h"

namespace malmoi::serve {
namespace {

using json::Value;

bool SameText(std::string_view a, std::string_view b) {
  if (a.empty() || a.size() != b.size()) return false;
  unsigned char difference = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    difference = static_cast<unsigned char>(difference | (a[i] ^ b[i]));
  }
  return difference == 0;
}

std::string Sha256Bytes(std::string_view bytes) {
  return ParseHex(Sha256Hex(bytes)).value_or("");
}

// RFC 2104 over SHA-256.
std::string HmacSha256(std::string key, std::string_view message) {
  if (key.size() > 64) key = Sha256Bytes(key);
  key.resize(64, '\0');
  std::string inner, outer;
  for (const char c : key) {
    inner.push_back(static_cast<char>(c ^ 0x36));
    outer.push_back(static_cast<char>(c ^ 0x5c));
  }
  return Sha256Bytes(outer + Sha256Bytes(inner + std::string(message)));
}

std::optional<std::string> Base64Url(std::string_view text) {
  std::string out;
  unsigned bits = 0, count = 0;
  for (const char c : text) {
    unsigned v = 0;
    if (c >= 'A' && c <= 'Z') {
      v = static_cast<unsigned>(c - 'A');
    } else if (c >= 'a' && c <= 'z') {
      v = static_cast<unsigned>(c - 'a') + 26;
    } else if (c >= '0' && c <= '9') {
      v = static_cast<unsigned>(c - '0') + 52;
    } else if (c == '-') {
      v = 62;
    } else if (c == '_') {
      v = 63;
    } else {
      return std::nullopt;
    }
    bits = bits << 6 | v;
    count += 6;
    if (count < 8) continue;
    count -= 8;
    out.push_back(static_cast<char>(bits >> count & 0xff));
  }
  return out;
}

// The claims of a token that is signed with the key (RFC 7519, HS256 alone), or nothing.
std::optional<Value> Claims(std::string_view token, const std::string& key) {
  const auto parts = Split(token, '.');
  if (parts.size() != 3 || key.empty()) return std::nullopt;
  const auto header = Base64Url(parts[0]);
  const auto claims = Base64Url(parts[1]);
  const auto signature = Base64Url(parts[2]);
  if (!header || !claims || !signature) return std::nullopt;
  const auto head = json::Parse(*header);
  if (!head.ok() || head.value().GetString("alg") != "HS256") return std::nullopt;
  const std::string_view signed_part = token.substr(0, parts[0].size() + 1 + parts[1].size());
  if (!SameText(HmacSha256(key, signed_part), *signature)) return std::nullopt;
  auto parsed = json::Parse(*claims);
  if (!parsed.ok() || !parsed.value().is_object()) return std::nullopt;
  return std::move(parsed).value();
}

Verdict Allowed() {
  return {.allowed = true, .status = 200, .message = {}};
}
Verdict Refused(int status, std::string message) {
  return {.allowed = false, .status = status, .message = std::move(message)};
}

Verdict ReadOnly(Access access) {
  if (access == Access::kRead) return Allowed();
  return Refused(403, access == Access::kManage
                          ? "Forbidden: Global manage access is required"
                          : "Forbidden: Only read access is allowed with this key");
}

// `access`: "r", "m", or a list of collections with "r" or "rw".
Verdict ByClaims(const Value& claims, Access access, const std::string& collection) {
  if (const Value* expires = claims.Find("exp")) {
    if (expires->AsInt().value_or(0) < static_cast<std::int64_t>(std::time(nullptr))) {
      return Refused(401, "Invalid API key or JWT");
    }
  }
  // A condition that is not checked here must not pass for one that holds.
  if (const Value* condition = claims.Find("value_exists"); condition && !condition->is_null()) {
    return Refused(403, "Forbidden: tokens with value_exists are not supported");
  }
  const Value* rights = claims.Find("access");
  if (rights == nullptr || rights->AsString() == "m") return Allowed();
  if (rights->AsString() == "r") return ReadOnly(access);
  for (const Value& entry : rights->items()) {
    if (collection.empty() || entry.GetString("collection") != collection) continue;
    if (const Value* part = entry.Find("payload"); part && !part->is_null()) {
      return Refused(403, "Forbidden: tokens with payload restrictions are not supported");
    }
    const std::string_view right = entry.GetString("access");
    if (access == Access::kRead || (access == Access::kWrite && right.ends_with("w"))) {
      return Allowed();
    }
    return Refused(403, "Forbidden: Access to collection " + collection + " is required");
  }
  return Refused(403, collection.empty()
                          ? "Forbidden: Global access is required"
                          : "Forbidden: Access to collection " + collection + " is required");
}

}  // namespace

Verdict CheckKey(const StoreSettings& settings, const net::Request& request, Access access,
                 const std::string& collection) {
  const bool open = settings.api_key.empty() && settings.alt_api_key.empty() &&
                    settings.read_only_api_key.empty();
  if (open || access == Access::kPublic) return Allowed();
  std::string_view key = net::FindHeader(request.headers, "api-key");
  if (key.empty()) {
    const std::string_view header = net::FindHeader(request.headers, "authorization");
    if (header.starts_with("Bearer ")) key = header.substr(7);
  }
  if (key.empty()) {
    return Refused(401, "Must provide an API key or an Authorization bearer token");
  }
  if (SameText(settings.api_key, key) || SameText(settings.alt_api_key, key)) return Allowed();
  if (SameText(settings.read_only_api_key, key)) return ReadOnly(access);
  if (settings.jwt_rbac) {
    for (const std::string& secret : {settings.api_key, settings.alt_api_key}) {
      if (const auto claims = Claims(key, secret)) return ByClaims(*claims, access, collection);
    }
  }
  return Refused(401, "Invalid API key or JWT");
}

}  // namespace malmoi::serve
