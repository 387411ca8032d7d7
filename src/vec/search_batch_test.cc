// Goal: exact queries of one batch give what each gives alone, bit for bit.
// Method: random points over several segments and the memtable, some deleted and some without the
// vector; every distance, limits and thresholds that differ within the batch.
#include <doctest/doctest.h>

#include <algorithm>
#include <random>

#include "os/cpu_info.h"
#include "os/fault_vfs.h"
#include "vec/collection.h"

using namespace malmoi;
using namespace malmoi::vec;

namespace {

constexpr std::uint32_t kDim = 67;

// A third of them near each other, some of very different lengths, equal ones and zeros.
std::vector<float> Vector(std::mt19937_64& random, int i) {
  std::vector<float> v(kDim);
  const float scale = i % 5 == 0 ? 1e-3f : i % 11 == 0 ? 300.0f : 1.0f;
  for (float& x : v) {
    x = static_cast<float>(static_cast<int>(random() % 2001) - 1000) * 1e-3f;
    x = scale * (i % 3 == 0 ? 1 + x * 0.01f : x);
  }
  if (i % 50 == 0) std::fill(v.begin(), v.end(), i % 100 == 0 ? 0.0f : 2.0f);
  if (i % 97 == 0) v[3] = 1e18f;  // Its square is finite, sums of such rows are far apart.
  if (i % 203 == 0) v[5] = 3e38f;
  return v;
}

void CheckSame(const QueryOutcome& a, const QueryOutcome& b) {
  CHECK(b.exact);
  CHECK(a.scored == b.scored);
  REQUIRE(a.hits.size() == b.hits.size());
  for (std::size_t h = 0; h < a.hits.size(); ++h) {
    CHECK(a.hits[h].id == b.hits[h].id);
    CHECK(a.hits[h].score == b.hits[h].score);
  }
}

}  // namespace

// Bytes decide which rows are scored: nothing that belongs to the hits may be left out, on any
// level, whatever the rows' sizes.
TEST_CASE("a large batch of exact queries is as its queries alone on every level") {
  for (const auto distance : {Distance::kCosine, Distance::kDot, Distance::kEuclid}) {
    for (const auto datatype : {Datatype::kFloat32, Datatype::kFloat16}) {
      os::FaultVfs vfs(1);
      REQUIRE(vfs.MakeDirs("/db").ok());
      const auto db = Database::Open(vfs, "/db", 2).value();
      CollectionConfig config;
      config.dense["d"] = {.dim = kDim, .distance = distance, .datatype = datatype};
      // Every second collection keeps its segments' rows as bytes.
      if (datatype == Datatype::kFloat32) {
        config.settings = R"({"quantization_config":{"scalar":{"type":"int8"}}})";
      }
      const auto c = db->Create("c", config).value();
      std::mt19937_64 random(5);
      std::vector<Point> points;
      for (int i = 1; i <= 3000; ++i) {
        Point& p = points.emplace_back();
        p.id = static_cast<std::uint64_t>(i);
        p.vectors.dense["d"] = Vector(random, i);
      }
      REQUIRE(c->Upsert(std::span(points).first(2500)).ok());
      REQUIRE(c->Checkpoint().ok());
      REQUIRE(c->Upsert(std::span(points).subspan(2500)).ok());
      std::vector<VectorQuery> queries;
      for (int i = 1; i < 36; ++i) {
        VectorQuery& q = queries.emplace_back();
        q.using_vector = "d";
        q.vector = Vector(random, i);
        q.limit = static_cast<std::size_t>(i);
        q.params.exact = true;
        q.with_payload = false;
      }
      const auto level = os::ActiveCpuLevel();
      for (const auto at : os::AvailableCpuLevels()) {
        os::SetCpuLevelForTest(at);
        CAPTURE(os::CpuLevelName(at));
        CAPTURE(static_cast<int>(distance));
        const auto together = c->QueryBatch(queries);
        REQUIRE(together.ok());
        for (std::size_t i = 0; i < queries.size(); ++i) {
          VectorQuery alone = queries[i];
          CheckSame(c->Query(alone).value(), together.value()[i]);
          alone.params.quantization.ignore = true;
          Filter all;  // Rows that a filter keeps are scored one by one.
          all.must_not.push_back({HasId{{std::uint64_t{999'999}}}});
          alone.filter = &all;
          CheckSame(c->Query(alone).value(), together.value()[i]);
        }
      }
      os::SetCpuLevelForTest(level);
    }
  }
}

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
      CheckSame(alone.value(), together.value()[i]);
    }
    queries[4].vector = std::vector<float>{1, 2};
    CHECK(c->QueryBatch(queries).error().code() == Code::kInvalidArgument);
  }
}
