#include "qdrant/parse.h"

// Filters, in the order in which Qdrant tries the forms of a condition. A mistake inside a
// condition is "data did not match any variant of untagged enum Condition", as there; unknown
// members of a condition are ignored, those of a filter refused.
namespace malmoi::qdrant {
namespace {

using json::Value;

constexpr std::string_view kNoCondition =
    "data did not match any variant of untagged enum Condition";
constexpr int kDepthMax = 64;

bool ReadConditions(const Value& value, int depth, std::vector<vec::Condition>* out, Why* why);

bool ReadFilterAt(const Value& value, int depth, vec::Filter* out, Why* why) {
  if (depth > kDepthMax) {
    *why = "recursion limit exceeded";
    return false;
  }
  if (!value.is_object()) {
    *why = WrongType(value, "struct Filter");
    return false;
  }
  for (const auto& [name, member] : value.members()) {
    if (name != "must" && name != "must_not" && name != "should" && name != "min_should") {
      *why = "unknown field `" + name +
             "`, expected one of `should`, `min_should`, `must`, `must_not`";
      return false;
    }
    if (member.is_null()) continue;
    if (name == "min_should") {
      auto& min = *(out->min_should = vec::Filter::MinShould());
      Fields fields(member, "struct MinShould", why);
      Value conditions;
      std::uint64_t count = 0;
      fields.Required("conditions", &conditions);
      fields.Required("min_count", &count);
      if (!fields.ok()) return false;
      if (!conditions.is_array()) {
        *why = WrongType(conditions, "a sequence");
        return false;
      }
      min.min_count = count;
      if (!ReadConditions(conditions, depth, &min.conditions, why)) return false;
      continue;
    }
    auto& list = name == "must" ? out->must : name == "must_not" ? out->must_not : out->should;
    if (!ReadConditions(member, depth, &list, why)) return false;
  }
  return true;
}

bool ReadMatchValue(const Value& value, vec::MatchValue* out) {
  if (const auto text = value.AsString()) {
    *out = std::string(*text);
  } else if (const auto flag = value.AsBool()) {
    *out = *flag;
  } else if (value.kind() == Value::Kind::kInt) {
    *out = *value.AsInt();
  } else {
    return false;
  }
  return true;
}

// All strings, or all integers.
bool ReadMatchValues(const Value& value, std::vector<vec::MatchValue>* out) {
  if (!value.is_array()) return false;
  for (const Value& item : value.items()) {
    if (!ReadMatchValue(item, &out->emplace_back()) || item.is_bool()) return false;
    if (out->front().index() != out->back().index()) return false;
  }
  return true;
}

bool ReadMatch(const Value& value, vec::FieldCondition* out) {
  if (const Value* one = value.Find("value"); one != nullptr) {
    vec::MatchAny any;
    if (ReadMatchValue(*one, &any.values.emplace_back())) {
      out->test = std::move(any);
      return true;
    }
  }
  const auto text = [&](std::string_view key) -> std::optional<std::string> {
    const Value* member = value.Find(key);
    if (member == nullptr || !member->is_string()) return std::nullopt;
    return std::string(*member->AsString());
  };
  using Mode = vec::MatchText::Mode;
  if (auto all = text("text")) {
    out->test = vec::MatchText{.text = *all, .mode = Mode::kAll};
  } else if (auto some = text("text_any")) {
    out->test = vec::MatchText{.text = *some, .mode = Mode::kAny};
  } else if (auto phrase = text("phrase")) {
    out->test = vec::MatchText{.text = *phrase, .mode = Mode::kPhrase};
  } else if (auto prefix = text("prefix")) {
    out->test = vec::PrefixMatch{*prefix};
  } else if (auto part = text("substring")) {
    out->test = vec::MatchSubstring{*part};
  } else if (const Value* any = value.Find("any"); any != nullptr) {
    return ReadMatchValues(*any, &out->test.emplace<vec::MatchAny>().values);
  } else if (const Value* except = value.Find("except"); except != nullptr) {
    return ReadMatchValues(*except, &out->test.emplace<vec::MatchExcept>().values);
  } else {
    return false;
  }
  return true;
}

template <class Bound>
bool ReadBounds(const Value& value, Bound* out, bool (*read)(const Value&, void*)) {
  const auto one = [&](std::string_view key, auto* slot) {
    const Value* member = value.Find(key);
    if (member == nullptr || member->is_null()) return true;
    return read(*member, &slot->emplace());
  };
  return one("lt", &out->lt) && one("lte", &out->lte) && one("gt", &out->gt) &&
         one("gte", &out->gte);
}

bool ReadRange(const Value& value, vec::FieldCondition* out) {
  if (!value.is_object()) return false;
  const bool numbers =
      ReadBounds(value, &out->test.emplace<vec::Range>(), [](const Value& v, void* slot) {
        if (!v.is_number()) return false;
        *static_cast<double*>(slot) = *v.AsDouble();
        return true;
      });
  if (numbers) return true;
  return ReadBounds(
      value, &out->test.emplace<vec::DatetimeRange>(), [](const Value& v, void* slot) {
        const auto time = v.is_string() ? vec::ParseDatetime(*v.AsString()) : std::nullopt;
        if (time) *static_cast<std::int64_t*>(slot) = *time;
        return time.has_value();
      });
}

bool ReadGeoPoint(const Value* value, vec::GeoPoint* out) {
  if (value == nullptr) return false;
  const Value* lon = value->Find("lon");
  const Value* lat = value->Find("lat");
  if (lon == nullptr || lat == nullptr || !lon->is_number() || !lat->is_number()) return false;
  out->lon = *lon->AsDouble();
  out->lat = *lat->AsDouble();
  return out->lon >= -180 && out->lon <= 180 && out->lat >= -90 && out->lat <= 90;
}

bool ReadRing(const Value* value, std::vector<vec::GeoPoint>* out) {
  const Value* points = value == nullptr ? nullptr : value->Find("points");
  if (points == nullptr || !points->is_array()) return false;
  for (const Value& point : points->items()) {
    if (!ReadGeoPoint(&point, &out->emplace_back())) return false;
  }
  return out->size() >= 4 && out->front() == out->back();
}

bool ReadPolygon(const Value& value, vec::FieldCondition* out) {
  auto& polygon = out->test.emplace<vec::GeoPolygon>();
  if (!ReadRing(value.Find("exterior"), &polygon.exterior)) return false;
  const Value* interiors = value.Find("interiors");
  if (interiors == nullptr || interiors->is_null()) return true;
  if (!interiors->is_array()) return false;
  for (const Value& ring : interiors->items()) {
    if (!ReadRing(&ring, &polygon.interiors.emplace_back())) return false;
  }
  return true;
}

bool ReadBox(const Value& value, vec::FieldCondition* out) {
  auto& box = out->test.emplace<vec::GeoBox>();
  return ReadGeoPoint(value.Find("top_left"), &box.top_left) &&
         ReadGeoPoint(value.Find("bottom_right"), &box.bottom_right);
}

bool ReadRadius(const Value& value, vec::FieldCondition* out) {
  auto& radius = out->test.emplace<vec::GeoRadius>();
  const Value* meters = value.Find("radius");
  if (meters == nullptr || !meters->is_number()) return false;
  radius.radius_m = *meters->AsDouble();
  return ReadGeoPoint(value.Find("center"), &radius.center);
}

bool ReadValuesCount(const Value& value, vec::FieldCondition* out) {
  if (!value.is_object()) return false;
  return ReadBounds(value, &out->test.emplace<vec::ValuesCount>(), [](const Value& v, void* slot) {
    const auto n = v.kind() == Value::Kind::kInt ? v.AsUint() : std::nullopt;
    if (n) *static_cast<std::uint64_t*>(slot) = *n;
    return n.has_value();
  });
}

// {"key": ..., TEST...}: every test that is given must hold.
bool ReadField(const Value& value, vec::Condition* out, Why* why) {
  std::string key;
  if (!ReadPath(*value.Find("key"), &key, why)) return false;
  struct Form {
    std::string_view name;
    bool (*read)(const Value&, vec::FieldCondition*);
  };
  static constexpr Form kForms[] = {
      {"match", ReadMatch},       {"range", ReadRange},         {"geo_bounding_box", ReadBox},
      {"geo_radius", ReadRadius}, {"geo_polygon", ReadPolygon}, {"values_count", ReadValuesCount},
  };
  std::vector<vec::Condition> tests;
  const auto add = [&](vec::FieldCondition field) {
    field.key = key;
    tests.push_back({.test = std::move(field)});
  };
  for (const Form& form : kForms) {
    const Value* member = value.Find(form.name);
    if (member == nullptr || member->is_null()) continue;
    vec::FieldCondition field;
    if (!form.read(*member, &field)) {
      *why = kNoCondition;
      return false;
    }
    add(std::move(field));
  }
  for (const std::string_view name : {"is_empty", "is_null"}) {
    const Value* member = value.Find(name);
    if (member == nullptr || member->is_null()) continue;
    const auto wanted = member->AsBool();
    if (!wanted) {
      *why = kNoCondition;
      return false;
    }
    vec::FieldCondition field;
    field.key = key;
    if (name == "is_empty") {
      field.test = vec::ValueEmpty{*wanted};
    } else {
      field.test = vec::ValueNull{*wanted};
    }
    add(std::move(field));
  }
  if (tests.empty()) {
    *why = "!filter: Validation error: At least one field condition must be specified [{}]";
    return false;
  }
  if (tests.size() == 1) {
    *out = std::move(tests.front());
    return true;
  }
  auto all = std::make_shared<vec::Filter>();
  all->must = std::move(tests);
  *out = {.test = std::shared_ptr<const vec::Filter>(std::move(all))};
  return true;
}

bool ReadPayloadField(const Value& value, std::string* out, Why* why) {
  const Value* key = value.Find("key");
  return key != nullptr && ReadPath(*key, out, why);
}

bool ReadNested(const Value& value, int depth, vec::Condition* out, Why* why) {
  vec::Nested nested;
  auto inner = std::make_shared<vec::Filter>();
  const Value* filter = value.Find("filter");
  if (!ReadPayloadField(value, &nested.key, why) || filter == nullptr ||
      !ReadFilterAt(*filter, depth + 1, inner.get(), why)) {
    if (!why->starts_with("!")) *why = kNoCondition;
    return false;
  }
  if (nested.key.ends_with("[]")) nested.key.resize(nested.key.size() - 2);
  nested.filter = std::move(inner);
  *out = {.test = std::move(nested)};
  return true;
}

bool ReadSlice(const Value& value, vec::Condition* out, Why* why) {
  vec::Slice slice;
  Fields fields(value, "struct Slice", why);
  fields.Required("total", &slice.total);
  fields.Required("index", &slice.index);
  if (!fields.ok() || slice.total == 0) {
    *why = kNoCondition;
    return false;
  }
  if (slice.index >= slice.total) {
    *why =
        "!filter: Validation error: Slice index must be less than the total number of slices [{}]";
    return false;
  }
  *out = {.test = slice};
  return true;
}

bool ReadCondition(const Value& value, int depth, vec::Condition* out, Why* why) {
  *why = kNoCondition;
  if (!value.is_object()) return false;
  if (value.Find("key") != nullptr) return ReadField(value, out, why);
  if (const Value* empty = value.Find("is_empty"); empty != nullptr) {
    vec::FieldCondition field{.key = {}, .test = vec::IsEmpty{}};
    if (!ReadPayloadField(*empty, &field.key, why)) return false;
    *out = {.test = std::move(field)};
    return true;
  }
  if (const Value* null = value.Find("is_null"); null != nullptr) {
    vec::FieldCondition field{.key = {}, .test = vec::IsNull{}};
    if (!ReadPayloadField(*null, &field.key, why)) return false;
    *out = {.test = std::move(field)};
    return true;
  }
  if (const Value* ids = value.Find("has_id"); ids != nullptr) {
    return Read(*ids, &out->test.emplace<vec::HasId>().ids, why);
  }
  if (const Value* name = value.Find("has_vector"); name != nullptr) {
    return Read(*name, &out->test.emplace<vec::HasVector>().name, why);
  }
  if (const Value* slice = value.Find("slice"); slice != nullptr)
    return ReadSlice(*slice, out, why);
  if (const Value* nested = value.Find("nested"); nested != nullptr) {
    return ReadNested(*nested, depth, out, why);
  }
  auto filter = std::make_shared<vec::Filter>();
  if (!ReadFilterAt(value, depth + 1, filter.get(), why)) {
    if (!why->starts_with("!")) *why = kNoCondition;
    return false;
  }
  *out = {.test = std::shared_ptr<const vec::Filter>(std::move(filter))};
  return true;
}

bool ReadConditions(const Value& value, int depth, std::vector<vec::Condition>* out, Why* why) {
  if (!value.is_array()) return ReadCondition(value, depth, &out->emplace_back(), why);
  for (const Value& item : value.items()) {
    if (!ReadCondition(item, depth, &out->emplace_back(), why)) return false;
  }
  return true;
}

void ValidateConditions(const std::vector<vec::Condition>& conditions, const std::string& path,
                        Checks* checks) {
  for (std::size_t i = 0; i < conditions.size(); ++i) {
    const std::string at = path + "[" + std::to_string(i) + "]";
    const auto& test = conditions[i].test;
    if (const auto* filter = std::get_if<std::shared_ptr<const vec::Filter>>(&test)) {
      Validate(**filter, at, checks);
    } else if (const auto* nested = std::get_if<vec::Nested>(&test)) {
      Validate(*nested->filter, at + ".nested.filter", checks);
    }
  }
}

}  // namespace

bool ReadFilter(const Value& value, FilterPtr* out, Why* why) {
  auto filter = std::make_shared<vec::Filter>();
  if (!ReadFilterAt(value, 0, filter.get(), why)) return false;
  *out = std::move(filter);
  return true;
}

bool Read(const Value& value, FilterPtr* out, Why* why) {
  return ReadFilter(value, out, why);
}

bool ReadOneCondition(const Value& value, FilterPtr* out, Why* why) {
  auto filter = std::make_shared<vec::Filter>();
  if (!ReadCondition(value, 0, &filter->must.emplace_back(), why)) return false;
  *out = std::move(filter);
  return true;
}

void Validate(const vec::Filter& filter, const std::string& path, Checks* checks) {
  ValidateConditions(filter.should, path + ".should", checks);
  if (filter.min_should) {
    ValidateConditions(filter.min_should->conditions, path + ".min_should.conditions", checks);
    if (filter.min_should->min_count == 0) {
      checks->Add(path + ".min_should.min_count", "min_count must be greater than 0");
    }
  }
  ValidateConditions(filter.must, path + ".must", checks);
  ValidateConditions(filter.must_not, path + ".must_not", checks);
}

}  // namespace malmoi::qdrant
