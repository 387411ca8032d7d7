// Goal: what the settings say about graphs holds for the collection, not for each of its parts: a
// small collection is exact, and in a large one the newest few thousand points cost no more than
// their share.
// Method: thresholds as the plan has them; a collection on both sides of its threshold.
#include <doctest/doctest.h>

#include <random>

#include "os/fault_vfs.h"
#include "vec/graph_internal.h"
#include "vec/optimize.h"

using namespace malmoi;
using namespace malmoi::vec;

namespace {

constexpr std::uint32_t kDim = 48;

std::vector<float> RandomRow(std::mt19937_64& random) {
  std::vector<float> row;
  for (std::uint32_t i = 0; i < kDim; ++i)
    row.push_back(static_cast<float>(random() % 2001) - 1e3f);
  return row;
}

void Fill(Collection& c, std::uint64_t from, std::uint64_t to) {
  std::vector<Point> points;
  for (std::uint64_t id = from; id < to; ++id) {
    std::mt19937_64 random(id + 1);
    Point p{.id = id};
    p.vectors.dense["d"] = RandomRow(random);
    points.push_back(std::move(p));
  }
  REQUIRE(c.Upsert(points, {.wait = false}).ok());
}

// From 1,000 KB of vectors, 5,333 rows, graphs are made and used.
CollectionConfig SmallThresholds() {
  CollectionConfig config;
  config.dense["d"] = {.dim = kDim};
  config.settings = R"({"hnsw_config":{"full_scan_threshold":1000},)"
                    R"("optimizer_config":{"indexing_threshold":1000}})";
  return config;
}

bool Approximate(const Collection& c) {
  VectorQuery query{.using_vector = "d", .vector = std::vector<float>(kDim, 1.0f)};
  return !c.Query(query).value().exact;
}

}  // namespace

TEST_CASE("thresholds are those of the whole collection") {
  Schema schema;
  schema.fields.push_back({.name = "d", .kind = FieldKind::kDense, .dim = 48});
  schema.fields.push_back({.name = "e", .kind = FieldKind::kDense, .dim = 48});
  const std::uint64_t row = schema.fields[0].row_bytes();
  REQUIRE(row == 192);
  const OptimizerPlan asked = PlanOptimizer(
      schema,
      R"({"hnsw_config":{"full_scan_threshold":2000},"optimizer_config":{"indexing_threshold":1000}})");
  const auto at = [&](std::uint64_t d, std::uint64_t e) {
    return PlanForSize(asked, schema, std::vector<std::uint64_t>{d, e}).graphs;
  };
  CHECK(at(0, 0) == asked.graphs);
  CHECK(at(1'024'000 / row, 0) == asked.graphs);  // As large as the threshold: not larger.
  const auto larger = at(1'024'000 / row + 1, 4000);
  CHECK(larger[0].from_bytes == 1024 * row - 1);
  CHECK(larger[0].scan_bytes == 2'048'000);
  CHECK(larger[1] == asked.graphs[1]);  // Each vector by itself.
  CHECK(at(2'048'000 / row + 1, 0)[0].scan_bytes == 1024 * row - 1);
  // Who asks for less than that gets it.
  const OptimizerPlan low =
      PlanOptimizer(schema, R"({"optimizer_config":{"indexing_threshold":10}})");
  CHECK(PlanForSize(low, schema, std::vector<std::uint64_t>{9000, 0}).graphs[0].from_bytes ==
        10'240);
}

TEST_CASE("a small collection is exact; of a large one also the newest points are in graphs") {
  os::FaultVfs vfs(1);
  auto db = Database::Open(vfs, "/db", 2).value();
  auto c = db->Create("c", SmallThresholds()).value();
  Fill(*c, 0, 2600);
  REQUIRE(c->Checkpoint().ok());
  Fill(*c, 2600, 5300);
  REQUIRE(Optimize(*c).ok());
  CHECK(c->Info().indexed_vectors == 0);
  CHECK(!Approximate(*c));
  Fill(*c, 5300, 5600);
  REQUIRE(Optimize(*c).ok());
  CHECK(c->Info().indexed_vectors >= 5300);
  CHECK(Approximate(*c));
  // Memory has a graph long before it has 1,000 KB: the segment that it becomes need not wait.
  const std::uint64_t before = c->Info().indexed_vectors;
  Fill(*c, 5600, 7200);
  REQUIRE(c->Checkpoint().ok());
  CHECK(c->Info().indexed_vectors >= before + 1500);
}

TEST_CASE("many parts, each of them below the threshold, are found in as well as one") {
  os::FaultVfs vfs(2);
  auto db = Database::Open(vfs, "/db", 2).value();
  auto c = db->Create("c", SmallThresholds()).value();
  constexpr std::uint64_t kPart = 1100, kParts = 8;
  for (std::uint64_t part = 0; part < kParts; ++part) {
    Fill(*c, part * kPart, (part + 1) * kPart);
    REQUIRE(c->Checkpoint().ok());
  }
  REQUIRE(c->Info().segments > 1);
  std::mt19937_64 random(3);
  std::size_t found = 0;
  bool exact = false;
  for (int q = 0; q < 40; ++q) {
    VectorQuery query{
        .using_vector = "d", .vector = RandomRow(random), .limit = 10, .with_payload = false};
    const auto outcome = c->Query(query).value();
    exact = exact || outcome.exact;
    query.params.exact = true;
    const auto truth = c->Query(query).value();
    for (const Hit& right : truth.hits) {
      for (const Hit& hit : outcome.hits) found += hit.id == right.id ? 1 : 0;
    }
  }
  CHECK(!exact);
  CHECK(found >= 380);  // Of 400.
}
