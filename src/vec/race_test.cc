// Goal: insertion, deletion, payload changes, every kind of read, checkpoints and the optimiser
// side by side neither fail nor mix states up. Built with ThreadSanitizer, this is the test for
// races. Method: a point's payload repeats what its vectors and its id say, so that any row that a
// reader gets can be checked alone; each writer has ids of its own and knows what is left in the
// end.
#include <doctest/doctest.h>

#include <atomic>
#include <functional>
#include <map>
#include <random>
#include <thread>

#include "json/value.h"
#include "os/fault_vfs.h"
#include "vec/optimize.h"

using namespace malmoi;
using namespace malmoi::vec;

namespace {

constexpr std::uint32_t kDim = 16;
constexpr std::uint64_t kIds = 1200;  // Of a writer.
constexpr int kWriters = 2;
constexpr int kRounds = 60;

std::vector<float> VectorOf(std::uint64_t id, std::uint64_t version) {
  std::mt19937_64 random(id * 31 + version);
  std::vector<float> v(kDim);
  for (float& x : v) x = static_cast<float>(random() % 1000) * 0.001f + 0.001f;
  return v;
}

Point MakePoint(std::uint64_t id, std::uint64_t version) {
  Point p{.id = id};
  p.vectors.dense["d"] = VectorOf(id, version);
  p.vectors.sparse["s"] = {.indices = {static_cast<std::uint32_t>(id % 7), 100},
                           .values = {1.5f, static_cast<float>(version + 1)}};
  p.payload = R"({"id":)" + std::to_string(id) + R"(,"version":)" + std::to_string(version) +
              R"(,"odd":)" + (id % 2 == 1 ? "true" : "false") + "}";
  return p;
}

// Whether all parts of the point are of one write.
bool IsWhole(const Point& p) {
  const auto payload = json::Parse(p.payload);
  if (!payload.ok()) return false;
  const auto id = static_cast<std::uint64_t>(payload.value().GetInt("id", -1));
  const auto version = static_cast<std::uint64_t>(payload.value().GetInt("version", -1));
  return p.id == PointId(id) && p.vectors.dense.at("d") == VectorOf(id, version) &&
         p.vectors.sparse.at("s").values[1] == static_cast<float>(version + 1);
}

CollectionConfig Config() {
  CollectionConfig config;
  config.dense["d"] = {.dim = kDim, .distance = Distance::kDot};
  config.sparse["s"] = {.idf = true};
  config.settings =
      R"({"hnsw_config":{"m":8,"ef_construct":32,"full_scan_threshold":1},)"
      R"("quantization_config":{"scalar":{"type":"int8"}},)"
      R"("optimizer_config":{"indexing_threshold":10,"vacuum_min_vector_number":100}})";
  return config;
}

// What one writer did, and what is left of it.
void WriteLoop(Collection& c, std::uint64_t first, std::map<std::uint64_t, std::uint64_t>* left,
               std::atomic<int>* failed) {
  std::mt19937_64 random(first);
  for (int round = 0; round < kRounds; ++round) {
    std::vector<Point> points;
    for (int i = 0; i < 40; ++i) {
      const std::uint64_t id = first + random() % kIds;
      const auto version = static_cast<std::uint64_t>(round);
      if ((*left)[id] == version + 1) continue;  // An id stands once in a batch.
      (*left)[id] = version + 1;
      points.push_back(MakePoint(id, version));
    }
    *failed += c.Upsert(points, {.wait = round % 4 == 0}).ok() ? 0 : 1;
    std::vector<PointId> gone;
    for (int i = 0; i < 10; ++i) {
      const std::uint64_t id = first + random() % kIds;
      if (left->erase(id) > 0) gone.emplace_back(id);
    }
    *failed += c.Delete(gone).ok() ? 0 : 1;
    const Operation mark =
        PayloadOp{.points = {.ids = {first + random() % kIds}, .filter = nullptr},
                  .payload = R"({"mark":1})"};
    *failed += c.Write({&mark, 1}).ok() ? 0 : 1;
  }
}

void ReadAll(const Collection& c, std::uint64_t seed, std::atomic<int>* failed) {
  Filter odd;
  odd.must.push_back({FieldCondition{"odd", MatchAny{{true}}}});
  const auto view = c.View();
  VectorQuery query{.using_vector = "d", .vector = VectorOf(seed, seed), .with_payload = true};
  if (seed % 3 == 0) query.filter = &odd;
  const std::vector<VectorQuery> batch(3, query);
  const auto hits = view->QueryBatch(batch);
  VectorQuery sparse{.using_vector = "s", .vector = SparseVector{{1, 100}, {1, 1}}};
  *failed += hits.ok() && view->Query(sparse).ok() ? 0 : 1;
  if (!hits.ok()) return;
  for (const Hit& hit : hits.value()[0].hits) {
    const std::vector<PointId> one = {hit.id};
    const auto found = view->Retrieve(one, true);  // The view still has it, as it was.
    const bool whole = found.ok() && found.value().size() == 1 && IsWhole(found.value()[0]);
    *failed += whole && found.value()[0].payload == hit.payload ? 0 : 1;
  }
  const auto count = view->Count(&odd);
  const auto page = view->Scroll(std::nullopt, 100'000, &odd, true);
  *failed += count.ok() && page.ok() && page.value().points.size() == count.value() ? 0 : 1;
  if (!page.ok()) return;
  for (const Point& p : page.value().points) *failed += IsWhole(p) ? 0 : 1;
}

}  // namespace

TEST_CASE("all that a collection does may be done at once") {
  os::FaultVfs vfs(1);
  auto db = Database::Open(vfs, "/db", 2);
  REQUIRE(db.ok());
  auto c = db.value()->Create("c", Config());
  REQUIRE(c.ok());
  Collection& collection = *c.value();
  const Operation index = CreateIndexOp{.key = "odd", .params = {.kind = IndexKind::kBool}};
  REQUIRE(collection.Write({&index, 1}).ok());

  std::vector<std::map<std::uint64_t, std::uint64_t>> left(kWriters);
  std::atomic<int> failed{0};
  std::atomic<bool> done{false};
  std::vector<std::thread> writers, others;
  for (int w = 0; w < kWriters; ++w) {
    writers.emplace_back([&, w] {
      WriteLoop(collection, static_cast<std::uint64_t>(w) * 100'000 + 1,
                &left[static_cast<std::size_t>(w)], &failed);
    });
  }
  const auto repeat = [&](const std::function<void(std::uint64_t)>& what) {
    others.emplace_back([&done, what] {
      for (std::uint64_t i = 0; !done || i == 0; ++i) what(i);
    });
  };
  repeat([&](std::uint64_t i) { ReadAll(collection, i, &failed); });
  repeat([&](std::uint64_t i) { ReadAll(collection, i + 1, &failed); });
  repeat([&](std::uint64_t) { failed += Optimize(collection).ok() ? 0 : 1; });
  repeat([&](std::uint64_t) {
    const CollectionInfo info = collection.Info();
    failed += info.error || collection.PayloadIndexes().size() != 1 ? 1 : 0;
    failed += collection.Facet("odd", 2, nullptr).ok() ? 0 : 1;
  });
  for (auto& t : writers) t.join();
  done = true;
  for (auto& t : others) t.join();
  CHECK(failed == 0);

  std::size_t points = 0;
  for (const auto& mine : left) {
    points += mine.size();
    for (const auto& [id, version] : mine) {
      const std::vector<PointId> one = {id};
      const auto found = collection.Retrieve(one, true);
      REQUIRE(found.ok());
      REQUIRE(found.value().size() == 1);
      CHECK(IsWhole(found.value()[0]));
      CHECK(found.value()[0].vectors.dense.at("d") == VectorOf(id, version - 1));
    }
  }
  CHECK(collection.Info().points == points);
}
