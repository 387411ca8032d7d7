// Goal: conditions hold for exactly the points for which they hold in Qdrant 1.20, by rows and by
// columns. Method: masks that qdrant-edge-py 0.9.0 (the engine itself, in process) gave for these
// payloads, point i being bit i; each condition is counted over rows in memory, over a segment
// before columns are built, and by columns.
#include <doctest/doctest.h>

#include <bit>

#include "json/value.h"
#include "os/fault_vfs.h"
#include "vec/collection.h"

using namespace malmoi;
using namespace malmoi::vec;

namespace {

// clang-format off
const char* const kPayloads[] = {
    R"({"a": null})",
    R"({"a": []})",
    R"({"a": [null]})",
    R"({"a": [null, 1]})",
    R"({})",
    R"({"a": 1})",
    R"({"a": 1.0})",
    R"({"a": "x"})",
    R"({"a": ["x", "y"]})",
    R"({"a": [["x"]]})",
    R"({"a": {"b": 1}})",
    R"({"a": [{"b": 1}, {"b": "x"}]})",
    R"({"a": true})",
    R"({"a": "hello World, foo"})",
    R"({"a": 2.5})",
    R"({"a": [[]]})",
    R"({"a": {}})",
    R"({"a": "2024-01-01T10:00:00+09:00"})",
    R"({"a": [5, 7]})",
    R"({"a": -3})",
    R"({"a": [true, false]})",
    R"({"a": {"b": {"c": [1, 2]}}})",
    R"({"a": [{"b": [1, 2]}, {"b": null}]})",
    R"({"g": {"lon": 10.0, "lat": 10.0}})",
    R"({"g": {"lon": 15, "lat": 15}})",
    R"({"g": [{"lon": 179.5, "lat": 0}, {"lon": 1, "lat": 2}]})",
    R"({"g": "10,10"})",
    R"({"a": "2024-01-01", "b": "xyz"})",
    R"({"a": "00000000-0000-0000-0000-00000000000A"})",
    R"({"a": "foo hello"})",
};
constexpr struct {
  const char* condition;
  std::uint64_t mask;
} kTable[] = {
    {R"({"key":"a","is_empty":true})", 0x7800013},
    {R"({"key":"a","is_empty":false})", 0x387fffec},
    {R"({"key":"a","is_null":true})", 0xd},
    {R"({"key":"a","is_null":false})", 0x3ffffff2},
    {R"({"is_empty":{"key":"a"}})", 0x7800013},
    {R"({"is_null":{"key":"a"}})", 0xd},
    {R"({"key":"a","match":{"value":"x"}})", 0x180},
    {R"({"key":"a","match":{"value":1}})", 0x28},
    {R"({"key":"a","match":{"any":["x","y"]}})", 0x180},
    {R"({"key":"a","match":{"any":[1,5]}})", 0x40028},
    {R"({"key":"a","match":{"any":[]}})", 0x0},
    {R"({"key":"a","match":{"except":["x"]}})", 0x387fff68},
    {R"({"key":"a","match":{"except":[1]}})", 0x387fffc0},
    {R"({"key":"a","match":{"except":[]}})", 0x387fffe8},
    {R"({"key":"a","range":{"gte":1}})", 0x44068},
    {R"({"key":"a","range":{"gt":1,"lt":7}})", 0x44000},
    {R"({"key":"a","range":{"lte":-3}})", 0x80000},
    {R"({"key":"a","range":{}})", 0xc4068},
    {R"({"key":"a","values_count":{"gte":0}})", 0x3fffffff},
    {R"({"key":"a","values_count":{"gte":1}})", 0x387fffec},
    {R"({"key":"a","values_count":{"lt":1}})", 0x7800013},
    {R"({"key":"a","values_count":{"gt":1}})", 0x540908},
    {R"({"key":"a","values_count":{"gte":1,"lte":1}})", 0x382bf6e4},
    {R"({"key":"a[]","is_empty":true})", 0x3fabf4ff},
    {R"({"key":"a[]","is_empty":false})", 0x540b08},
    {R"({"key":"a[]","is_null":true})", 0xc},
    {R"({"key":"a[]","is_null":false})", 0x3ffffffb},
    {R"({"is_empty":{"key":"a[]"}})", 0x3fabf4f7},
    {R"({"is_null":{"key":"a[]"}})", 0xc},
    {R"({"key":"a[]","match":{"value":"x"}})", 0x300},
    {R"({"key":"a[]","match":{"value":1}})", 0x8},
    {R"({"key":"a[]","match":{"any":["x","y"]}})", 0x300},
    {R"({"key":"a[]","match":{"any":[1,5]}})", 0x40008},
    {R"({"key":"a[]","match":{"any":[]}})", 0x0},
    {R"({"key":"a[]","match":{"except":["x"]}})", 0x540908},
    {R"({"key":"a[]","match":{"except":[1]}})", 0x540b00},
    {R"({"key":"a[]","match":{"except":[]}})", 0x540b08},
    {R"({"key":"a[]","range":{"gte":1}})", 0x40008},
    {R"({"key":"a[]","range":{"gt":1,"lt":7}})", 0x40000},
    {R"({"key":"a[]","range":{"lte":-3}})", 0x0},
    {R"({"key":"a[]","range":{}})", 0x40008},
    {R"({"key":"a[]","values_count":{"gte":0}})", 0x3fffffff},
    {R"({"key":"a[]","values_count":{"gte":1}})", 0x540b08},
    {R"({"key":"a[]","values_count":{"lt":1}})", 0x3fabf4ff},
    {R"({"key":"a[]","values_count":{"gt":1}})", 0x0},
    {R"({"key":"a[]","values_count":{"gte":1,"lte":1}})", 0x540b08},
    {R"({"key":"a[0]","is_empty":true})", 0x3fabf4ff},
    {R"({"key":"a[0]","is_empty":false})", 0x540b00},
    {R"({"key":"a[0]","is_null":true})", 0xc},
    {R"({"key":"a[0]","is_null":false})", 0x3ffffff3},
    {R"({"is_empty":{"key":"a[0]"}})", 0x3fabf4ff},
    {R"({"is_null":{"key":"a[0]"}})", 0xc},
    {R"({"key":"a[0]","match":{"value":"x"}})", 0x300},
    {R"({"key":"a[0]","match":{"value":1}})", 0x0},
    {R"({"key":"a[0]","match":{"any":["x","y"]}})", 0x300},
    {R"({"key":"a[0]","match":{"any":[1,5]}})", 0x40000},
    {R"({"key":"a[0]","match":{"any":[]}})", 0x0},
    {R"({"key":"a[0]","match":{"except":["x"]}})", 0x540800},
    {R"({"key":"a[0]","match":{"except":[1]}})", 0x540b00},
    {R"({"key":"a[0]","match":{"except":[]}})", 0x540b00},
    {R"({"key":"a[0]","range":{"gte":1}})", 0x40000},
    {R"({"key":"a[0]","range":{"gt":1,"lt":7}})", 0x40000},
    {R"({"key":"a[0]","range":{"lte":-3}})", 0x0},
    {R"({"key":"a[0]","range":{}})", 0x40000},
    {R"({"key":"a[0]","values_count":{"gte":0}})", 0x3fffffff},
    {R"({"key":"a[0]","values_count":{"gte":1}})", 0x540b00},
    {R"({"key":"a[0]","values_count":{"lt":1}})", 0x3fabf4ff},
    {R"({"key":"a[0]","values_count":{"gt":1}})", 0x0},
    {R"({"key":"a[0]","values_count":{"gte":1,"lte":1}})", 0x540b00},
    {R"({"key":"a.b","is_empty":true})", 0x3fdffbff},
    {R"({"key":"a.b","is_empty":false})", 0x200400},
    {R"({"key":"a.b","is_null":true})", 0x0},
    {R"({"key":"a.b","is_null":false})", 0x3fffffff},
    {R"({"is_empty":{"key":"a.b"}})", 0x3fdffbff},
    {R"({"is_null":{"key":"a.b"}})", 0x0},
    {R"({"key":"a.b","match":{"value":"x"}})", 0x0},
    {R"({"key":"a.b","match":{"value":1}})", 0x400},
    {R"({"key":"a.b","match":{"any":["x","y"]}})", 0x0},
    {R"({"key":"a.b","match":{"any":[1,5]}})", 0x400},
    {R"({"key":"a.b","match":{"any":[]}})", 0x0},
    {R"({"key":"a.b","match":{"except":["x"]}})", 0x200400},
    {R"({"key":"a.b","match":{"except":[1]}})", 0x200000},
    {R"({"key":"a.b","match":{"except":[]}})", 0x200400},
    {R"({"key":"a.b","range":{"gte":1}})", 0x400},
    {R"({"key":"a.b","range":{"gt":1,"lt":7}})", 0x0},
    {R"({"key":"a.b","range":{"lte":-3}})", 0x0},
    {R"({"key":"a.b","range":{}})", 0x400},
    {R"({"key":"a.b","values_count":{"gte":0}})", 0x3fffffff},
    {R"({"key":"a.b","values_count":{"gte":1}})", 0x200400},
    {R"({"key":"a.b","values_count":{"lt":1}})", 0x3fdffbff},
    {R"({"key":"a.b","values_count":{"gt":1}})", 0x0},
    {R"({"key":"a.b","values_count":{"gte":1,"lte":1}})", 0x200400},
    {R"({"key":"a[].b","is_empty":true})", 0x3ffff7ff},
    {R"({"key":"a[].b","is_empty":false})", 0x400800},
    {R"({"key":"a[].b","is_null":true})", 0x400000},
    {R"({"key":"a[].b","is_null":false})", 0x3fffffff},
    {R"({"is_empty":{"key":"a[].b"}})", 0x3fbff7ff},
    {R"({"is_null":{"key":"a[].b"}})", 0x400000},
    {R"({"key":"a[].b","match":{"value":"x"}})", 0x800},
    {R"({"key":"a[].b","match":{"value":1}})", 0x400800},
    {R"({"key":"a[].b","match":{"any":["x","y"]}})", 0x800},
    {R"({"key":"a[].b","match":{"any":[1,5]}})", 0x400800},
    {R"({"key":"a[].b","match":{"any":[]}})", 0x0},
    {R"({"key":"a[].b","match":{"except":["x"]}})", 0x400800},
    {R"({"key":"a[].b","match":{"except":[1]}})", 0x400800},
    {R"({"key":"a[].b","match":{"except":[]}})", 0x400800},
    {R"({"key":"a[].b","range":{"gte":1}})", 0x400800},
    {R"({"key":"a[].b","range":{"gt":1,"lt":7}})", 0x400000},
    {R"({"key":"a[].b","range":{"lte":-3}})", 0x0},
    {R"({"key":"a[].b","range":{}})", 0x400800},
    {R"({"key":"a[].b","values_count":{"gte":0}})", 0x3fffffff},
    {R"({"key":"a[].b","values_count":{"gte":1}})", 0x400800},
    {R"({"key":"a[].b","values_count":{"lt":1}})", 0x3ffff7ff},
    {R"({"key":"a[].b","values_count":{"gt":1}})", 0x400000},
    {R"({"key":"a[].b","values_count":{"gte":1,"lte":1}})", 0x800},
    {R"({"key":"a","match":{"text":"hello world"}})", 0x2000},
    {R"({"key":"a","match":{"text":"WORLD hello"}})", 0x2000},
    {R"({"key":"a","match":{"text":"wor"}})", 0x0},
    {R"({"key":"a","match":{"text":""}})", 0x0},
    {R"({"key":"a","match":{"text_any":"zzz foo"}})", 0x20002000},
    {R"({"key":"a","match":{"phrase":"hello world"}})", 0x2000},
    {R"({"key":"a","match":{"phrase":"world hello"}})", 0x0},
    {R"({"key":"a","match":{"prefix":"hel"}})", 0x2000},
    {R"({"key":"a","match":{"prefix":""}})", 0x38022180},
    {R"({"key":"a","match":{"substring":"lo Wo"}})", 0x2000},
    {R"({"key":"a","range":{"gte":"2024-01-01T00:00:00Z"}})", 0x8020000},
    {R"({"key":"a","range":{"gt":"2024-01-01T00:00:00Z"}})", 0x20000},
    {R"({"key":"a","range":{"lt":"2024-01-01T01:00:00Z"}})", 0x8000000},
    {R"({"key":"g","geo_bounding_box":{"top_left":{"lon":10,"lat":20},"bottom_right":{"lon":20,"lat":10}}})", 0x1000000},
    {R"({"key":"g","geo_bounding_box":{"top_left":{"lon":170,"lat":20},"bottom_right":{"lon":12,"lat":-10}}})", 0x2800000},
    {R"({"key":"g","geo_radius":{"center":{"lon":10,"lat":10},"radius":1000}})", 0x800000},
    {R"({"key":"g","geo_radius":{"center":{"lon":-179.5,"lat":0},"radius":120000}})", 0x2000000},
    {R"({"key":"g","geo_polygon":{"exterior":{"points":[{"lon":0,"lat":0},{"lon":20,"lat":0},{"lon":20,"lat":20},{"lon":0,"lat":20},{"lon":0,"lat":0}]},"interiors":[{"points":[{"lon":14,"lat":14},{"lon":16,"lat":14},{"lon":16,"lat":16},{"lon":14,"lat":16},{"lon":14,"lat":14}]}]}})", 0x2800000},
    {R"({"nested":{"key":"a","filter":{"must":[{"key":"b","match":{"value":1}}]}}})", 0x400800},
    {R"({"nested":{"key":"a","filter":{"must_not":[{"key":"b","match":{"value":1}}]}}})", 0x400800},
    {R"({"nested":{"key":"a","filter":{"must":[{"key":"b","match":{"value":1}},{"key":"b","match":{"value":"x"}}]}}})", 0x0},
    {R"({"nested":{"key":"a","filter":{}}})", 0x400800},
    {R"({"nested":{"key":"a[]","filter":{"must":[{"is_null":{"key":"b"}}]}}})", 0x400000},
    {R"({"has_vector":""})", 0x3fffffff},
    {R"({"key":"a","match":{"value":"x"},"range":{"gte":2}})", 0x44180},
    {R"({"min_should":{"conditions":[{"key":"a","match":{"value":1}},{"key":"a","match":{"value":"x"}},{"key":"a","range":{"gte":0}}],"min_count":0}})", 0x3fffffff},
    {R"({"min_should":{"conditions":[{"key":"a","match":{"value":1}},{"key":"a","match":{"value":"x"}},{"key":"a","range":{"gte":0}}],"min_count":1}})", 0x441e8},
    {R"({"min_should":{"conditions":[{"key":"a","match":{"value":1}},{"key":"a","match":{"value":"x"}},{"key":"a","range":{"gte":0}}],"min_count":2}})", 0x28},
    {R"({"min_should":{"conditions":[{"key":"a","match":{"value":1}},{"has_id":[7,8]},{"key":"a","match":{"value":1}}],"min_count":2}})", 0x28},
    {R"({"must":[{"key":"a","range":{"gte":1}}],"must_not":[{"key":"a","match":{"value":5}}]})", 0x4068},
    {R"({"should":[{"key":"a","match":{"value":"x"}},{"has_id":[3,4]}]})", 0x198},
};
// clang-format on

std::uint64_t Mask(const Collection& c, const Filter& filter, std::size_t limit) {
  const auto page = c.Scroll(std::nullopt, limit, &filter, false);
  REQUIRE(page.ok());
  std::uint64_t mask = 0;
  for (const auto& p : page.value().points) mask |= 1ull << std::get<std::uint64_t>(p.id);
  return mask;
}

}  // namespace

TEST_CASE("conditions hold where they hold in Qdrant") {
  os::FaultVfs vfs(1);
  auto db = Database::Open(vfs, "/db", 1).value();
  CollectionConfig config;
  config.dense[""] = {.dim = 2, .distance = Distance::kDot};
  const auto c = db->Create("c", config).value();
  std::vector<Point> points;
  for (std::uint64_t i = 0; i < std::size(kPayloads); ++i) {
    Point p{.id = i, .vectors = {}, .payload = kPayloads[i]};
    p.vectors.dense[""] = {1, 0};
    points.push_back(p);
  }
  REQUIRE(c->Upsert(points).ok());
  for (int round = 0; round < 5; ++round) {
    for (const auto& row : kTable) {
      CAPTURE(row.condition);
      CAPTURE(round);
      const auto json = json::Parse(std::string(R"({"must":[)") + row.condition + "]}");
      REQUIRE(json.ok());
      const auto filter = ParseFilter(json.value());
      if (!filter.ok()) FAIL(filter.error().message());
      CHECK(Mask(*c, filter.value(), 100) == row.mask);   // Row by row.
      CHECK(Mask(*c, filter.value(), 1000) == row.mask);  // As a set: by columns, once there are.
      CHECK(c->Count(&filter.value()).value() ==
            static_cast<std::uint64_t>(std::popcount(row.mask)));
      for (std::size_t i = 0; i < points.size() && round == 0; ++i) {
        CHECK(Holds(filter.value(), points[i]) == ((row.mask >> i & 1) != 0));
      }
    }
    REQUIRE(c->Checkpoint().ok());
  }
}
