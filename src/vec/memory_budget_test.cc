// Goal: under a budget what is only faster in memory stays out of it, writes without room are
// refused and change nothing, deletions and reads go on, and answers are those without a budget.
// Method: a budget that counts by a variable of the test; databases whose budget is below what the
// process holds already, and one that is opened twice.
#include <doctest/doctest.h>

#include <random>

#include "os/fault_vfs.h"
#include "vec/memory_budget_internal.h"
#include "vec/optimize.h"

using namespace malmoi;
using namespace malmoi::vec;

namespace {

constexpr std::uint32_t kDim = 32;

std::vector<float> VectorOf(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<float> v(kDim);
  for (float& x : v) x = static_cast<float>(random() % 1000) * 0.001f;
  return v;
}

std::vector<Point> Points(std::uint64_t count) {
  std::vector<Point> points(count);
  for (std::uint64_t i = 0; i < count; ++i) {
    points[i].id = i + 1;
    points[i].vectors.dense[""] = VectorOf(i);
    points[i].payload = R"({"n":)" + std::to_string(i % 10) + "}";
  }
  return points;
}

CollectionConfig Config() {
  CollectionConfig config;
  config.dense[""] = {.dim = kDim, .distance = Distance::kDot};
  config.settings = R"({"quantization_config":{"scalar":{"type":"int8"}},)"
                    R"("hnsw_config":{"full_scan_threshold":1},)"
                    R"("optimizer_config":{"indexing_threshold":10}})";
  return config;
}

std::vector<QueryOutcome> Ask(const Reader& reader, const Filter* filter) {
  std::vector<VectorQuery> queries;
  for (std::uint64_t i = 0; i < 5; ++i) {
    queries.push_back({.using_vector = "", .vector = VectorOf(i * 1000 + 7), .filter = filter});
    queries.back().params.exact = true;
  }
  auto found = reader.QueryBatch(queries);
  REQUIRE(found.ok());
  return std::move(found).value();
}

}  // namespace

TEST_CASE("what was granted counts until the next measurement") {
  std::uint64_t used = 500;
  MemoryBudget budget(1000, [&] { return used; });
  CHECK(budget.Take(300));
  CHECK(budget.Take(150));
  used = 900;  // Measured again where the old number would refuse.
  CHECK_FALSE(budget.Take(200));
  CHECK(budget.Take(100));
  used = 0;
  CHECK(budget.Take(1000));
  CHECK_FALSE(budget.Take(1001));
  CHECK(budget.Refusal(1001).code() == Code::kOverloaded);
  MemoryBudget none(0, [&] { return used; });
  CHECK(none.Take(~std::uint64_t{0}));
}

TEST_CASE("without room for writes: refused, deletions and reads go on, answers are the same") {
  os::FaultVfs vfs(1);
  Filter even;
  even.must.push_back({FieldCondition{"n", MatchAny{{std::int64_t{2}, std::int64_t{4}}}}});
  std::vector<QueryOutcome> wanted, filtered;
  {
    auto db = Database::Open(vfs, "/db", 2);
    REQUIRE(db.ok());
    auto c = db.value()->Create("c", Config());
    REQUIRE(c.ok());
    REQUIRE(c.value()->Upsert(Points(3000)).ok());
    REQUIRE(c.value()->Checkpoint().ok());
    wanted = Ask(*c.value(), nullptr);
    filtered = Ask(*c.value(), &even);
  }
  const auto names = vfs.List("/db/c-0000000000000001");
  REQUIRE(names.ok());
  for (const auto& name : names.value()) {
    if (name.starts_with("ann-")) REQUIRE(vfs.Remove("/db/c-0000000000000001/" + name).ok());
  }
  auto db = Database::Open(vfs, "/db", 2, 1);  // One byte: the process holds more.
  REQUIRE(db.ok());
  auto c = db.value()->Get("c");
  REQUIRE(c.ok());
  Collection& collection = *c.value();
  const auto same = [](const std::vector<QueryOutcome>& a, const std::vector<QueryOutcome>& b) {
    REQUIRE(a.size() == b.size());
    for (std::size_t q = 0; q < a.size(); ++q) {
      REQUIRE(a[q].hits.size() == b[q].hits.size());
      for (std::size_t i = 0; i < a[q].hits.size(); ++i) {
        CHECK(a[q].hits[i].id == b[q].hits[i].id);
        CHECK(a[q].hits[i].score == b[q].hits[i].score);
      }
    }
  };
  for (int i = 0; i < 4; ++i) {  // From the third on columns would be made.
    same(Ask(collection, nullptr), wanted);
    same(Ask(collection, &even), filtered);
  }
  REQUIRE(Optimize(collection).ok());
  CHECK(collection.Info().indexed_vectors == 0);  // No room to build a graph in.

  const auto refused = collection.Upsert(Points(1));
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().code() == Code::kOverloaded);
  CHECK(refused.error().message().find("memory budget") != std::string::npos);
  const Operation set =
      PayloadOp{.points = {.ids = {std::uint64_t{1}}, .filter = nullptr}, .payload = R"({"n":2})"};
  CHECK_FALSE(collection.Write({&set, 1}).ok());
  CHECK(collection.Info().points == 3000);
  const std::vector<PointId> gone = {std::uint64_t{1}, std::uint64_t{2}};
  CHECK(collection.Delete(gone).ok());
  CHECK(collection.DeleteWhere(even).ok());
  CHECK(collection.Count(nullptr).value() == 2398);
}
