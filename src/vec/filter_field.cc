#include <cmath>

#include "vec/filter_field_internal.h"

namespace malmoi::vec {
namespace {

using json::Value;

Result<MatchValue> ParseMatchValue(const Value& v) {
  if (const auto s = v.AsString()) return MatchValue(std::string(*s));
  if (const auto b = v.AsBool()) return MatchValue(*b);
  if (v.kind() == Value::Kind::kInt) return MatchValue(*v.AsInt());
  return FilterError("match takes a string, an integer or a bool, got " + v.Dump());
}

Result<std::vector<MatchValue>> ParseMatchValues(const Value& v, const std::string& name) {
  if (!v.is_array()) return FilterError("match '" + name + "' takes an array, got " + v.Dump());
  std::vector<MatchValue> out;
  for (const auto& item : v.items()) {
    MALMOI_TRY(auto value, ParseMatchValue(item));
    out.push_back(std::move(value));
  }
  return out;
}

Result<std::string> ParseText(const Value& v, const std::string& name) {
  if (!v.is_string()) return FilterError("match '" + name + "' takes a string, got " + v.Dump());
  return std::string(*v.AsString());
}

using Test = decltype(FieldCondition::test);

Result<Test> ParseMatch(const std::string& key, const Value& match) {
  if (!match.is_object() || match.members().size() != 1) {
    return FilterError("match of key '" + key + "' must be an object with one member");
  }
  const auto& [name, value] = match.members().front();
  if (name == "value") {
    MALMOI_TRY(auto v, ParseMatchValue(value));
    return Test(MatchAny{{std::move(v)}});
  }
  if (name == "any" || name == "except") {
    MALMOI_TRY(auto values, ParseMatchValues(value, name));
    if (name == "any") return Test(MatchAny{std::move(values)});
    return Test(MatchExcept{std::move(values)});
  }
  const bool known = name == "text" || name == "text_any" || name == "phrase" || name == "prefix" ||
                     name == "substring";
  if (!known) {
    return FilterError("match of key '" + key +
                       "' takes value, any, except, text, text_any, phrase, substring or prefix, "
                       "got '" +
                       name + "'");
  }
  MALMOI_TRY(auto text, ParseText(value, name));
  if (name == "substring") return Test(MatchSubstring{std::move(text)});
  if (name == "prefix") return Test(PrefixMatch{std::move(text)});
  const auto mode = name == "text"       ? MatchText::Mode::kAll
                    : name == "text_any" ? MatchText::Mode::kAny
                                         : MatchText::Mode::kPhrase;
  return Test(MatchText{std::move(text), mode});
}

// Sets one bound of a range-like structure; false for a name that is none.
template <class R, class T>
bool SetBound(R* range, std::string_view name, T value) {
  if (name == "lt") {
    range->lt = value;
  } else if (name == "lte") {
    range->lte = value;
  } else if (name == "gt") {
    range->gt = value;
  } else if (name == "gte") {
    range->gte = value;
  } else {
    return false;
  }
  return true;
}

Result<Test> ParseRange(const std::string& key, const Value& json) {
  if (!json.is_object()) return FilterError("range of key '" + key + "' must be an object");
  Range numbers{};
  DatetimeRange times{};
  int count[2] = {0, 0};
  for (const auto& [name, value] : json.members()) {
    bool known = true;
    if (value.is_null()) {
      Range unused{};
      known = SetBound(&unused, name, 0.0);
    } else if (value.is_number()) {
      known = SetBound(&numbers, name, *value.AsDouble());
      ++count[0];
    } else {
      const auto time = value.is_string() ? ParseDatetime(*value.AsString()) : std::nullopt;
      if (!time) {
        return FilterError("range bound '" + name + "' of key '" + key +
                           "' must be a number or a date and time, got " + value.Dump());
      }
      known = SetBound(&times, name, *time);
      ++count[1];
    }
    if (!known) {
      return FilterError("range of key '" + key + "' takes lt, lte, gt and gte, got '" + name +
                         "'");
    }
  }
  if (count[0] > 0 && count[1] > 0) {
    return FilterError("range of key '" + key + "' mixes numbers with dates");
  }
  if (count[1] > 0) return Test(times);
  return Test(numbers);
}

Result<GeoPoint> ParsePoint(const Value* json, const std::string& what) {
  const Value* lon = json == nullptr ? nullptr : json->Find("lon");
  const Value* lat = json == nullptr ? nullptr : json->Find("lat");
  if (lon == nullptr || lat == nullptr || !lon->is_number() || !lat->is_number()) {
    return FilterError(what + " takes {\"lon\": number, \"lat\": number}");
  }
  const GeoPoint p{*lon->AsDouble(), *lat->AsDouble()};
  if (!(std::abs(p.lon) <= 180) || !(std::abs(p.lat) <= 90)) {
    return FilterError(what + ": lon must be in -180..180 and lat in -90..90, got " + json->Dump());
  }
  return p;
}

Result<Test> ParseBox(const Value& json) {
  MALMOI_TRY(const auto top_left, ParsePoint(json.Find("top_left"), "top_left"));
  MALMOI_TRY(const auto bottom_right, ParsePoint(json.Find("bottom_right"), "bottom_right"));
  return Test(GeoBox{top_left, bottom_right});
}

Result<Test> ParseRadius(const Value& json) {
  MALMOI_TRY(const auto center, ParsePoint(json.Find("center"), "center"));
  const Value* radius = json.Find("radius");
  if (radius == nullptr || !radius->is_number() || !(*radius->AsDouble() >= 0)) {
    return FilterError("geo_radius takes a radius in metres, 0 or more");
  }
  return Test(GeoRadius{center, *radius->AsDouble()});
}

Result<std::vector<GeoPoint>> ParseRing(const Value* json, const std::string& what) {
  const Value* points = json == nullptr ? nullptr : json->Find("points");
  if (points == nullptr || !points->is_array()) {
    return FilterError(what + " takes {\"points\": [...]}");
  }
  std::vector<GeoPoint> ring;
  for (const auto& item : points->items()) {
    MALMOI_TRY(const auto point, ParsePoint(&item, what));
    ring.push_back(point);
  }
  if (ring.size() < 4 || ring.front() != ring.back()) {
    return FilterError(what + " must have at least 4 points, the last equal to the first");
  }
  return ring;
}

Result<Test> ParsePolygon(const Value& json) {
  GeoPolygon out;
  MALMOI_TRY(out.exterior, ParseRing(json.Find("exterior"), "exterior"));
  if (const Value* interiors = json.Find("interiors"); interiors != nullptr) {
    for (const auto& item : interiors->items()) {
      MALMOI_TRY(auto ring, ParseRing(&item, "interiors"));
      out.interiors.push_back(std::move(ring));
    }
  }
  return Test(std::move(out));
}

Result<Test> ParseCounts(const std::string& key, const Value& json) {
  ValuesCount out{};
  for (const auto& [name, value] : json.members()) {
    if (value.is_null()) continue;
    const auto n = value.is_number() ? value.AsUint() : std::nullopt;
    if (!n || !SetBound(&out, name, *n)) {
      return FilterError("values_count of key '" + key +
                         "' takes lt, lte, gt and gte, unsigned integers");
    }
  }
  return Test(out);
}

Result<Test> ParseTest(const std::string& key, const std::string& name, const Value& value) {
  if (name == "match") return ParseMatch(key, value);
  if (name == "range") return ParseRange(key, value);
  if (!value.is_object())
    return FilterError("'" + name + "' of key '" + key + "' must be an object");
  if (name == "geo_bounding_box") return ParseBox(value);
  if (name == "geo_radius") return ParseRadius(value);
  if (name == "geo_polygon") return ParsePolygon(value);
  if (name == "values_count") return ParseCounts(key, value);
  return FilterError("unknown member '" + name + "' of the condition on key '" + key + "'");
}

}  // namespace

Error FilterError(std::string message) {
  return Error(Code::kInvalidArgument, "filter: " + std::move(message));
}

Result<std::string> ParseKey(const Value* json) {
  if (json == nullptr || !json->is_string()) return FilterError("key must be a string");
  std::string key(*json->AsString());
  MALMOI_TRY(ParsePath(key).With("filter"));
  return key;
}

Result<Condition> ParseFieldCondition(const Value& json) {
  MALMOI_TRY(const auto key, ParseKey(json.Find("key")));
  std::vector<Condition> tests;
  for (const auto& [name, value] : json.members()) {
    if (name == "key" || value.is_null()) continue;
    if (name == "is_empty" || name == "is_null") {
      if (!value.is_bool()) return FilterError("'" + name + "' of key '" + key + "' takes a bool");
      const bool expected = *value.AsBool();
      const Test test = name == "is_empty" ? Test(ValueEmpty{expected}) : Test(ValueNull{expected});
      tests.push_back({FieldCondition{key, test}});
      continue;
    }
    MALMOI_TRY(auto test, ParseTest(key, name, value));
    tests.push_back({FieldCondition{key, std::move(test)}});
  }
  if (tests.empty()) return FilterError("key '" + key + "' stands without a test");
  if (tests.size() == 1) return std::move(tests.front());
  Filter any;
  any.should = std::move(tests);
  return Condition{std::make_shared<const Filter>(std::move(any))};
}

}  // namespace malmoi::vec
