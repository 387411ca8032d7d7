// Goal: a search through graphs finds what an exact search finds, at every stage of a collection's
// life, and graphs never change what is stored, whatever happens to their files.
// Method: clustered vectors; recall@10 by default settings against `exact: true` of the same state,
// which is compared with a plain loop; damaged files and failing disks by FaultVfs.
#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <random>
#include <thread>

#include "os/fault_vfs.h"
#include "os/paths.h"
#include "vec/optimize.h"

using namespace malmoi;
using namespace malmoi::vec;

namespace {

constexpr std::uint32_t kDim = 48;
constexpr std::uint32_t kClusters = 40;
// Under ThreadSanitizer everything takes twenty times as long: fewer points, and what has no second
// thread is left out.
#ifdef __SANITIZE_THREAD__
constexpr bool kShort = true;
#else
constexpr bool kShort = false;
#endif
constexpr std::uint64_t kThousand = kShort ? 300 : 1000;
constexpr std::uint64_t kPoints = 9 * kThousand;

std::vector<float> Vector(std::uint32_t cluster, std::mt19937_64& random) {
  std::mt19937_64 centre(cluster + 1);
  const auto uniform = [](std::mt19937_64& r) {
    return static_cast<float>(static_cast<double>(r() >> 11) * 0x1p-53 - 0.5);
  };
  std::vector<float> v(kDim);
  for (float& x : v) x = uniform(centre) + 0.1f + 0.8f * uniform(random);
  return v;
}

// Payload: "u" is independent of the vector, "c" is its cluster.
Point MakePoint(std::uint64_t id) {
  std::mt19937_64 random(id * 7 + 1);
  Point p{.id = id};
  const auto cluster = static_cast<std::uint32_t>(random() % kClusters);
  p.vectors.dense["d"] = Vector(cluster, random);
  p.payload =
      R"({"u":)" + std::to_string(random() % 1000) + R"(,"c":)" + std::to_string(cluster) + "}";
  return p;
}

CollectionConfig Config(Distance distance = Distance::kCosine,
                        Datatype datatype = Datatype::kFloat32) {
  CollectionConfig config;
  config.dense["d"] = {.dim = kDim, .distance = distance, .datatype = datatype};
  config.settings = R"({"hnsw_config":{"m":16,"ef_construct":100,"full_scan_threshold":10},)"
                    R"("optimizer_config":{"indexing_threshold":100,"max_unindexed_points":4000}})";
  return config;
}

void Fill(Collection& c, std::uint64_t from, std::uint64_t to, std::uint64_t batch = 500) {
  for (std::uint64_t at = from; at < to; at += batch) {
    std::vector<Point> points;
    for (std::uint64_t i = at; i < std::min(at + batch, to); ++i) points.push_back(MakePoint(i));
    REQUIRE(c.Upsert(points, {.wait = false}).ok());
  }
}

QueryOutcome Ask(const Reader& c, const std::vector<float>& v, const Filter* filter, bool exact) {
  VectorQuery query{.using_vector = "d", .vector = v, .filter = filter, .with_payload = false};
  query.params.exact = exact;
  auto outcome = c.Query(query);
  if (!outcome.ok()) FAIL(outcome.error().message());
  return std::move(outcome).value();
}

struct Measured {
  double recall = 0;
  int graphs = 0;  // Queries that used one.
};

Measured Recall(const Reader& c, const Filter* filter = nullptr, int queries = 40) {
  Measured out;
  double hits = 0, wanted = 0;
  std::mt19937_64 random(99);
  for (int q = 0; q < queries; ++q) {
    const auto v = Vector(static_cast<std::uint32_t>(q) % kClusters, random);
    const QueryOutcome exact = Ask(c, v, filter, true);
    const QueryOutcome found = Ask(c, v, filter, false);
    CHECK(exact.exact);
    out.graphs += found.exact ? 0 : 1;
    CHECK(found.hits.size() == exact.hits.size());
    wanted += static_cast<double>(exact.hits.size());
    for (const Hit& hit : found.hits) {
      for (const Hit& other : exact.hits) {
        if (hit.id != other.id) continue;
        hits += 1;
        CHECK(hit.score == other.score);  // Scores are those of the stored vectors.
      }
    }
  }
  out.recall = wanted == 0 ? 1 : hits / wanted;
  return out;
}

Filter Below(const std::string& key, double below) {
  Filter filter;
  filter.must.push_back({FieldCondition{key, Range{.lt = below}}});
  return filter;
}

std::vector<std::string> GraphFiles(os::Vfs& vfs) {
  std::vector<std::string> out;
  const auto names = vfs.List("/db/c-0000000000000001");
  for (const auto& name : names.value()) {
    if (name.starts_with("ann-")) out.push_back("/db/c-0000000000000001/" + name);
  }
  return out;
}

}  // namespace

TEST_CASE("recall is kept while points come, go, are merged and opened again") {
  os::FaultVfs vfs(1);
  auto db = Database::Open(vfs, "/db", 2).value();
  auto c = db->Create("c", Config()).value();
  for (std::uint64_t at = 0; at < kPoints; at += 3 * kThousand) {
    Fill(*c, at, at + 3 * kThousand);
    CHECK(Recall(*c, nullptr, 20).recall >= 0.95);
  }
  REQUIRE(Optimize(*c).ok());
  CHECK(c->Info().indexed_vectors > kPoints * 9 / 10);  // A small segment has no graph.
  Measured now = Recall(*c);
  CHECK(now.recall >= 0.95);
  CHECK(now.graphs == 40);

  // Half of the points: every second one, then whole clusters.
  const auto before = c->View();
  std::vector<PointId> gone;
  for (std::uint64_t id = 0; id < kPoints; id += 3) gone.push_back(id);
  REQUIRE(c->Delete(gone).ok());
  const Filter clusters = Below("c", 10);
  REQUIRE(c->DeleteWhere(clusters).ok());
  CHECK(c->Count(nullptr).value() < kPoints * 55 / 100);
  CHECK(Recall(*c).recall >= 0.95);
  CHECK(before->Count(nullptr).value() == kPoints);
  CHECK(Recall(*before, nullptr, 20).recall >= 0.95);  // A view shows what was deleted since.

  c.reset();
  db.reset();
  db = Database::Open(vfs, "/db", 2).value();
  c = db->Get("c").value();
  CHECK(Recall(*c).recall >= 0.95);
  REQUIRE(Optimize(*c).ok());
  now = Recall(*c);
  CHECK(now.recall >= 0.95);
  CHECK(now.graphs == 40);
  const CollectionInfo info = c->Info();
  CHECK(info.indexed_vectors > info.points * 9 / 10);
  CHECK(info.indexed_vectors <= info.points);  // The vacuum took what was deleted.
  CHECK(Recall(*before, nullptr, 20).recall >= 0.95);
}

TEST_CASE("points in memory are searched by codes, as a snapshot and a filter have them") {
  for (const Datatype datatype : {Datatype::kFloat32, Datatype::kFloat16}) {
    if (kShort && datatype != Datatype::kFloat32) continue;
    CAPTURE(static_cast<int>(datatype));
    os::FaultVfs vfs(6);
    auto db = Database::Open(vfs, "/db", 2).value();
    CollectionConfig config = Config(Distance::kCosine, datatype);
    config.settings = R"({"optimizer_config":{"indexing_threshold":100}})";
    auto c = db->Create("c", config).value();
    Fill(*c, 0, 6 * kThousand);
    const auto before = c->View();
    Fill(*c, 6 * kThousand, kPoints);
    CHECK(c->Info().indexed_vectors == 0);  // All of them are in memory.
    Measured now = Recall(*c);
    CHECK(now.recall >= 0.99);
    CHECK(now.graphs == 40);                // Not every row was scored by its vector.
    CHECK(Recall(*before).recall >= 0.99);  // Without what came after it.
    const Filter few = Below("u", 20), half = Below("u", 500), cluster = Below("c", 3);
    for (const Filter* filter : {&few, &half, &cluster}) CHECK(Recall(*c, filter).recall >= 0.98);
    std::vector<PointId> gone;
    for (std::uint64_t id = 0; id < kPoints; id += 2) gone.push_back(id);
    REQUIRE(c->Delete(gone).ok());
    CHECK(Recall(*c).recall >= 0.98);
    CHECK(Recall(*before).recall >= 0.98);
    // Written again: the older rows are not found.
    Fill(*c, 0, 2 * kThousand);
    CHECK(Recall(*c).recall >= 0.98);
    REQUIRE(c->Checkpoint().ok());
    CHECK(Recall(*c).recall >= 0.95);
  }
}

TEST_CASE("a graph that grew in memory goes over into its segment and on into merges") {
  for (const Distance distance : {Distance::kCosine, Distance::kDot, Distance::kEuclid}) {
    if (kShort && distance != Distance::kCosine) continue;
    CAPTURE(static_cast<int>(distance));
    os::FaultVfs vfs(9);
    auto db = Database::Open(vfs, "/db", 2).value();
    auto c = db->Create("c", Config(distance)).value();
    std::uint64_t from = 0;
    for (const std::uint64_t to : {4000, 6000, 7000}) {
      Fill(*c, from, to);
      Fill(*c, from, from + 300);  // Written twice: the older rows are left out.
      std::vector<PointId> gone;
      for (std::uint64_t id = from + 5; id < to; id += 20) gone.push_back(id);
      REQUIRE(c->Delete(gone).ok());
      CHECK(Recall(*c, nullptr, 20).recall >= 0.95);
      const std::uint64_t before = c->Info().indexed_vectors;
      REQUIRE(c->Checkpoint().ok());
      const auto info = c->Info();
      // No other thread had to build it. The merge of what went before may have taken place.
      CHECK(info.indexed_vectors >= before + (to - from) * 9 / 10);
      CHECK(info.indexed_vectors <= info.points);
      CHECK(Recall(*c, nullptr, 20).recall >= 0.95);
      from = to;
    }
    REQUIRE(Optimize(*c).ok());
    CHECK(c->Info().segments <= 2);  // The last is left alone if the others were merged before it.
    const Measured merged = Recall(*c);
    CHECK(merged.recall >= 0.95);
    CHECK(merged.graphs == 40);
    const Filter half = Below("u", 500);
    CHECK(Recall(*c, &half).recall >= 0.95);
  }
}

TEST_CASE("filters that come often get graphs of their own, whatever is deleted then") {
  const std::uint64_t points = kShort ? 5000 : kPoints;  // Of fewer nothing is remembered.
  os::FaultVfs vfs(5);
  auto db = Database::Open(vfs, "/db", 2).value();
  for (const Distance distance : {Distance::kCosine, Distance::kEuclid, Distance::kDot}) {
    if (kShort && distance != Distance::kCosine) continue;
    const std::string name = std::to_string(static_cast<int>(distance));
    auto c = db->Create(name, Config(distance)).value();
    Fill(*c, 0, points, 3000);
    REQUIRE(Optimize(*c).ok());
    std::mt19937_64 random(4);
    const auto v = Vector(3, random);
    const auto scored = [&](const Filter& filter) { return Ask(*c, v, &filter, false).scored; };
    const Filter some = Below("u", 100), half = Below("c", 20), few = Below("u", 50);
    std::uint64_t before = c->Info().memory_bytes;
    const std::uint64_t without = before;
    for (const Filter* filter : {&some, &half, &few}) {
      for (int i = 0; i < 700; ++i) scored(*filter);
      REQUIRE(Optimize(*c).ok());
      // Codes and links of a ninth, links of all rows, codes of few.
      const std::uint64_t now = c->Info().memory_bytes;
      CHECK(now > before + points * (filter == &few ? 10 : 20));
      before = now;
      CHECK(Recall(*c, filter).recall >= 0.95);
    }
    // No room for more, until the others have not come for long.
    Filter other;
    other.must_not.push_back(half.must.front());
    for (const int times : {700, 700}) {
      for (int i = 0; i < times; ++i) scored(other);
      REQUIRE(Optimize(*c).ok());
      CHECK(c->Info().memory_bytes < without + points * 200);
      CHECK(Recall(*c, &other).recall >= 0.95);
    }
    for (int i = 0; i < 700; ++i) scored(some);
    REQUIRE(Optimize(*c).ok());

    // A tenth of the points, then most of the filter's, which are then looked for as before.
    std::vector<PointId> gone;
    for (std::uint64_t id = 0; id < points; id += 10) gone.push_back(id);
    REQUIRE(c->Delete(gone).ok());
    CHECK(Recall(*c, &some).recall >= 0.95);
    const Filter within = Below("u", 80);
    const auto ids = c->Scroll(std::nullopt, points, &within, false);
    REQUIRE(ids.ok());
    gone.clear();
    for (const auto& point : ids.value().points) gone.push_back(point.id);
    REQUIRE(gone.size() > points / 16);
    REQUIRE(c->Delete(gone).ok());
    CHECK(Recall(*c, &some).recall >= 0.95);
    // New points beside it.
    Fill(*c, points, points + 2000, 1000);
    CHECK(Recall(*c, &some).recall >= 0.95);
    CHECK(Recall(*c, &half).recall >= 0.95);
  }
}

TEST_CASE("recall is kept with filters of every selectivity, correlated and not" *
          doctest::skip(kShort)) {
  os::FaultVfs vfs(2);
  auto db = Database::Open(vfs, "/db", 2).value();
  auto c = db->Create("c", Config()).value();
  Fill(*c, 0, kPoints, 3000);
  REQUIRE(Optimize(*c).ok());
  for (const double keep : {1, 10, 100, 500, 900}) {
    CAPTURE(keep);
    const Filter uncorrelated = Below("u", keep);
    CHECK(Recall(*c, &uncorrelated).recall >= 0.95);
  }
  // Clusters below c: queries of the same clusters, and queries far from all that is kept.
  for (const double keep : {1, 4, 20, 36}) {
    CAPTURE(keep);
    const Filter correlated = Below("c", keep);
    CHECK(Recall(*c, &correlated).recall >= 0.95);
  }
}

TEST_CASE("graphs serve every distance and datatype that has them" * doctest::skip(kShort)) {
  for (const Distance distance :
       {Distance::kDot, Distance::kEuclid, Distance::kCosine, Distance::kManhattan}) {
    for (const Datatype datatype : {Datatype::kFloat32, Datatype::kFloat16, Datatype::kUint8,
                                    Datatype::kTurbo4, Datatype::kTurbo8}) {
      CAPTURE(static_cast<int>(distance));
      CAPTURE(static_cast<int>(datatype));
      os::FaultVfs vfs(3);
      auto db = Database::Open(vfs, "/db", 2).value();
      auto c = db->Create("c", Config(distance, datatype)).value();
      std::vector<Point> points;
      // Rows of 28 bytes: as many as are more than the threshold of 100 KB.
      const std::uint64_t count = datatype == Datatype::kTurbo4 ? 4500 : 2500;
      for (std::uint64_t id = 0; id < count; ++id) {
        points.push_back(MakePoint(id));
        if (datatype != Datatype::kUint8) continue;
        for (float& x : points.back().vectors.dense["d"]) x = 100 + 80 * x;
      }
      REQUIRE(c->Upsert(points, {.wait = false}).ok());
      REQUIRE(Optimize(*c).ok());
      double hits = 0;
      int graphs = 0;
      for (int q = 0; q < 20; ++q) {
        const auto& v = points[static_cast<std::size_t>(q) * 91].vectors.dense["d"];
        const QueryOutcome exact = Ask(*c, v, nullptr, true);
        const QueryOutcome found = Ask(*c, v, nullptr, false);
        graphs += found.exact ? 0 : 1;
        for (const Hit& hit : found.hits) {
          for (const Hit& other : exact.hits) hits += hit.id == other.id ? 1 : 0;
        }
      }
      CHECK(hits / 200 >= 0.95);
      CHECK(graphs == (distance == Distance::kManhattan ? 0 : 20));
    }
  }
}

TEST_CASE("vectors on disk are asked less, at the price of longer codes in memory" *
          doctest::skip(kShort)) {
  double bytes[2] = {};
  for (const bool on_disk : {false, true}) {
    os::FaultVfs vfs(1);
    auto db = Database::Open(vfs, "/db", 2).value();
    CollectionConfig config = Config();
    if (on_disk) config.dense["d"].settings = R"({"on_disk":true})";
    auto c = db->Create("c", config).value();
    Fill(*c, 0, kPoints);
    REQUIRE(Optimize(*c).ok());
    const Measured now = Recall(*c);
    CHECK(now.recall >= 0.95);
    CHECK(now.graphs == 40);
    bytes[on_disk ? 1 : 0] = static_cast<double>(c->Info().memory_bytes);
  }
  // The further bits of 48 numbers, padded to 128: 64 bytes, and their scale.
  CHECK((bytes[1] - bytes[0]) / kPoints > 60);
}

TEST_CASE("a damaged graph file is built again, and answers are right meanwhile") {
  for (std::uint64_t seed = 0; seed < (kShort ? 3 : 12); ++seed) {
    CAPTURE(seed);
    os::FaultVfs vfs(seed);
    auto db = Database::Open(vfs, "/db", 2).value();
    auto c = db->Create("c", Config()).value();
    Fill(*c, 0, 1500, 1500);
    REQUIRE(Optimize(*c).ok());
    const auto files = GraphFiles(vfs);
    REQUIRE(files.size() == 1);
    const std::string good = os::ReadFile(vfs, files[0]).value();
    const Measured before = Recall(*c, nullptr, 10);
    c.reset();
    db.reset();
    std::string bad = good;
    if (seed == 0) {
      bad.resize(good.size() / 2);
    } else {
      bad[seed * 2654435761u % bad.size()] ^= static_cast<char>(1 << (seed % 8));
    }
    std::string rebuilt;
    for (int time = 0; time < (seed < 4 ? 2 : 1); ++time) {
      REQUIRE(vfs.Open(files[0], os::OpenMode::kTruncate).value()->Write(0, bad).ok());
      db = Database::Open(vfs, "/db", 2).value();
      CHECK(db->damaged().empty());
      c = db->Get("c").value();
      CHECK(Recall(*c, nullptr, 10).recall >= 0.95);
      REQUIRE(Optimize(*c).ok());
      const Measured after = Recall(*c, nullptr, 10);
      CHECK(after.graphs == 10);
      CHECK(after.recall >= before.recall - 0.02);
      c.reset();
      db.reset();
      // The first came from memory, these from the segment alone: they are the same.
      const std::string now = os::ReadFile(vfs, files[0]).value();
      CHECK(now.size() == good.size());
      if (time == 0) rebuilt = now;
      CHECK(now == rebuilt);
    }
  }
}

TEST_CASE("a disk that fails under the optimiser loses nothing") {
  for (std::uint64_t n = 0; n < 60; n += kShort ? 12 : 3) {
    CAPTURE(n);
    os::FaultVfs vfs(n);
    REQUIRE(vfs.MakeDirs("/db").ok());
    REQUIRE(vfs.SyncDir("/").ok());
    {
      auto db = Database::Open(vfs, "/db", 1).value();
      auto c = db->Create("c", Config()).value();
      Fill(*c, 0, 1000, 1000);
      REQUIRE(c->Checkpoint().ok());
      vfs.FailAfter(n, n % 2 == 0 ? os::Fault::kPowerLoss : os::Fault::kNoSpace);
      (void)Optimize(*c).ok();
      CHECK(c->Count(nullptr).value() == 1000);
      CHECK(Recall(*c, nullptr, 5).recall >= 0.95);
    }
    vfs.Restart();
    auto db = Database::Open(vfs, "/db", 1).value();
    CHECK(db->damaged().empty());
    auto c = db->Get("c").value();
    CHECK(c->Count(nullptr).value() == 1000);
    REQUIRE(Optimize(*c).ok());
    CHECK(Recall(*c, nullptr, 5).graphs == 5);
  }
}

TEST_CASE("searches go on beside writers, deletes and merges") {
  os::FaultVfs vfs(5);
  auto db = Database::Open(vfs, "/db", 2).value();
  auto c = db->Create("c", Config()).value();
  Fill(*c, 0, 2 * kThousand, kThousand);
  std::atomic<bool> done{false};
  std::atomic<int> wrong{0}, asked{0};
  std::thread reader([&] {
    std::mt19937_64 random(4);
    while (!done) {
      const auto view = c->View();
      const auto v = Vector(static_cast<std::uint32_t>(random() % kClusters), random);
      const QueryOutcome exact = Ask(*view, v, nullptr, true);
      const QueryOutcome found = Ask(*view, v, nullptr, false);
      int hits = 0;
      for (const Hit& hit : found.hits) {
        for (const Hit& other : exact.hits) hits += hit.id == other.id ? 1 : 0;
      }
      wrong += found.hits.size() == exact.hits.size() && hits >= 7 ? 0 : 1;
      ++asked;
    }
  });
  for (std::uint64_t round = 0; round < 6; ++round) {
    const std::uint64_t from = (2 + round) * kThousand;
    Fill(*c, from, from + kThousand, 250);
    std::vector<PointId> gone;
    for (std::uint64_t id = round; id < from; id += 9) gone.push_back(id);
    REQUIRE(c->Delete(gone).ok());
    if (round % 2 == 1) REQUIRE(c->Checkpoint().ok());
  }
  REQUIRE(Optimize(*c).ok());
  done = true;
  reader.join();
  CHECK(asked > 0);
  CHECK(wrong <= asked / 50);
}
