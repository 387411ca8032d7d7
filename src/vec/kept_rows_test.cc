// Goal: what a segment remembers of a filter is what the filter keeps, whatever happens to points
// and indexes in between, within bounds. Method: a few filters asked for again and again between
// writes, against a test of each point; a full-text filter before and after its index; keys by
// themselves.
#include <doctest/doctest.h>

#include <map>
#include <random>

#include "json/value.h"
#include "os/fault_vfs.h"
#include "vec/collection.h"
#include "vec/kept_rows_internal.h"

using namespace malmoi;
using namespace malmoi::vec;

namespace {

constexpr std::uint64_t kPoints = 5000;

Filter FilterOf(const std::string& json) {
  return ParseFilter(json::Parse(json).value()).value();
}

// clang-format off
const char* const kFilters[] = {
    R"({"must":[{"key":"n","range":{"lt":30}}]})",
    R"({"must":[{"key":"n","range":{"gte":30}},{"key":"k","match":{"value":"w3"}}]})",
    R"({"must_not":[{"key":"k","match":{"any":["w1","w2"]}}]})",
    R"({"should":[{"key":"k","match":{"value":"w5"}},{"key":"n","range":{"lte":2}}]})",
    R"({"min_should":{"conditions":[{"key":"k","match":{"value":"w5"}},{"key":"n","range":{"lte":50}}],"min_count":2}})",
    R"({"must":[{"is_empty":{"key":"missing"}},{"key":"n","match":{"value":7}}]})",
};
// clang-format on

Point MakePoint(std::uint64_t id, std::uint64_t version) {
  std::mt19937_64 random(id * 31 + version);
  Point p{.id = id};
  p.vectors.dense[""] = {static_cast<float>(random() % 1000) + 1};
  p.payload = R"({"n":)" + std::to_string(random() % 100) + R"(,"k":"w)" +
              std::to_string(random() % 8) + R"(","t":"Running )" + std::to_string(random() % 5) +
              R"("})";
  return p;
}

struct World {
  os::FaultVfs vfs{1};
  std::unique_ptr<Database> db = Database::Open(vfs, "/db", 2).value();
  std::shared_ptr<Collection> collection;
  std::map<std::uint64_t, Point> points;

  World() {
    CollectionConfig config;
    config.dense[""] = {.dim = 1, .distance = Distance::kDot};
    collection = db->Create("c", config).value();
    std::vector<Point> all;
    for (std::uint64_t id = 0; id < kPoints; ++id) all.push_back(points[id] = MakePoint(id, 0));
    REQUIRE(collection->Upsert(all, {.wait = false}).ok());
    REQUIRE(collection->Checkpoint().ok());
  }
  std::uint64_t Count(const Filter& filter) const { return collection->Count(&filter).value(); }
  void Check(const Filter& filter) const {
    std::uint64_t wanted = 0;
    for (const auto& [id, point] : points) wanted += Holds(filter, point) ? 1 : 0;
    CHECK(Count(filter) == wanted);
    const auto outcome = collection->Query(
        {.using_vector = "", .vector = std::vector<float>{1}, .filter = &filter, .limit = 20});
    REQUIRE(outcome.ok());
    CHECK(outcome.value().hits.size() == std::min<std::uint64_t>(20, wanted));
    for (const Hit& hit : outcome.value().hits) {
      CHECK(Holds(filter, points.at(std::get<std::uint64_t>(hit.id))));
    }
  }
};

}  // namespace

TEST_CASE("a filter that comes again keeps what it should, whatever was written in between") {
  World world;
  std::vector<Filter> filters;
  for (const char* json : kFilters) filters.push_back(FilterOf(json));
  std::mt19937_64 random(7);
  for (std::uint64_t step = 0; step < 24; ++step) {
    for (int again = 0; again < 2; ++again) {
      for (const Filter& filter : filters) world.Check(filter);
    }
    const std::uint64_t id = random() % kPoints;
    if (step % 3 == 0) {
      const Point p = world.points[id] = MakePoint(id, step + 1);
      REQUIRE(world.collection->Upsert({&p, 1}).ok());
    } else {
      REQUIRE(world.collection->Delete(std::vector<PointId>{id}).ok());
      world.points.erase(id);
    }
    if (step == 12) REQUIRE(world.collection->Checkpoint().ok());
  }
}

TEST_CASE("an index that reads a filter in another way is not answered from memory") {
  const World world;
  const Filter stemmed = FilterOf(R"({"must":[{"key":"t","match":{"text":"run"}}]})");
  for (int again = 0; again < 4; ++again) CHECK(world.Count(stemmed) == 0);
  PayloadIndexParams params{.kind = IndexKind::kText};
  params.text.stemmer = "english";
  const Operation create = CreateIndexOp{.key = "t", .params = params};
  REQUIRE(world.collection->Write({&create, 1}).ok());
  for (int again = 0; again < 4; ++again) CHECK(world.Count(stemmed) == kPoints);
  const Operation drop = DropIndexOp{.key = "t"};
  REQUIRE(world.collection->Write({&drop, 1}).ok());
  for (int again = 0; again < 4; ++again) CHECK(world.Count(stemmed) == 0);
}

TEST_CASE("filters that came twice are remembered, the last ones, within a bound") {
  KeptSet set;
  const auto indexes = std::make_shared<const IndexMap>();
  const auto key = [&](int i) { return KeptSet::Key{"f" + std::to_string(i), nullptr, indexes}; };
  constexpr std::uint32_t kRows = 64'000;
  const auto ask = [&](int i) {
    bool wanted = false;
    const auto known = set.Get(key(i), kRows, &wanted);
    if (wanted) set.Put(key(i), std::make_shared<KeptRows>(Bitmap(kRows, true)));
    return known != nullptr;
  };
  CHECK(!ask(0));
  CHECK(!ask(0));
  CHECK(ask(0));
  bool wanted = true;
  CHECK(set.Get({"f0", nullptr, std::make_shared<const IndexMap>()}, kRows, &wanted) == nullptr);
  CHECK(!wanted);
  CHECK(set.Get({"", nullptr, indexes}, kRows, &wanted) == nullptr);
  CHECK(!wanted);
  for (int i = 1; i < 1000; ++i) {
    ask(i);
    ask(i);
    CHECK(ask(0));  // Asked for all the time, it stays.
  }
  CHECK(!ask(1));
  CHECK(set.memory_bytes() < KeptSet::kMost * (kRows / 4 + 500));
  set.Clear();
  CHECK(!ask(0));
}

TEST_CASE("a filter's text tells it from any other, or is empty") {
  const auto number = [](Range range) {
    Filter f;
    f.must = {{FieldCondition{"n", range}}};
    return KeptText(f);
  };
  const double infinity = std::numeric_limits<double>::infinity();
  CHECK(!number({.lt = 1.0}).empty());
  CHECK(number({.lt = 1.0}) != number({.lte = 1.0}));
  CHECK(number({.lt = 1.0}) != number({.lt = std::nextafter(1.0, 2.0)}));
  CHECK(number({.lt = infinity}).empty());
  Filter ill;
  ill.must = {{FieldCondition{"k", MatchAny{{std::string("\xff")}}}}};
  CHECK(KeptText(ill).empty());
  Filter many;
  many.should.assign(100, {FieldCondition{"k", IsEmpty{}}});
  CHECK(KeptText(many).empty());
}
