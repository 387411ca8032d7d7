// Goal: a sparse search that passes over rows gives the hits of a scan of all posting lists, bit
// for bit and in the same order, and really passes over rows.
// Method: rows whose terms are as frequent as words are, with values like BM25's; a plain loop over
// all points in the order of the query's terms; with and without IDF, deletions, filters,
// thresholds, limits up to all rows, ties, weights of zero, and lists that bounds do not hold for.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <random>

#include "os/fault_vfs.h"
#include "vec/collection.h"

using namespace malmoi;
using namespace malmoi::vec;

namespace {

constexpr std::uint64_t kPoints = 12'000;  // Three windows of rows.
constexpr std::uint32_t kTerms = 3000;

using Ranked = std::vector<std::pair<std::uint64_t, float>>;

// Frequent terms are as much more frequent as they come earlier.
std::uint32_t Term(std::mt19937_64& random) {
  const double u = static_cast<double>(random() >> 11) * 0x1p-53;
  return static_cast<std::uint32_t>(std::pow(static_cast<double>(kTerms), u)) - 1;
}

SparseVector RandomRow(std::mt19937_64& random, std::size_t draws, bool coarse) {
  std::vector<std::pair<std::uint32_t, float>> entries;
  for (std::size_t i = 0; i < draws; ++i) {
    const float value = coarse ? 1.0f : 0.5f + static_cast<float>(random() % 1000) * 0.0015f;
    entries.emplace_back(Term(random), value);
  }
  std::sort(entries.begin(), entries.end());
  SparseVector v;
  for (const auto& [term, value] : entries) {
    if (!v.indices.empty() && v.indices.back() == term) continue;
    v.indices.push_back(term);
    v.values.push_back(value);
  }
  return v;
}

struct Fixture {
  explicit Fixture(bool idf, bool coarse = false, bool negative = false) : vfs(1) {
    db = Database::Open(vfs, "/db", 2).value();
    CollectionConfig config;
    config.sparse["s"] = {.idf = idf};
    c = db->Create("c", config).value();
    std::mt19937_64 random(17);
    std::vector<Point> points;
    for (std::uint64_t id = 0; id < kPoints; ++id) {
      rows.push_back(RandomRow(random, 20, coarse));
      if (negative && id == kPoints / 2) rows.back().values[0] = -1;
      points.push_back({.id = id, .payload = R"({"u":)" + std::to_string(id * 7 % 1000) + "}"});
      points.back().vectors.sparse["s"] = rows.back();
    }
    REQUIRE(c->Upsert(points, {.wait = false}).ok());
    REQUIRE(c->Checkpoint().ok());
    alive.assign(kPoints, true);
  }

  void Delete(std::uint64_t from, std::uint64_t step) {
    std::vector<PointId> gone;
    for (std::uint64_t id = from; id < kPoints; id += step) {
      gone.push_back(id);
      alive[id] = false;
    }
    REQUIRE(c->Delete(gone).ok());
  }

  // What a loop over all points finds; `met`: rows with a term of the query.
  Ranked Loop(SparseVector query, bool idf, std::size_t below, std::optional<float> threshold,
              std::size_t limit, std::size_t* met) const {
    if (idf) {
      double n = 0;
      std::vector<double> df(query.indices.size());
      for (std::uint64_t id = 0; id < kPoints; ++id) {
        if (!alive[id]) continue;
        ++n;
        for (std::size_t i = 0; i < df.size(); ++i) {
          const auto& terms = rows[id].indices;
          df[i] += std::binary_search(terms.begin(), terms.end(), query.indices[i]) ? 1 : 0;
        }
      }
      for (std::size_t i = 0; i < df.size(); ++i) {
        query.values[i] =
            static_cast<float>(query.values[i] * std::log(1 + (n - df[i] + 0.5) / (df[i] + 0.5)));
      }
    }
    Ranked out;
    *met = 0;
    for (std::uint64_t id = 0; id < kPoints; ++id) {
      if (!alive[id] || id * 7 % 1000 >= below) continue;
      float sum = 0;
      bool any = false;
      for (std::size_t i = 0; i < query.indices.size(); ++i) {
        const auto& terms = rows[id].indices;
        const auto it = std::lower_bound(terms.begin(), terms.end(), query.indices[i]);
        if (it == terms.end() || *it != query.indices[i]) continue;
        any = true;
        sum += query.values[i] * rows[id].values[static_cast<std::size_t>(it - terms.begin())];
      }
      *met += any ? 1 : 0;
      if (any && !(threshold && sum < *threshold)) out.emplace_back(id, sum);
    }
    std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) {
      return a.second != b.second ? a.second > b.second : a.first < b.first;
    });
    if (out.size() > limit) out.resize(limit);
    return out;
  }

  // How many rows were scored, of how many that have a term.
  std::pair<std::uint64_t, std::size_t> Compare(const SparseVector& query, bool idf,
                                                std::size_t limit = 10, std::size_t below = 1000,
                                                std::optional<float> threshold = std::nullopt) {
    Filter filter;
    filter.must.push_back({FieldCondition{"u", Range{.lt = static_cast<double>(below)}}});
    VectorQuery q{.using_vector = "s", .vector = query, .limit = limit, .with_payload = false};
    if (below < 1000) q.filter = &filter;
    q.score_threshold = threshold;
    const auto outcome = c->Query(q);
    REQUIRE(outcome.ok());
    CHECK(outcome.value().exact);
    Ranked found;
    for (const Hit& hit : outcome.value().hits) {
      found.emplace_back(std::get<std::uint64_t>(hit.id), hit.score);
    }
    std::size_t met = 0;
    const bool same = found == Loop(query, idf, below, threshold, limit, &met);
    CHECK(same);
    return {outcome.value().scored, met};
  }

  os::FaultVfs vfs;
  std::unique_ptr<Database> db;
  std::shared_ptr<Collection> c;
  std::vector<SparseVector> rows;
  std::vector<bool> alive;
};

}  // namespace

TEST_CASE("a sparse search gives the hits of a scan and scores a part of the rows") {
  for (const bool idf : {false, true}) {
    CAPTURE(idf);
    Fixture f(idf);
    std::mt19937_64 random(5);
    std::uint64_t scored = 0, met = 0;
    for (int stage = 0; stage < 3; ++stage) {
      CAPTURE(stage);
      if (stage == 1) f.Delete(3, 40);
      if (stage == 2) f.Delete(0, 2);
      for (int q = 0; q < 12; ++q) {
        CAPTURE(q);
        const SparseVector query = RandomRow(random, q == 0 ? 60 : 8, false);
        const auto counts = f.Compare(query, idf);
        scored += counts.first;
        met += counts.second;
        for (const std::size_t limit : {1, 100, 20'000}) f.Compare(query, idf, limit);
        for (const std::size_t below : {2, 100, 900}) f.Compare(query, idf, 10, below);
        f.Compare(query, idf, 100, 1000, 6.0f);
        f.Compare(query, idf, 10, 500, 3.0f);
      }
    }
    CHECK(scored * 4 < met);
  }
}

TEST_CASE("equal sums are ranked by id") {
  Fixture f(false, /*coarse=*/true);
  std::mt19937_64 random(6);
  for (int q = 0; q < 20; ++q) {
    SparseVector query = RandomRow(random, 6, true);
    if (q % 4 == 0) query.values[0] = 0;
    for (const std::size_t limit : {1, 10, 300}) f.Compare(query, false, limit);
  }
}

TEST_CASE("negative weights and values are searched by a scan") {
  Fixture f(false, false, /*negative=*/true);
  std::mt19937_64 random(7);
  for (int q = 0; q < 10; ++q) {
    SparseVector query = RandomRow(random, 6, false);
    if (q % 2 == 0) query.values[0] = -0.7f;
    f.Compare(query, false);
    f.Compare({f.rows[kPoints / 2].indices, f.rows[kPoints / 2].values}, false);
  }
}
