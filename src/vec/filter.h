#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "vec/point.h"

namespace malmoi::json {
class Value;
class Writer;
}  // namespace malmoi::json

namespace malmoi::vec {

struct Filter;

// Tests of a payload field. Each holds if it holds for any of the values under the key, an array
// counting as its elements, unless said otherwise. Values of another type do not match.
using MatchValue = std::variant<std::string, std::int64_t, bool>;
struct MatchAny {  // Equal to one of the values. Strings, on a uuid index, compare as UUIDs.
  std::vector<MatchValue> values;
};
// Some value, null aside, equals none of these. With a keyword or integer index on the field only
// values of its type count, as in Qdrant.
struct MatchExcept {
  std::vector<MatchValue> values;
};
struct MatchSubstring {  // The string contains this, byte by byte.
  std::string text;
};
struct PrefixMatch {  // A keyword that starts with this, byte by byte.
  std::string prefix;
};
// Full text by the tokenizer of the field's text index; without an index, words in lower case.
// A query without a token matches nothing.
struct MatchText {
  enum class Mode : std::uint8_t { kAll, kAny, kPhrase };
  std::string text;
  Mode mode = Mode::kAll;
};
struct Range {  // Numbers; each bound optional.
  std::optional<double> lt = {}, lte = {}, gt = {}, gte = {};
};
struct DatetimeRange {  // Microseconds since 1970 UTC (ParseDatetime); strings that parse match.
  std::optional<std::int64_t> lt = {}, lte = {}, gt = {}, gte = {};
};
struct GeoPoint {  // Degrees.
  double lon = 0, lat = 0;
  auto operator<=>(const GeoPoint&) const = default;
};
struct GeoBox {  // Borders excluded; crosses the 180th meridian where left > right.
  GeoPoint top_left, bottom_right;
};
struct GeoRadius {  // By the haversine formula on a sphere of 6,371,008.8 m.
  GeoPoint center;
  double radius_m = 0;
};
struct GeoPolygon {  // Rings closed, at least 4 points; holes excluded.
  std::vector<GeoPoint> exterior;
  std::vector<std::vector<GeoPoint>> interiors;
};
struct ValuesCount {  // Number of values: of an array its elements, else 1, 0 where missing or
                      // null.
  std::optional<std::uint64_t> lt = {}, lte = {}, gt = {}, gte = {};
};
struct IsEmpty {};  // Missing, null or [].
struct IsNull {};   // Null, or an array that has a null.
// is_empty and is_null inside of a field condition: one of the values under the key is (or is not)
// empty or null; a missing field counts as empty and not null. Where the key has an index they are
// the above or its opposite, as in Qdrant; they differ where it has brackets and no index.
struct ValueEmpty {
  bool expected = true;
};
struct ValueNull {
  bool expected = true;
};

// `key` is a payload path: "a.b", "a[].b" (any element), "a[0].b", and a quoted name "\"a.b\".c".
struct FieldCondition {
  std::string key;
  std::variant<MatchAny, Range, IsEmpty, PrefixMatch, MatchExcept, MatchText, MatchSubstring,
               DatetimeRange, GeoBox, GeoRadius, GeoPolygon, ValuesCount, IsNull, ValueEmpty,
               ValueNull>
      test;
};
struct HasId {
  std::vector<PointId> ids;
};
struct HasVector {  // "" is the unnamed vector.
  std::string name;
};
// One element of the array under `key` satisfies the whole filter, whose keys begin at the element.
struct Nested {
  std::string key;
  std::shared_ptr<const Filter> filter;
};
struct Slice {  // SipHash-2-4 of the id's bytes, key 0, modulo total is index.
  std::uint32_t total = 1, index = 0;
};
struct Condition {
  std::variant<FieldCondition, HasId, std::shared_ptr<const Filter>, HasVector, Nested, Slice> test;
};

// Holds for a point if all of `must`, none of `must_not`, at least one of `should` (unless it is
// empty) and at least min_count of `min_should` hold. Evaluated before scoring.
struct Filter {
  std::vector<Condition> must;
  std::vector<Condition> must_not;
  std::vector<Condition> should;
  struct MinShould {
    std::vector<Condition> conditions;
    std::size_t min_count = 0;
  };
  std::optional<MinShould> min_should = {};

  bool empty() const {
    return must.empty() && must_not.empty() && should.empty() && !min_should.has_value();
  }
};

// Qdrant's JSON form, every condition of version 1.20; members that it does not know are refused.
// Errors: kInvalidArgument naming the member; kOutOfRange past the limits of limits.h.
Result<Filter> ParseFilter(const json::Value& json);
// The JSON that ParseFilter reads back as the same filter.
void PrintFilter(const Filter& filter, json::Writer* writer);

// Whether the filter keeps a point that is not (or not only) in a collection. Full text as without
// an index. Cost: parses the payload.
bool Holds(const Filter& filter, const Point& point);

// Microseconds since 1970 UTC from RFC 3339 and Qdrant's lax forms: "2024-01-01", "2024-01-01
// 10:00", "2024-01-01T10:00:00", fractions, zones "Z", "+09:00", "+0900", "+09". Without a zone:
// UTC.
std::optional<std::int64_t> ParseDatetime(std::string_view text);
// "2024-01-01T10:00:00.000000Z", for years 0 to 9999.
std::string FormatDatetime(std::int64_t microseconds);

// Steps of a payload path. Errors: kInvalidArgument for one that is ill-formed.
struct PathStep {
  enum class Kind : std::uint8_t { kKey, kEach, kIndex };  // a, [], [7]
  Kind kind = Kind::kKey;
  std::string key = {};
  std::uint64_t index = 0;
  bool operator==(const PathStep&) const = default;
};
Result<std::vector<PathStep>> ParsePath(std::string_view path);

}  // namespace malmoi::vec
