// Durable writes, exact search and opening. Small by default so that ctest can run it; canonical
// with MALMOI_FULL=1: 100,000 points of 384 dimensions with 200 sparse entries and 2 KB of payload.
#include <benchmark/benchmark.h>

#include <cmath>
#include <cstdio>
#include <random>

#include "base/clock.h"
#include "os/paths.h"
#include "os/scratch_dir.h"
#include "os/vfs.h"
#include "vec/collection.h"

namespace malmoi::vec {
namespace {

constexpr std::uint32_t kDim = 384;

std::uint64_t Points() {
  return os::GetEnv("MALMOI_FULL") ? 100'000 : 300;
}

CollectionConfig Config() {
  CollectionConfig config;
  config.dense["d"] = {.dim = kDim};
  config.sparse["s"] = {.idf = true};
  return config;
}

SparseVector RandomSparse(std::mt19937_64& random, int entries) {
  std::map<std::uint32_t, float> terms;  // Frequencies as of words: few common, many rare.
  for (int i = 0; i < entries; ++i) {
    const double u = static_cast<double>(random() >> 11) * 0x1p-53;
    terms[static_cast<std::uint32_t>(std::exp(u * 12.2))] = 1 + static_cast<float>(i % 7);
  }
  SparseVector v;
  for (const auto& [term, value] : terms) {
    v.indices.push_back(term);
    v.values.push_back(value);
  }
  return v;
}

Point RandomPoint(std::mt19937_64& random, std::uint64_t id) {
  Point p{.id = id, .vectors = {}, .payload = {}};
  auto& d = p.vectors.dense["d"];
  d.resize(kDim);
  for (float& x : d) x = static_cast<float>(static_cast<int>(random() % 2001) - 1000);
  p.vectors.sparse["s"] = RandomSparse(random, 260);
  p.payload = R"({"lang":")" + std::string(id % 2 == 0 ? "ko" : "en") + R"(","text":")" +
              std::string(2000, 'a') + "\"}";
  return p;
}

// A collection in a scratch folder, filled once for all benchmarks.
struct Filled {
  Filled() {
    Open();
    collection = db->Create("c", Config()).value();
    std::mt19937_64 random(1);
    const std::int64_t start = MonotonicNs();
    for (std::uint64_t id = 0; id < Points();) {
      std::vector<Point> batch;
      for (int i = 0; i < 100 && id < Points(); ++i) batch.push_back(RandomPoint(random, id++));
      (void)collection->Upsert(batch).value();
    }
    (void)collection->Checkpoint().value();
    std::fprintf(stderr, "filled %llu points in %.2f s, %.1f MB on disk\n",
                 static_cast<unsigned long long>(Points()), SecondsSince(start),
                 static_cast<double>(collection->Info().disk_bytes) * 1e-6);
  }
  ~Filled() {
    collection.reset();
    db.reset();
  }
  void Open() { db = Database::Open(os::PosixVfs(), dir.path(), 2).value(); }

  os::ScratchDir dir;
  std::unique_ptr<Database> db;
  std::shared_ptr<Collection> collection;
};

Filled& TheCollection() {
  static Filled filled;
  return filled;
}

void Run(benchmark::State& state, const VectorQuery& query) {
  const auto& c = *TheCollection().collection;
  double sum = 0;
  std::uint64_t scored = 0;
  for (auto _ : state) {
    const auto outcome = c.Query(query);
    sum += outcome.value().hits.empty() ? 0 : outcome.value().hits[0].score;
    scored = outcome.value().scored;
  }
  state.counters["checksum"] = sum / static_cast<double>(state.iterations());
  state.counters["scored"] = static_cast<double>(scored);
}

void BM_Upsert(benchmark::State& state) {
  auto& filled = TheCollection();
  (void)filled.db->Drop("w").ok();
  const auto c = filled.db->Create("w", Config()).value();
  std::mt19937_64 random(2);
  std::vector<Point> batch;
  for (std::int64_t i = 0; i < state.range(0); ++i) {
    batch.push_back(RandomPoint(random, static_cast<std::uint64_t>(i)));
  }
  std::uint64_t id = 0;
  for (auto _ : state) {
    for (auto& p : batch) p.id = id++ % 20'000;
    (void)c->Upsert(batch).value();
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_Upsert)->Arg(1)->Arg(100)->UseRealTime();

void BM_Dense(benchmark::State& state) {
  std::vector<float> v(kDim);
  for (std::uint32_t i = 0; i < kDim; ++i) v[i] = std::sin(static_cast<float>(i));
  Run(state, {.using_vector = "d", .vector = v, .with_payload = false});
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(Points() * kDim * 4));
}
BENCHMARK(BM_Dense)->UseRealTime();

void BM_Sparse(benchmark::State& state) {
  std::mt19937_64 random(3);
  Run(state, {.using_vector = "s",
              .vector = RandomSparse(random, 10),
              .limit = 100,
              .with_payload = false});
}
BENCHMARK(BM_Sparse)->UseRealTime();

void BM_Complete(benchmark::State& state) {
  std::mt19937_64 random(4);
  HasId ids;
  for (int i = 0; i < 200; ++i) ids.ids.emplace_back(random() % Points());
  Filter filter;
  filter.must.push_back({ids});
  const std::vector<float> v(kDim, 1.0f);
  std::vector<VectorQuery> batch(2);
  batch[0] = {.using_vector = "d", .vector = v, .filter = &filter, .limit = 200};
  batch[1] = {
      .using_vector = "s", .vector = RandomSparse(random, 10), .filter = &filter, .limit = 200};
  for (auto& q : batch) q.with_payload = false;
  const auto& c = *TheCollection().collection;
  std::size_t hits = 0;
  for (auto _ : state) {
    const auto outcomes = c.QueryBatch(batch);
    hits = outcomes.value()[0].hits.size() + outcomes.value()[1].hits.size();
  }
  state.counters["hits"] = static_cast<double>(hits);
}
BENCHMARK(BM_Complete)->UseRealTime();

void BM_FilteredDense(benchmark::State& state) {
  Filter filter;
  filter.must.push_back({FieldCondition{"lang", MatchAny{{std::string("ko")}}}});
  Run(state, {.using_vector = "d",
              .vector = std::vector<float>(kDim, 1.0f),
              .filter = &filter,
              .with_payload = false});
}
BENCHMARK(BM_FilteredDense)->UseRealTime();

void BM_Open(benchmark::State& state) {
  auto& filled = TheCollection();
  filled.collection.reset();
  for (auto _ : state) {
    filled.db.reset();
    filled.Open();
  }
  filled.collection = filled.db->Get("c").value();
}
BENCHMARK(BM_Open)->UseRealTime();

}  // namespace
}  // namespace malmoi::vec

BENCHMARK_MAIN();
