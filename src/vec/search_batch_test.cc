// Goal: exact queries of one batch give what each gives alone, bit for bit.
// Method: random points over several segments and the memtable, some deleted and some without the
// vector; every distance, limits and thresholds that differ within the batch.
#include <doctest/doctest.h>

#include <random>

#include "os/fault_vfs.h"
#include "vec/collection.h"

using namespace malmoi;
using namespace malmoi::vec;

TEST_CASE("a batch of exact queries is as its queries alone") {
  for (const auto distance :
       {Distance::kCosine, Distance::kDot, Distance::kEuclid, Distance::kManhattan}) {
    os::FaultVfs vfs(1);
    REQUIRE(vfs.MakeDirs("/db").ok());
    const auto db = Database::Open(vfs, "/db", 2).value();
    CollectionConfig config;
    config.dense["d"] = {.dim = 19, .distance = distance};
    config.dense["other"] = {.dim = 2};
    const auto c = db->Create("c", config).value();
    std::mt19937_64 random(3);
    const auto vector = [&] {
      std::vector<float> v(19);
      for (float& x : v) x = static_cast<float>(random() % 9) - 4;
      return v;
    };
    for (int round = 0; round < 4; ++round) {
      std::vector<Point> points;
      for (int i = 0; i < 300; ++i) {
        Point& p = points.emplace_back();
        p.id = random() % 2000;
        if (i % 7 != 0) p.vectors.dense["d"] = vector();
      }
      REQUIRE(c->Upsert(points).ok());
      if (round < 3) REQUIRE(c->Checkpoint().ok());
      const std::vector<PointId> gone = {std::uint64_t{random() % 2000}};
      REQUIRE(c->Delete(gone).ok());
    }
    std::vector<VectorQuery> queries;
    for (std::size_t i = 0; i < 9; ++i) {
      VectorQuery& q = queries.emplace_back();
      q.using_vector = "d";
      q.vector = vector();
      q.limit = 1 + i * 5;
      q.params.exact = true;
      if (i % 3 == 0) q.score_threshold = 1.0f;
    }
    const auto together = c->QueryBatch(queries);
    REQUIRE(together.ok());
    REQUIRE(together.value().size() == queries.size());
    for (std::size_t i = 0; i < queries.size(); ++i) {
      const auto alone = c->Query(queries[i]);
      REQUIRE(alone.ok());
      const auto& a = alone.value();
      const auto& b = together.value()[i];
      CHECK(b.exact);
      CHECK(a.scored == b.scored);
      REQUIRE(a.hits.size() == b.hits.size());
      for (std::size_t h = 0; h < a.hits.size(); ++h) {
        CHECK(a.hits[h].id == b.hits[h].id);
        CHECK(a.hits[h].score == b.hits[h].score);
      }
    }
    queries[4].vector = std::vector<float>{1, 2};
    CHECK(c->QueryBatch(queries).error().code() == Code::kInvalidArgument);
  }
}
