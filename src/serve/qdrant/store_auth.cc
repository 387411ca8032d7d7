#include <ctime>

#include "base/hash.h"
#include "base/strings.h"
#include "qdrant/parse.h"
#include "serve/qdrant/store_access.h"

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
  if (access == Access::kRead || access == Access::kGlobal) return Allowed();
  return Refused(403, access == Access::kManage
                          ? "Forbidden: Global manage access is required"
                          : "Forbidden: Only read access is allowed with this key");
}

// Whether the rights "r", "rw" or "prw" (points alone) of a collection are enough.
bool Enough(std::string_view right, Access access) {
  switch (access) {
    case Access::kRead:
      return right == "r" || right == "rw" || right == "prw";
    case Access::kPoints:
      return right == "rw" || right == "prw";
    case Access::kWrite:
      return right == "rw";
    default:
      return false;
  }
}

Verdict ByCollection(const Value& rights, Access access, const std::string& collection) {
  if (access == Access::kManage) return Refused(403, "Forbidden: Global manage access is required");
  if (access == Access::kGlobal) return Refused(403, "Forbidden: Global access is required");
  if (collection.empty()) return Allowed();  // A list: MaySee keeps what the token names.
  for (const Value& entry : rights.items()) {
    if (entry.GetString("collection") != collection) continue;
    // A restriction that is not applied here must not pass for one that is.
    if (const Value* part = entry.Find("payload"); part && !part->is_null()) {
      return Refused(403, "Forbidden: tokens with payload restrictions are not supported");
    }
    if (Enough(entry.GetString("access"), access)) return Allowed();
    return Refused(403, "Forbidden: Write access to collection " + collection + " is required");
  }
  return Refused(403, "Forbidden: Access to collection " + collection + " is required");
}

// {"collection": NAME, "matches": [{"key", "value"}]}: a point with all of these must be there.
bool ValueExists(qdrant::Service& service, const Value& claim) {
  std::vector<Value> conditions;
  const Value* matches = claim.Find("matches");
  if (matches == nullptr || !matches->is_array()) return false;
  for (const Value& match : matches->items()) {
    const Value* key = match.Find("key");
    const Value* value = match.Find("value");
    if (key == nullptr || value == nullptr) return false;
    conditions.push_back(
        Value::Object({{"key", *key}, {"match", Value::Object({{"value", *value}})}}));
  }
  qdrant::ScrollPoints request;
  request.limit = 1;
  request.with_payload.enabled = false;
  qdrant::Why why;
  const Value filter = Value::Object({{"must", Value::Array(std::move(conditions))}});
  if (!qdrant::ReadFilter(filter, &request.filter, &why)) return false;
  const auto collection = service.Find(std::string(claim.GetString("collection")));
  if (!collection.ok()) return false;
  const auto page = collection.value()->store->Scroll(std::nullopt, 1, request.filter.get(), false);
  return page.ok() && !page.value().points.empty();
}

Verdict ByClaims(qdrant::Service& service, const Value& claims, Access access,
                 const std::string& collection) {
  if (const Value* expires = claims.Find("exp")) {
    if (expires->AsInt().value_or(0) < static_cast<std::int64_t>(std::time(nullptr))) {
      return Refused(401, "Invalid API key or JWT");
    }
  }
  if (const Value* claim = claims.Find("value_exists"); claim && !claim->is_null()) {
    if (!ValueExists(service, *claim)) {
      return Refused(401, "Invalid JWT, stateful validation failed");
    }
  }
  const Value* rights = claims.Find("access");
  if (rights == nullptr || rights->AsString() == "m") return Allowed();
  if (rights->AsString() == "r") return ReadOnly(access);
  if (!rights->is_array()) return Refused(401, "Invalid API key or JWT");
  return ByCollection(*rights, access, collection);
}

std::optional<Value> ClaimsOf(const StoreSettings& settings, std::string_view key) {
  if (!settings.jwt_rbac) return std::nullopt;
  for (const std::string& secret : {settings.api_key, settings.alt_api_key}) {
    if (auto claims = Claims(key, secret)) return claims;
  }
  return std::nullopt;
}

}  // namespace

Verdict CheckKey(qdrant::Service& service, const StoreSettings& settings, std::string_view key,
                 Access access, const std::string& collection) {
  const bool open = settings.api_key.empty() && settings.alt_api_key.empty() &&
                    settings.read_only_api_key.empty();
  if (open || access == Access::kPublic) return Allowed();
  if (key.empty()) {
    return Refused(401, "Must provide an API key or an Authorization bearer token");
  }
  const bool whole = SameText(settings.api_key, key) || SameText(settings.alt_api_key, key);
  if (whole || SameText(settings.read_only_api_key, key)) {
    Verdict verdict = whole ? Allowed() : ReadOnly(access);
    verdict.auth = "ApiKey";
    return verdict;
  }
  if (const auto claims = ClaimsOf(settings, key)) {
    Verdict verdict = ByClaims(service, *claims, access, collection);
    verdict.auth = "Jwt";
    verdict.subject = std::string(claims->GetString("subject"));
    return verdict;
  }
  return Refused(401, "Invalid API key or JWT");
}

bool MaySee(const StoreSettings& settings, std::string_view key, const std::string& collection) {
  const auto claims = ClaimsOf(settings, key);
  const Value* rights = claims ? claims->Find("access") : nullptr;
  if (rights == nullptr || !rights->is_array()) return true;
  for (const Value& entry : rights->items()) {
    if (entry.GetString("collection") == collection) return true;
  }
  return false;
}

}  // namespace malmoi::serve
