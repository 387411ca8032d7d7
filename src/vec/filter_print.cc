// A filter as Qdrant's JSON, for stores that are reached over the wire.
#include <chrono>
#include <cstdio>

#include "json/writer.h"
#include "vec/filter.h"

namespace malmoi::vec {
namespace {

using json::Writer;

void PrintConditions(const std::vector<Condition>& conditions, Writer* w);

void PrintMatchValue(const MatchValue& value, Writer* w) {
  std::visit([&](const auto& v) { w->Put(v); }, value);
}
void PrintMatchValues(std::string_view name, const std::vector<MatchValue>& values, Writer* w) {
  w->Key("match").BeginObject();
  if (name == "any" && values.size() == 1) {
    w->Key("value");
    PrintMatchValue(values.front(), w);
  } else {
    w->Key(name).BeginArray();
    for (const MatchValue& value : values) PrintMatchValue(value, w);
    w->EndArray();
  }
  w->EndObject();
}
void PrintMatchText(std::string_view name, const std::string& text, Writer* w) {
  w->Key("match").BeginObject().Field(name, text).EndObject();
}

template <class R, class Put>
void PrintBounds(std::string_view name, const R& range, Put put, Writer* w) {
  w->Key(name).BeginObject();
  const auto bound = [&](std::string_view key, const auto& value) {
    if (!value) return;
    w->Key(key);
    put(*value);
  };
  bound("lt", range.lt);
  bound("lte", range.lte);
  bound("gt", range.gt);
  bound("gte", range.gte);
  w->EndObject();
}

void PrintPoint(const GeoPoint& point, Writer* w) {
  w->BeginObject().Field("lon", point.lon).Field("lat", point.lat).EndObject();
}
void PrintRing(const std::vector<GeoPoint>& ring, Writer* w) {
  w->BeginObject().Key("points").BeginArray();
  for (const GeoPoint& point : ring) PrintPoint(point, w);
  w->EndArray().EndObject();
}

// The members of a condition on a field, but for its key.
struct TestPrinter {
  Writer* w;

  void operator()(const MatchAny& m) const { PrintMatchValues("any", m.values, w); }
  void operator()(const MatchExcept& m) const { PrintMatchValues("except", m.values, w); }
  void operator()(const MatchSubstring& m) const { PrintMatchText("substring", m.text, w); }
  void operator()(const PrefixMatch& m) const { PrintMatchText("prefix", m.prefix, w); }
  void operator()(const MatchText& m) const {
    const char* name = m.mode == MatchText::Mode::kAll   ? "text"
                       : m.mode == MatchText::Mode::kAny ? "text_any"
                                                         : "phrase";
    PrintMatchText(name, m.text, w);
  }
  void operator()(const Range& range) const {
    PrintBounds(
        "range", range, [this](double v) { w->Put(v); }, w);
  }
  void operator()(const DatetimeRange& range) const {
    PrintBounds(
        "range", range, [this](std::int64_t v) { w->Put(FormatDatetime(v)); }, w);
  }
  void operator()(const ValuesCount& count) const {
    PrintBounds(
        "values_count", count, [this](std::uint64_t v) { w->Put(v); }, w);
  }
  void operator()(const GeoBox& box) const {
    w->Key("geo_bounding_box").BeginObject().Key("top_left");
    PrintPoint(box.top_left, w);
    w->Key("bottom_right");
    PrintPoint(box.bottom_right, w);
    w->EndObject();
  }
  void operator()(const GeoRadius& circle) const {
    w->Key("geo_radius").BeginObject().Key("center");
    PrintPoint(circle.center, w);
    w->Field("radius", circle.radius_m).EndObject();
  }
  void operator()(const GeoPolygon& polygon) const {
    w->Key("geo_polygon").BeginObject().Key("exterior");
    PrintRing(polygon.exterior, w);
    w->Key("interiors").BeginArray();
    for (const auto& ring : polygon.interiors) PrintRing(ring, w);
    w->EndArray().EndObject();
  }
  void operator()(const ValueEmpty& test) const { w->Field("is_empty", test.expected); }
  void operator()(const ValueNull& test) const { w->Field("is_null", test.expected); }
  // Stand as conditions of their own: PrintField.
  void operator()(const IsEmpty&) const {}
  void operator()(const IsNull&) const {}
};

void PrintField(const FieldCondition& field, Writer* w) {
  const bool empty = std::holds_alternative<IsEmpty>(field.test);
  if (empty || std::holds_alternative<IsNull>(field.test)) {
    w->Key(empty ? "is_empty" : "is_null").BeginObject().Field("key", field.key).EndObject();
    return;
  }
  w->Field("key", field.key);
  std::visit(TestPrinter{w}, field.test);
}

void PrintHasId(const HasId& has, Writer* w) {
  w->Key("has_id").BeginArray();
  for (const PointId& id : has.ids) {
    if (const auto* number = std::get_if<std::uint64_t>(&id)) {
      w->Put(*number);
    } else {
      w->Put(std::get<Uuid>(id).ToString());
    }
  }
  w->EndArray();
}

void PrintCondition(const Condition& condition, Writer* w) {
  if (const auto* filter = std::get_if<std::shared_ptr<const Filter>>(&condition.test)) {
    PrintFilter(**filter, w);
    return;
  }
  w->BeginObject();
  if (const auto* field = std::get_if<FieldCondition>(&condition.test)) {
    PrintField(*field, w);
  } else if (const auto* has = std::get_if<HasId>(&condition.test)) {
    PrintHasId(*has, w);
  } else if (const auto* vector = std::get_if<HasVector>(&condition.test)) {
    w->Field("has_vector", vector->name);
  } else if (const auto* nested = std::get_if<Nested>(&condition.test)) {
    w->Key("nested").BeginObject().Field("key", nested->key).Key("filter");
    PrintFilter(*nested->filter, w);
    w->EndObject();
  } else if (const auto* slice = std::get_if<Slice>(&condition.test)) {
    w->Key("slice").BeginObject().Field("total", slice->total).Field("index", slice->index);
    w->EndObject();
  }
  w->EndObject();
}

void PrintConditions(const std::vector<Condition>& conditions, Writer* w) {
  w->BeginArray();
  for (const Condition& condition : conditions) PrintCondition(condition, w);
  w->EndArray();
}

}  // namespace

std::string FormatDatetime(std::int64_t microseconds) {
  const std::chrono::sys_time<std::chrono::microseconds> time{
      std::chrono::microseconds(microseconds)};
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::int64_t rest = (time - day).count();
  char text[64];
  std::snprintf(text, sizeof text, "%04d-%02u-%02uT%02d:%02d:%02d.%06dZ",
                static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                static_cast<unsigned>(date.day()), static_cast<int>(rest / 3'600'000'000),
                static_cast<int>(rest / 60'000'000 % 60), static_cast<int>(rest / 1'000'000 % 60),
                static_cast<int>(rest % 1'000'000));
  return text;
}

void PrintFilter(const Filter& filter, Writer* w) {
  w->BeginObject();
  const auto list = [&](std::string_view name, const std::vector<Condition>& conditions) {
    if (conditions.empty()) return;
    w->Key(name);
    PrintConditions(conditions, w);
  };
  list("must", filter.must);
  list("must_not", filter.must_not);
  list("should", filter.should);
  if (filter.min_should) {
    w->Key("min_should").BeginObject().Key("conditions");
    PrintConditions(filter.min_should->conditions, w);
    w->Field("min_count", filter.min_should->min_count).EndObject();
  }
  w->EndObject();
}

}  // namespace malmoi::vec
