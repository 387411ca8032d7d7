#include "vec/filter.h"

#include "base/strings.h"
#include "json/value.h"

namespace malmoi::vec {
namespace {

constexpr int kDepthMax = 32;

Error Wrong(std::string message) {
  return Error(Code::kInvalidArgument, "filter: " + std::move(message));
}

Result<Filter> ParseAt(const json::Value& json, int depth);

Result<std::variant<std::string, std::int64_t, bool>> MatchValue(const json::Value& v) {
  if (const auto s = v.AsString())
    return std::variant<std::string, std::int64_t, bool>(std::string(*s));
  if (const auto b = v.AsBool()) return std::variant<std::string, std::int64_t, bool>(*b);
  if (const auto i = v.AsInt()) return std::variant<std::string, std::int64_t, bool>(*i);
  return Wrong("match takes a string, an integer or a bool, got " + v.Dump());
}

Result<FieldCondition> ParseMatch(std::string key, const json::Value& match) {
  if (!match.is_object() || match.members().size() != 1) {
    return Wrong("match of key '" + key + "' must be an object with one member");
  }
  const auto& [name, value] = match.members().front();
  if (name == "prefix") {
    if (!value.is_string()) return Wrong("prefix of key '" + key + "' must be a string");
    return FieldCondition{std::move(key), PrefixMatch{std::string(*value.AsString())}};
  }
  MatchAny any;
  if (name == "value") {
    MALMOI_TRY(auto v, MatchValue(value));
    any.values.push_back(std::move(v));
  } else if (name == "any" && value.is_array()) {
    for (const auto& item : value.items()) {
      MALMOI_TRY(auto v, MatchValue(item));
      any.values.push_back(std::move(v));
    }
  } else {
    return Wrong("match of key '" + key + "' takes value, any (an array) or prefix, got '" + name +
                 "'");
  }
  return FieldCondition{std::move(key), std::move(any)};
}

Result<FieldCondition> ParseRange(std::string key, const json::Value& range) {
  if (!range.is_object()) return Wrong("range of key '" + key + "' must be an object");
  Range out{};
  for (const auto& [name, value] : range.members()) {
    if (value.is_null()) continue;
    if (!value.is_number()) {
      return Wrong("range bound '" + name + "' of key '" + key + "' must be a number");
    }
    const double x = *value.AsDouble();
    if (name == "lt") {
      out.lt = x;
    } else if (name == "lte") {
      out.lte = x;
    } else if (name == "gt") {
      out.gt = x;
    } else if (name == "gte") {
      out.gte = x;
    } else {
      return Wrong("range of key '" + key + "' takes lt, lte, gt and gte, got '" + name + "'");
    }
  }
  return FieldCondition{std::move(key), out};
}

Result<HasId> ParseHasId(const json::Value& json) {
  if (!json.is_array()) return Wrong("has_id must be an array");
  HasId out;
  for (const auto& item : json.items()) {
    Uuid uuid;
    if (const auto number = item.AsUint(); number && item.kind() != json::Value::Kind::kDouble) {
      out.ids.emplace_back(*number);
    } else if (item.is_string() && ParseUuid(*item.AsString(), &uuid)) {
      out.ids.emplace_back(uuid);
    } else {
      return Wrong("has_id takes unsigned integers and UUIDs, got " + item.Dump());
    }
  }
  return out;
}

Result<Condition> ParseField(const json::Value& json) {
  const json::Value* key = json.Find("key");
  if (!key->is_string() || key->AsString()->empty()) return Wrong("key must be a non-empty string");
  std::string name(*key->AsString());
  if (json.members().size() != 2) {
    return Wrong("key '" + name + "' must stand with exactly one of match and range");
  }
  if (const auto* match = json.Find("match")) {
    MALMOI_TRY(auto field, ParseMatch(std::move(name), *match));
    return Condition{std::move(field)};
  }
  if (const auto* range = json.Find("range")) {
    MALMOI_TRY(auto field, ParseRange(std::move(name), *range));
    return Condition{std::move(field)};
  }
  return Wrong("key '" + name + "' must stand with match or range");
}

Result<Condition> ParseCondition(const json::Value& json, int depth) {
  if (!json.is_object()) return Wrong("a condition must be an object, got " + json.Dump());
  if (json.Find("key") != nullptr) return ParseField(json);
  if (json.members().size() == 1) {
    const auto& [name, value] = json.members().front();
    if (name == "has_id") {
      MALMOI_TRY(auto has, ParseHasId(value));
      return Condition{std::move(has)};
    }
    if (name == "is_empty") {
      const std::string key(value.GetString("key"));
      if (key.empty()) return Wrong("is_empty takes {\"key\": name}");
      return Condition{FieldCondition{key, IsEmpty{}}};
    }
  }
  MALMOI_TRY(auto nested, ParseAt(json, depth + 1));
  return Condition{std::make_shared<const Filter>(std::move(nested))};
}

Result<Filter> ParseAt(const json::Value& json, int depth) {
  if (depth > kDepthMax) {
    return Wrong("nested more than " + std::to_string(kDepthMax) + " deep");
  }
  if (!json.is_object()) return Wrong("must be an object, got " + json.Dump());
  Filter out;
  for (const auto& [name, value] : json.members()) {
    auto* list = name == "must"       ? &out.must
                 : name == "must_not" ? &out.must_not
                 : name == "should"   ? &out.should
                                      : nullptr;
    if (list == nullptr) {
      return Wrong("unknown member '" + name +
                   "'; known are must, must_not, should, key, has_id "
                   "and is_empty");
    }
    if (value.is_null()) continue;
    if (value.is_object()) {  // Qdrant takes a single condition for a list of one.
      MALMOI_TRY(auto condition, ParseCondition(value, depth));
      list->push_back(std::move(condition));
      continue;
    }
    if (!value.is_array()) return Wrong("'" + name + "' must be an array");
    for (const auto& item : value.items()) {
      MALMOI_TRY(auto condition, ParseCondition(item, depth));
      list->push_back(std::move(condition));
    }
  }
  return out;
}

}  // namespace

Result<Filter> ParseFilter(const json::Value& json) {
  return ParseAt(json, 0);
}

}  // namespace malmoi::vec
