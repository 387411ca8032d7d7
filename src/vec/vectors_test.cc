// Goal: every datatype, distance and MaxSim scores as Qdrant does, from memory and from a segment,
// and reads back what is stored.
// Method: scores that qdrant-edge-py 0.9.0 gave for the same few vectors.
#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "os/fault_vfs.h"
#include "vec/collection.h"
#include "vec/schema_internal.h"

using namespace malmoi;
using namespace malmoi::vec;

namespace {

struct Expected {
  Distance distance;
  Datatype datatype;
  std::vector<std::pair<std::uint64_t, float>> hits;
  std::vector<float> first;  // Vector of point 0 as read back.
};

std::shared_ptr<Collection> Make(Database& db, const std::string& name, DenseParams params) {
  CollectionConfig config;
  config.dense[""] = std::move(params);
  return db.Create(name, config).value();
}

void CheckHits(const Collection& c, const QueryVector& query,
               const std::vector<std::pair<std::uint64_t, float>>& expected) {
  const auto outcome = c.Query({.using_vector = "", .vector = query});
  if (!outcome.ok()) FAIL(outcome.error().message());
  const auto& hits = outcome.value().hits;
  REQUIRE(hits.size() == expected.size());
  for (std::size_t i = 0; i < hits.size(); ++i) {
    CHECK(hits[i].id == PointId(expected[i].first));
    CHECK(hits[i].score == doctest::Approx(expected[i].second).epsilon(1e-6));
  }
}

}  // namespace

TEST_CASE("datatypes and distances score as Qdrant's") {
  const Expected kTable[] = {
      {Distance::kCosine,
       Datatype::kUint8,
       {{2, 0.9631231f}, {0, 0.8069931f}, {1, 0}},
       {1, 2, 255}},
      {Distance::kCosine,
       Datatype::kFloat16,
       {{2, 0.7449350f}, {0, 0.6399187f}, {1, 0}},
       {0.34716797f, 0.9370117f, 0.034698486f}},
      {Distance::kDot, Datatype::kUint8, {{0, 770}, {2, 31}, {1, 0}}, {1, 2, 255}},
      {Distance::kDot,
       Datatype::kFloat16,
       {{2, 26.5f}, {0, 7.1983643f}, {1, 0}},
       {1, 2.6992188f, 0.099975586f}},
      {Distance::kEuclid,
       Datatype::kUint8,
       {{1, 3.7416575f}, {2, 5.0990195f}, {0, 252}},
       {1, 2, 255}},
      {Distance::kEuclid,
       Datatype::kFloat16,
       {{0, 3.0247395f}, {1, 3.9051249f}, {2, 6.7268119f}},
       {1, 2.6992188f, 0.099975586f}},
      {Distance::kManhattan, Datatype::kUint8, {{1, 6}, {2, 8}, {0, 252}}, {1, 2, 255}},
      {Distance::kManhattan,
       Datatype::kFloat16,
       {{0, 4.0992432f}, {1, 6.5f}, {2, 11.5f}},
       {1, 2.6992188f, 0.099975586f}},
      {Distance::kManhattan,
       Datatype::kFloat32,
       {{1, 6.5f}, {2, 11.5f}, {0, 298.2f}},
       {1, 2.7f, 300}},
  };
  os::FaultVfs vfs(1);
  auto db = Database::Open(vfs, "/db", 2).value();
  int number = 0;
  for (const Expected& row : kTable) {
    CAPTURE(number);
    const auto c = Make(*db, std::to_string(number++),
                        {.dim = 3, .distance = row.distance, .datatype = row.datatype});
    const float large = row.datatype == Datatype::kFloat16 ? 0.1f : 300.0f;
    const std::vector<float> vectors[] = {{1, 2.7f, large}, {0, 0, 0}, {-3, 5, 7}};
    std::vector<Point> points;
    for (std::uint64_t i = 0; i < 3; ++i) {
      Point p{.id = i};
      p.vectors.dense[""] = vectors[i];
      points.push_back(p);
    }
    REQUIRE(c->Upsert(points).ok());
    for (int round = 0; round < 2; ++round) {
      CheckHits(*c, std::vector<float>{1.5f, 2, 3}, row.hits);
      const auto read = c->Retrieve(std::vector<PointId>{std::uint64_t{0}}, true);
      const auto& v = read.value()[0].vectors.dense.at("");
      for (std::size_t i = 0; i < 3; ++i) CHECK(v[i] == doctest::Approx(row.first[i]));
      REQUIRE(c->Checkpoint().ok());
    }
  }
}

TEST_CASE("multivectors score by MaxSim as Qdrant's") {
  const std::pair<Distance, std::vector<std::pair<std::uint64_t, float>>> kTable[] = {
      {Distance::kCosine, {{0, 1.8843768f}, {1, 1.0281664f}}},
      {Distance::kDot, {{0, 15}, {1, 8}}},
      {Distance::kEuclid, {{0, 1.4142135f}, {1, 6.4807407f}}},
      {Distance::kManhattan, {{0, 2}, {1, 10}}},
  };
  os::FaultVfs vfs(1);
  auto db = Database::Open(vfs, "/db", 2).value();
  for (const auto& [distance, hits] : kTable) {
    const auto c = Make(*db, std::to_string(static_cast<int>(distance)),
                        {.dim = 2, .distance = distance, .multivector = true});
    std::vector<Point> points(2);
    points[0].id = std::uint64_t{0};
    points[0].vectors.multi[""] = {2, {1, 2, 3, 4}};
    points[1].id = std::uint64_t{1};
    points[1].vectors.multi[""] = {2, {5, 1}};
    REQUIRE(c->Upsert(points).ok());
    for (int round = 0; round < 2; ++round) {
      CheckHits(*c, MultiVector{2, {1, 1, 0, 2}}, hits);
      REQUIRE(c->Checkpoint().ok());
    }
    const auto wrong = c->Query({.using_vector = "", .vector = MultiVector{3, {1, 1, 1}}});
    CHECK(wrong.error().code() == Code::kInvalidArgument);
  }
}

TEST_CASE("examples are combined by the caller's function") {
  os::FaultVfs vfs(1);
  auto db = Database::Open(vfs, "/db", 2).value();
  const auto c = Make(*db, "c", {.dim = 2, .distance = Distance::kEuclid});
  std::vector<Point> points;
  for (std::uint64_t i = 0; i < 600; ++i) {
    Point p{.id = i};
    p.vectors.dense[""] = {static_cast<float>(i), 0};
    points.push_back(p);
  }
  REQUIRE(c->Upsert(points).ok());
  VectorQuery query{.using_vector = "", .limit = 3};
  query.examples = {std::vector<float>{10, 0}, std::vector<float>{20, 0}};
  query.combine = [](std::span<const float> s) { return s[0] + s[1]; };
  const auto outcome = c->Query(query);
  REQUIRE(outcome.ok());
  const auto& hits = outcome.value().hits;
  CHECK(hits[0].id == PointId(std::uint64_t{15}));
  CHECK(hits[0].score == -50.0f);
  CHECK(hits[1].id == PointId(std::uint64_t{14}));
  CHECK(hits[2].id == PointId(std::uint64_t{16}));
}

TEST_CASE("a number that is not finite is found wherever it stands") {
  Schema::Field field;
  field.name = "d";
  constexpr float kMost = std::numeric_limits<float>::max();
  for (const std::uint32_t dim : {1, 15, 16, 17, 40}) {
    field.dim = dim;
    std::vector<float> v(dim, -kMost);
    CHECK(CheckDense(field, dim, v).ok());
    for (std::uint32_t at = 0; at < dim; ++at) {
      for (const float odd : {NAN, -NAN, INFINITY, -INFINITY}) {
        v[at] = odd;
        CHECK_FALSE(CheckDense(field, dim, v).ok());
      }
      v[at] = at % 2 == 0 ? kMost : std::numeric_limits<float>::denorm_min();
    }
    CHECK(CheckDense(field, dim, v).ok());
  }
}
