// Goal: a collection behaves as a std::map of points with brute-force search, whatever the history
// of writes, checkpoints and reopenings, and readers see whole writes while others write.
// Method: seeded random operations against the map; ranked lists and scores compared bit for bit,
// so that they cannot depend on how points are spread over files. Threads for the second part.
#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <map>
#include <random>
#include <set>
#include <thread>

#include "kernels/vector.h"
#include "os/fault_vfs.h"
#include "vec/collection.h"

using namespace malmoi;
using namespace malmoi::vec;

namespace {

using Model = std::map<PointId, Point>;
using Random = std::mt19937_64;

constexpr std::uint32_t kDim = 19;  // Not a multiple of any vector width.

CollectionConfig Config() {
  CollectionConfig config;
  config.dense["d"] = {.dim = kDim, .distance = Distance::kDot};
  config.sparse["s"] = {.idf = true};
  return config;
}

PointId RandomId(Random& random, std::uint64_t range) {
  const std::uint64_t n = random() % range;
  if (n % 3 != 0) return n;
  return UuidV5(Uuid{}, std::to_string(n));
}

// Few distinct values, so that ties are common.
float RandomValue(Random& random) {
  return static_cast<float>(static_cast<int>(random() % 9) - 4) * 0.37f;
}

std::vector<float> RandomDense(Random& random) {
  std::vector<float> v(kDim);
  for (float& x : v) x = RandomValue(random);
  return v;
}

SparseVector RandomSparse(Random& random) {
  SparseVector v;
  for (std::uint32_t i = 0; i < 40; ++i) {
    if (random() % 8 != 0) continue;
    v.indices.push_back(i * i * i);
    v.values.push_back(RandomValue(random));
  }
  return v;
}

Point RandomPoint(Random& random, std::uint64_t range) {
  Point p;
  p.id = RandomId(random, range);
  if (random() % 8 != 0) p.vectors.dense["d"] = RandomDense(random);
  if (random() % 8 != 0) p.vectors.sparse["s"] = RandomSparse(random);
  p.payload = R"({"n":)" + std::to_string(random() % 5) + "}";
  return p;
}

using Ranked = std::vector<std::pair<float, PointId>>;

Ranked Sorted(Ranked all, std::size_t limit) {
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) {
    return a.first != b.first ? a.first > b.first : a.second < b.second;
  });
  if (all.size() > limit) all.resize(limit);
  return all;
}

Ranked BruteDense(const Model& model, const std::vector<float>& query, std::size_t limit) {
  Ranked all;
  for (const auto& [id, p] : model) {
    const auto it = p.vectors.dense.find("d");
    if (it == p.vectors.dense.end()) continue;
    float score = 0;
    kernels::DotRows(it->second.data(), kDim, query, {&score, 1});
    all.emplace_back(score, id);
  }
  return Sorted(std::move(all), limit);
}

Ranked BruteSparse(const Model& model, const SparseVector& query, std::size_t limit) {
  double n = 0;
  std::map<std::uint32_t, double> df;
  for (const auto& [id, p] : model) {
    const auto it = p.vectors.sparse.find("s");
    if (it == p.vectors.sparse.end()) continue;
    n += 1;
    for (const auto i : it->second.indices) df[i] += 1;
  }
  Ranked all;
  for (const auto& [id, p] : model) {
    const auto it = p.vectors.sparse.find("s");
    if (it == p.vectors.sparse.end()) continue;
    float score = 0;
    bool shared = false;
    for (std::size_t q = 0; q < query.indices.size(); ++q) {
      const auto& indices = it->second.indices;
      const auto at = std::find(indices.begin(), indices.end(), query.indices[q]);
      if (at == indices.end()) continue;
      const double d = df[query.indices[q]];
      const auto weight =
          static_cast<float>(query.values[q] * std::log(1 + (n - d + 0.5) / (d + 0.5)));
      score += weight * it->second.values[static_cast<std::size_t>(at - indices.begin())];
      shared = true;
    }
    if (shared) all.emplace_back(score, id);
  }
  return Sorted(std::move(all), limit);
}

Ranked Ranks(const Result<QueryOutcome>& outcome) {
  REQUIRE(outcome.ok());
  Ranked out;
  for (const auto& hit : outcome.value().hits) out.emplace_back(hit.score, hit.id);
  return out;
}

void Compare(const Collection& c, const Model& model, Random& random) {
  CHECK(c.Count(nullptr).value() == model.size());
  const auto page = c.Scroll(std::nullopt, 100'000, nullptr, true);
  REQUIRE(page.value().points.size() == model.size());
  auto it = model.begin();
  for (const Point& p : page.value().points) {
    REQUIRE(ToString(p.id) == ToString(it->first));
    REQUIRE(p.payload == it->second.payload);
    const bool same_dense = p.vectors.dense == it->second.vectors.dense;
    REQUIRE(same_dense);
    REQUIRE(p.vectors.sparse.size() == it->second.vectors.sparse.size());
    for (const auto& [name, v] : p.vectors.sparse) {
      const auto& wanted = it->second.vectors.sparse.at(name);
      const bool same_sparse = v.indices == wanted.indices && v.values == wanted.values;
      REQUIRE(same_sparse);
    }
    ++it;
  }
  for (const std::size_t limit : {1, 7, 100'000}) {
    const auto dense = RandomDense(random);
    const bool dense_same =
        Ranks(c.Query({.using_vector = "d", .vector = dense, .limit = limit})) ==
        BruteDense(model, dense, limit);
    CHECK(dense_same);
    const auto sparse = RandomSparse(random);
    const auto ranked = BruteSparse(model, sparse, 100'000);
    const bool sparse_same =
        Ranks(c.Query({.using_vector = "s", .vector = sparse, .limit = limit})) ==
        Sorted(ranked, limit);
    CHECK(sparse_same);
    // The completion of candidates gives the same scores.
    HasId some;
    Ranked expected;
    for (int i = 0; i < 30; ++i) some.ids.push_back(RandomId(random, 500));
    for (const auto& r : ranked) {
      if (std::count(some.ids.begin(), some.ids.end(), r.second) > 0) expected.push_back(r);
    }
    Filter filter;
    filter.must.push_back({some});
    const VectorQuery q{.using_vector = "s", .vector = sparse, .filter = &filter, .limit = 100'000};
    const bool completed_same = Ranks(c.Query(q)) == expected;
    CHECK(completed_same);
  }
}

void Change(Collection& c, Model& model, Random& random) {
  const std::uint64_t what = random() % 10;
  if (what < 6) {
    std::vector<Point> points;
    for (std::uint64_t n = random() % 60 + 1; n > 0; --n) {
      points.push_back(RandomPoint(random, 500));
      model[points.back().id] = points.back();
    }
    REQUIRE(c.Upsert(points).ok());
  } else if (what < 8) {
    std::vector<PointId> ids;
    for (std::uint64_t n = random() % 30; n > 0; --n) {
      ids.push_back(RandomId(random, 500));
      model.erase(ids.back());
    }
    REQUIRE(c.Delete(ids).ok());
  } else if (what < 9) {
    std::vector<Collection::VectorUpdate> updates(random() % 10);
    for (auto& u : updates) {
      u.id = RandomId(random, 500);
      u.vectors.dense["d"] = RandomDense(random);
      const auto it = model.find(u.id);
      if (it != model.end()) it->second.vectors.dense["d"] = u.vectors.dense["d"];
    }
    REQUIRE(c.UpdateVectors(updates).ok());
  } else {
    const auto n = static_cast<std::int64_t>(random() % 5);
    Filter filter;
    filter.must.push_back({FieldCondition{"n", MatchAny{{n}}}});
    filter.must.push_back({HasId{}});
    for (int i = 0; i < 200; ++i) {
      std::get<HasId>(filter.must[1].test).ids.push_back(RandomId(random, 500));
    }
    const auto& ids = std::get<HasId>(filter.must[1].test).ids;
    const std::string payload = R"({"n":)" + std::to_string(n) + "}";
    std::uint64_t expected = 0;
    for (auto it = model.begin(); it != model.end();) {
      const bool hit =
          it->second.payload == payload && std::count(ids.begin(), ids.end(), it->first) > 0;
      expected += hit ? 1 : 0;
      it = hit ? model.erase(it) : std::next(it);
    }
    CHECK(c.DeleteWhere(filter).value() == expected);
  }
}

}  // namespace

TEST_CASE("random histories equal a map with brute-force search") {
  for (std::uint64_t seed = 0; seed < 6; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    os::FaultVfs vfs(seed);
    Model model;
    auto db = Database::Open(vfs, "/db", 1 + seed % 3).value();
    auto c = db->Create("c", Config()).value();
    for (int step = 0; step < 80; ++step) {
      CAPTURE(step);
      Change(*c, model, random);
      if (random() % 8 == 0) REQUIRE(c->Checkpoint().ok());
      if (random() % 10 == 0) {
        c.reset();
        db.reset();
        if (random() % 2 == 0) vfs.Restart();
        db = Database::Open(vfs, "/db", 1 + seed % 3).value();
        c = db->Get("c").value();
      }
      if (step % 4 == 0) Compare(*c, model, random);
    }
  }
}

TEST_CASE("readers see whole writes while others write, checkpoint and delete") {
  os::FaultVfs vfs(1);
  auto db = Database::Open(vfs, "/db", 2).value();
  const auto c = db->Create("c", Config()).value();
  constexpr std::uint64_t kWriters = 3;
  constexpr std::uint64_t kRounds = 60;
  std::atomic<std::uint64_t> writing{kWriters};
  std::atomic<std::uint64_t> wrong{0};
  std::vector<std::thread> threads;
  for (std::uint64_t w = 0; w < kWriters; ++w) {
    threads.emplace_back([&, w] {
      Random random(w);
      for (std::uint64_t round = 0; round < kRounds; ++round) {
        // Ten points that always carry the same number.
        std::vector<Point> points;
        for (std::uint64_t i = 0; i < 10; ++i) {
          Point p{.id = w * 10 + i, .vectors = {}, .payload = {}};
          p.payload = R"({"w":)" + std::to_string(w) + R"(,"round":)" + std::to_string(round) + "}";
          p.vectors.dense["d"] = RandomDense(random);
          p.vectors.sparse["s"] = {{1, static_cast<std::uint32_t>(2 + w)}, {1, 1}};
          points.push_back(std::move(p));
        }
        if (!c->Upsert(points).ok()) ++wrong;
        if (round % 16 == w && !c->Checkpoint().ok()) ++wrong;
      }
      --writing;
    });
  }
  for (int r = 0; r < 2; ++r) {
    threads.emplace_back([&] {
      Filter mine;
      mine.must.push_back({FieldCondition{"w", MatchAny{{std::int64_t{1}}}}});
      for (bool last = false; !last;) {
        last = writing.load() == 0;
        const auto page = c->Scroll(std::nullopt, 1000, &mine, false);
        std::set<std::string> seen;
        for (const auto& p : page.value().points) seen.insert(p.payload);
        const std::size_t count = page.value().points.size();
        if (seen.size() > 1 || (count != 0 && count != 10)) ++wrong;
        const auto hits = c->Query({.using_vector = "s", .vector = SparseVector{{3}, {1}}});
        if (!hits.ok() || (!hits.value().hits.empty() && hits.value().hits.size() != 10)) ++wrong;
        const auto near = c->Query(
            {.using_vector = "d", .vector = std::vector<float>(kDim, 1.0f), .limit = 1000});
        if (!near.ok() || near.value().hits.size() % 10 != 0) ++wrong;
      }
    });
  }
  for (auto& t : threads) t.join();
  CHECK(wrong == 0);
  CHECK(c->Count(nullptr).value() == kWriters * 10);
}
