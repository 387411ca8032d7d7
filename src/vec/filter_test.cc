// Goal: ParseFilter takes Qdrant's forms, refuses the rest by name, and conditions hold as
// documented. Method: tables; each filter is counted over a handful of points in memory and in a
// segment.
#include "vec/filter.h"

#include <doctest/doctest.h>

#include "json/value.h"
#include "json/writer.h"
#include "os/fault_vfs.h"
#include "vec/collection.h"

using namespace malmoi;
using namespace malmoi::vec;

namespace {

Result<Filter> ParseText(std::string_view text) {
  return ParseFilter(json::Parse(text).value());
}

}  // namespace

TEST_CASE("filters that are refused, and what the message names") {
  const struct {
    const char* text;
    const char* named;
  } kTable[] = {
      {"[]", "must be an object"},
      {R"({"foo":[]})", "unknown member 'foo'"},
      {R"({"must":1})", "'must' must be an array"},
      {R"({"must":[1]})", "a condition must be an object"},
      {R"({"must":[{"key":"a"}]})", "key 'a'"},
      {R"({"must":[{"key":"","match":{"value":1}}]})", "payload path"},
      {R"({"must":[{"key":"a","match":{"value":1.5}}]})", "match takes"},
      {R"({"must":[{"key":"a","match":{"foo":"x"}}]})", "got 'foo'"},
      {R"({"must":[{"key":"a","match":{"any":"x"}}]})", "match 'any' takes"},
      {R"({"must":[{"key":"a","match":{"prefix":1}}]})", "match 'prefix' takes"},
      {R"({"must":[{"key":"a","range":{"lt":"x"}}]})", "range bound 'lt'"},
      {R"({"must":[{"key":"a","range":{"le":1}}]})", "got 'le'"},
      {R"({"must":[{"key":"a..b","match":{"value":1}}]})", "a name is missing"},
      {R"({"must":[{"key":"a[","match":{"value":1}}]})", "not closed"},
      {R"({"must":[{"key":"a","range":{"lt":1,"gt":"2024-01-01"}}]})", "mixes"},
      {R"({"must":[{"key":"a","geo_radius":{"center":{"lon":200,"lat":0},"radius":1}}]})", "lon"},
      {R"({"min_should":{"conditions":[]}})", "min_should takes"},
      {R"({"must":[{"slice":{"total":2,"index":2}}]})", "slice takes"},
      {R"({"must":[{"has_id":[-1]}]})", "has_id takes"},
      {R"({"must":[{"has_id":["x"]}]})", "has_id takes"},
      {R"({"must":[{"is_empty":"a"}]})", "key must be a string"},
  };
  for (const auto& row : kTable) {
    CAPTURE(row.text);
    const auto parsed = ParseText(row.text);
    REQUIRE_FALSE(parsed.ok());
    CHECK(parsed.error().code() == Code::kInvalidArgument);
    CHECK(parsed.error().message().find(row.named) != std::string::npos);
  }
  std::string deep = R"({"must":[{"has_id":[1]}]})";
  for (int i = 0; i < 40; ++i) deep = R"({"must":[)" + deep + "]}";
  CHECK(ParseText(deep).error().message() == "filter: nested more than 32 deep");
}

TEST_CASE("conditions hold as documented") {
  const char* const kPayloads[] = {
      R"({"lang":"ko","page":1,"path":"a/b","ok":true})",
      R"({"lang":"en","page":2.5,"path":"a/c","tags":["x","y"]})",
      R"({"lang":null,"page":-3,"path":"b","tags":[],"m":{"page":7}})",
      R"({"page":"2","list":[{"k":1},{"k":2}],"big":9007199254740993})",
  };
  const struct {
    const char* text;
    std::uint64_t mask;  // Bit i: point i is kept.
  } kTable[] = {
      {"{}", 15},
      {R"({"must":[]})", 15},
      {R"({"must":{"key":"lang","match":{"value":"ko"}}})", 1},
      {R"({"must":[{"key":"lang","match":{"any":["ko","en"]}}]})", 3},
      {R"({"must_not":[{"key":"lang","match":{"value":"ko"}}]})", 14},
      {R"({"must":[{"key":"ok","match":{"value":true}}]})", 1},
      {R"({"must":[{"key":"ok","match":{"value":1}}]})", 0},
      {R"({"must":[{"key":"page","match":{"value":1}}]})", 1},
      {R"({"must":[{"key":"page","range":{"gte":1,"lt":2.5}}]})", 1},
      {R"({"must":[{"key":"page","range":{"lte":2.5}}]})", 7},
      {R"({"must":[{"key":"page","range":{"gt":-3}}]})", 3},
      {R"({"must":[{"key":"path","match":{"prefix":"a/"}}]})", 3},
      {R"({"must":[{"key":"tags","match":{"value":"y"}}]})", 2},
      {R"({"must":[{"key":"tags[]","match":{"value":"y"}}]})", 2},
      {R"({"must":[{"is_empty":{"key":"tags"}}]})", 13},
      {R"({"must":[{"is_empty":{"key":"lang"}}]})", 12},
      {R"({"must":[{"key":"m.page","match":{"value":7}}]})", 4},
      {R"({"must":[{"key":"list[].k","match":{"value":2}}]})", 8},
      {R"({"must":[{"key":"list.k","match":{"value":2}}]})", 0},
      {R"({"must":[{"key":"big","match":{"value":9007199254740992}}]})", 0},
      {R"({"must":[{"key":"big","match":{"value":9007199254740993}}]})", 8},
      {R"({"must":[{"has_id":[1,3,99]}]})", 10},
      {R"({"must_not":[{"has_id":[1]}]})", 13},
      {R"({"must":[{"has_id":[0,1]},{"key":"lang","match":{"value":"en"}}]})", 2},
      {R"({"should":[{"has_id":[0]},{"key":"m.page","range":{"gt":1}}]})", 5},
      {R"({"must":[{"should":[{"has_id":[0,2]}],"must_not":[{"has_id":[2]}]}]})", 1},
  };
  os::FaultVfs vfs(1);
  auto db = Database::Open(vfs, "/db", 2).value();
  CollectionConfig config;
  config.dense["d"] = {.dim = 1, .distance = Distance::kDot};
  const auto c = db->Create("c", config).value();
  for (std::uint64_t i = 0; i < std::size(kPayloads); ++i) {
    Point p{.id = i, .vectors = {}, .payload = kPayloads[i]};
    p.vectors.dense["d"] = {1};
    REQUIRE(c->Upsert(std::span(&p, 1)).ok());
  }
  for (int round = 0; round < 2; ++round) {
    for (const auto& row : kTable) {
      CAPTURE(row.text);
      CAPTURE(round);
      const auto filter = ParseText(row.text);
      REQUIRE(filter.ok());
      const auto page = c->Scroll(std::nullopt, 10, &filter.value(), false);
      std::uint64_t mask = 0;
      for (const auto& p : page.value().points) mask |= 1ull << std::get<std::uint64_t>(p.id);
      CHECK(mask == row.mask);
      const VectorQuery q{
          .using_vector = "d", .vector = std::vector<float>{1}, .filter = &filter.value()};
      std::uint64_t hits = 0;
      const auto outcome = c->Query(q);
      for (const auto& hit : outcome.value().hits) hits |= 1ull << std::get<std::uint64_t>(hit.id);
      CHECK(hits == row.mask);
    }
    REQUIRE(c->Checkpoint().ok());
  }
}

TEST_CASE("a filter is printed as the JSON that reads back as the same filter") {
  const char* kFilters[] = {
      "{}",
      R"({"must":[{"key":"a","match":{"value":"x"}}]})",
      R"({"must":[{"key":"a","match":{"value":7}},{"key":"b","match":{"value":true}}]})",
      R"({"must_not":[{"key":"a","match":{"any":["x","y"]}},{"key":"a","match":{"except":[1]}}]})",
      R"({"should":[{"key":"a","match":{"text":"t"}},{"key":"a","match":{"text_any":"t"}}]})",
      R"({"should":[{"key":"a","match":{"phrase":"p q"}},{"key":"a","match":{"prefix":"guide/"}}]})",
      R"({"must":[{"key":"a","match":{"substring":"\"s"}},{"key":"a[].b","range":{"lt":1.5,"gte":0}}]})",
      R"({"must":[{"key":"a","range":{"lte":"2024-02-29T23:59:59.000001Z"}}]})",
      R"({"must":[{"key":"a","range":{"gt":"1969-12-31T23:59:59.500000Z"}}]})",
      R"({"must":[{"key":"a","geo_radius":{"center":{"lon":127,"lat":37.5},"radius":1000}}]})",
      R"({"must":[{"key":"a","geo_bounding_box":{"top_left":{"lon":1,"lat":2},"bottom_right":{"lon":3,"lat":0}}}]})",
      R"({"must":[{"key":"a","geo_polygon":{"exterior":{"points":[{"lon":0,"lat":0},{"lon":1,"lat":0},{"lon":1,"lat":1},{"lon":0,"lat":0}]},"interiors":[]}}]})",
      R"({"must":[{"key":"a","values_count":{"gte":2}},{"key":"a","is_empty":false},{"key":"a","is_null":true}]})",
      R"({"must":[{"is_empty":{"key":"a"}},{"is_null":{"key":"b.c"}},{"has_vector":""}]})",
      R"({"must":[{"has_id":[1,"0b7a2b8e-3c44-4a3b-9d61-2f6f0c3a7f11"]},{"slice":{"total":4,"index":3}}]})",
      R"({"must":[{"nested":{"key":"a","filter":{"must":[{"key":"b","match":{"value":1}}]}}}]})",
      R"({"must":[{"should":[{"has_id":[1]},{"has_id":[2]}]}],"min_should":{"conditions":[{"has_id":[1]}],"min_count":1}})",
  };
  for (const char* text : kFilters) {
    CAPTURE(text);
    const auto filter = ParseText(text);
    REQUIRE(filter.ok());
    json::Writer printed;
    PrintFilter(filter.value(), &printed);
    CHECK(printed.text() == json::Parse(text).value().Dump());
  }
}
