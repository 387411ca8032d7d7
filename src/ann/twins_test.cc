// Goal: rows that are equal are found like others, and cost no more to insert.
// Method: copies of few or many vectors, in any order and before all others, beside distinct ones;
// of the exact ten best scores, how many have an equal among those found; a thread's seconds.
#include <doctest/doctest.h>
#include <time.h>

#include "ann/sample_internal.h"

namespace malmoi::ann {
namespace {

constexpr std::uint32_t kRows = 6000, kDim = 40;

// `share` of the rows are copies of `kinds` vectors: the first ones, or drawn.
sample::Data Repeated(double share, std::uint32_t kinds, bool first) {
  auto data = sample::Clustered(kRows, kDim, 30, 40);
  const auto other = sample::Clustered(kinds, kDim, 30, 0, 11);
  std::mt19937_64 random(3);
  for (std::uint32_t r = 0; r < kRows; ++r) {
    const double drawn = static_cast<double>(random() >> 11) * 0x1p-53;
    if (!(first ? r < share * kRows : drawn < share)) continue;
    const auto kind = static_cast<std::ptrdiff_t>(random() % kinds);
    std::copy_n(other.x.begin() + kind * kDim, kDim, data.x.begin() + std::ptrdiff_t{r} * kDim);
  }
  return data;
}

double ThreadSeconds() {
  timespec t{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

std::unique_ptr<Index> Built(const sample::Data& data, Metric metric, double* seconds) {
  auto index = Index::Create({.metric = metric, .dim = data.dim, .capacity = data.rows});
  REQUIRE(index.ok());
  const auto rows = data.source();
  const double start = ThreadSeconds();
  REQUIRE(index.value()->Insert(sample::Ids(0, data.rows), rows).ok());
  *seconds = ThreadSeconds() - start;
  return std::move(index).value();
}

// Which of equal rows are found does not matter.
double RecallOfScores(const Index& index, const sample::Data& data) {
  const auto rows = data.source();
  const Metric metric = index.options().metric;
  const auto score = [&](std::size_t q, std::uint32_t r) {
    return sample::Score(metric, data.query(q), rows.Row(r));
  };
  double sum = 0;
  for (std::size_t q = 0; q < data.query_count(); ++q) {
    std::vector<double> all;
    for (std::uint32_t r = 0; r < data.rows; ++r) all.push_back(-score(q, r));
    std::nth_element(all.begin(), all.begin() + 9, all.end());
    const auto found = index.Search(data.query(q), {.window = 64, .rows = &rows});
    REQUIRE(found.ok());
    for (const Found& f : found.value()) sum += -score(q, f.id) <= all[9] + 1e-9 ? 0.1 : 0;
  }
  return sum / static_cast<double>(data.query_count());
}

TEST_CASE("equal rows are found, and what is beside them") {
  struct Case {
    double share;
    std::uint32_t kinds;
    bool first;
  };
  for (const Metric metric : {Metric::kCosine, Metric::kEuclid}) {
    double distinct = 0, seconds = 0;
    CHECK(RecallOfScores(*Built(Repeated(0, 1, false), metric, &distinct), Repeated(0, 1, false)) >
          0.98);
    for (const Case& c : {Case{0.5, 300, false}, Case{1, 300, false}, Case{0.9, 6, true},
                          Case{0.5, 1, false}, Case{1, 1, false}}) {
      CAPTURE(c.share);
      CAPTURE(c.kinds);
      const auto data = Repeated(c.share, c.kinds, c.first);
      const auto index = Built(data, metric, &seconds);
      CHECK(RecallOfScores(*index, data) > 0.95);
      CHECK(seconds < 3 * distinct);  // As a rule it is less than for distinct ones.
    }
  }
}

TEST_CASE("all of a few equal rows are found, by any of them as the query") {
  const auto data = Repeated(1, kRows / 10, false);
  double seconds = 0;
  const auto index = Built(data, Metric::kCosine, &seconds);
  const auto rows = data.source();
  std::size_t found = 0, wanted = 0;
  for (std::uint32_t r = 0; r < kRows; r += 50) {
    const auto query = std::span(data.x).subspan(std::size_t{r} * kDim, kDim);
    const auto got = index->Search(query, {.limit = 5, .window = 64, .rows = &rows});
    REQUIRE(got.ok());
    std::size_t equal = 0;
    for (std::uint32_t o = 0; o < kRows; ++o) {
      equal += std::equal(query.begin(), query.end(), rows.Row(o)) ? 1 : 0;
    }
    wanted += std::min<std::size_t>(equal, 5);
    for (const Found& f : got.value()) {
      found += std::equal(query.begin(), query.end(), rows.Row(f.id)) ? 1 : 0;
    }
  }
  CHECK(found > wanted - wanted / 50);
}

}  // namespace
}  // namespace malmoi::ann
