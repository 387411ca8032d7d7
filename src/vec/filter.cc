#include "vec/filter.h"

#include "json/value.h"
#include "vec/filter_field_internal.h"
#include "vec/limits.h"

namespace malmoi::vec {
namespace {

constexpr int kDepthMax = 32;

// The state of one parse: conditions are counted over the whole tree.
struct Parser {
  std::size_t conditions = 0;

  Result<Filter> ParseAt(const json::Value& json, int depth);
  Result<std::vector<Condition>> ParseList(const std::string& name, const json::Value& value,
                                           int depth);
  Result<Condition> ParseCondition(const json::Value& json, int depth);
  Result<Condition> ParseNested(const json::Value& json, int depth);
  Result<Filter::MinShould> ParseMinShould(const json::Value& json, int depth);
};

Result<HasId> ParseHasId(const json::Value& json) {
  if (!json.is_array()) return FilterError("has_id must be an array");
  HasId out;
  for (const auto& item : json.items()) {
    Uuid uuid;
    if (const auto number = item.AsUint(); number && item.kind() != json::Value::Kind::kDouble) {
      out.ids.emplace_back(*number);
    } else if (item.is_string() && ParseUuid(*item.AsString(), &uuid)) {
      out.ids.emplace_back(uuid);
    } else {
      return FilterError("has_id takes unsigned integers and UUIDs, got " + item.Dump());
    }
  }
  return out;
}

Result<Condition> ParseSlice(const json::Value& json) {
  const json::Value* total = json.Find("total");
  const json::Value* index = json.Find("index");
  const auto t = total == nullptr ? std::nullopt : total->AsUint();
  const auto i = index == nullptr ? std::nullopt : index->AsUint();
  if (!t || !i || *t == 0 || *t > 0xFFFFFFFFu || *i >= *t) {
    return FilterError("slice takes total (1 or more) and index (below total), got " + json.Dump());
  }
  return Condition{Slice{static_cast<std::uint32_t>(*t), static_cast<std::uint32_t>(*i)}};
}

Result<Condition> Parser::ParseNested(const json::Value& json, int depth) {
  MALMOI_TRY(auto key, ParseKey(json.Find("key")));
  const json::Value* filter = json.Find("filter");
  if (filter == nullptr) return FilterError("nested takes a key and a filter");
  MALMOI_TRY(auto inner, ParseAt(*filter, depth + 1));
  return Condition{Nested{std::move(key), std::make_shared<const Filter>(std::move(inner))}};
}

Result<Condition> Parser::ParseCondition(const json::Value& json, int depth) {
  if (++conditions > kLimits.filter_conditions_max) {
    return Error(
        Code::kOutOfRange,
        "filter: more than " + std::to_string(kLimits.filter_conditions_max) + " conditions");
  }
  if (!json.is_object()) return FilterError("a condition must be an object, got " + json.Dump());
  if (json.Find("key") != nullptr) return ParseFieldCondition(json);
  if (json.members().size() == 1) {
    const auto& [name, value] = json.members().front();
    if (name == "has_id") {
      MALMOI_TRY(auto has, ParseHasId(value));
      return Condition{std::move(has)};
    }
    if (name == "is_empty" || name == "is_null") {
      MALMOI_TRY(auto key, ParseKey(value.Find("key")));
      if (name == "is_empty") return Condition{FieldCondition{std::move(key), IsEmpty{}}};
      return Condition{FieldCondition{std::move(key), IsNull{}}};
    }
    if (name == "has_vector") {
      if (!value.is_string()) return FilterError("has_vector takes a vector's name");
      return Condition{HasVector{std::string(*value.AsString())}};
    }
    if (name == "nested") return ParseNested(value, depth);
    if (name == "slice") return ParseSlice(value);
  }
  MALMOI_TRY(auto nested, ParseAt(json, depth + 1));
  return Condition{std::make_shared<const Filter>(std::move(nested))};
}

Result<std::vector<Condition>> Parser::ParseList(const std::string& name, const json::Value& value,
                                                 int depth) {
  std::vector<Condition> out;
  if (value.is_object()) {  // Qdrant takes a single condition for a list of one.
    MALMOI_TRY(auto condition, ParseCondition(value, depth));
    out.push_back(std::move(condition));
    return out;
  }
  if (!value.is_array()) return FilterError("'" + name + "' must be an array");
  for (const auto& item : value.items()) {
    MALMOI_TRY(auto condition, ParseCondition(item, depth));
    out.push_back(std::move(condition));
  }
  return out;
}

Result<Filter::MinShould> Parser::ParseMinShould(const json::Value& json, int depth) {
  const json::Value* conditions_json = json.Find("conditions");
  const json::Value* count = json.Find("min_count");
  const auto n = count == nullptr ? std::nullopt : count->AsUint();
  if (conditions_json == nullptr || !n) {
    return FilterError("min_should takes conditions and min_count");
  }
  Filter::MinShould out;
  MALMOI_TRY(out.conditions, ParseList("conditions", *conditions_json, depth));
  out.min_count = *n;
  return out;
}

Result<Filter> Parser::ParseAt(const json::Value& json, int depth) {
  if (depth > kDepthMax) {
    return FilterError("nested more than " + std::to_string(kDepthMax) + " deep");
  }
  if (!json.is_object()) return FilterError("must be an object, got " + json.Dump());
  Filter out;
  for (const auto& [name, value] : json.members()) {
    auto* list = name == "must"       ? &out.must
                 : name == "must_not" ? &out.must_not
                 : name == "should"   ? &out.should
                                      : nullptr;
    if (list == nullptr && name != "min_should") {
      return FilterError("unknown member '" + name +
                         "'; known are must, must_not, should, min_should, key, has_id, "
                         "has_vector, nested, slice, is_empty and is_null");
    }
    if (value.is_null()) continue;
    if (list == nullptr) {
      MALMOI_TRY(out.min_should, ParseMinShould(value, depth));
    } else {
      MALMOI_TRY(*list, ParseList(name, value, depth));
    }
  }
  return out;
}

}  // namespace

Result<Filter> ParseFilter(const json::Value& json) {
  return Parser().ParseAt(json, 0);
}

}  // namespace malmoi::vec
