// Goal: the index finds what an exact search finds, at every stage of its life, and says so when it
// is asked for what it cannot do.
// Method: recall@10 on clustered vectors against exact search; bytes of saved files compared.
#include "ann/index.h"

#include <doctest/doctest.h>

#include <atomic>
#include <filesystem>
#include <limits>
#include <thread>

#include "ann/sample_internal.h"
#include "os/cpu_info.h"
#include "os/fault_vfs.h"

namespace malmoi::ann {
namespace {

const auto kAll = [](std::uint32_t) { return true; };

IndexOptions Options(const sample::Data& data, Metric metric = Metric::kCosine) {
  return {
      .metric = metric, .dim = data.dim, .capacity = data.rows, .degree = 24, .build_window = 64};
}

std::unique_ptr<Index> Built(const sample::Data& data, const IndexOptions& options,
                             os::ThreadPool* pool = nullptr) {
  auto index = Index::Create(options);
  REQUIRE(index.ok());
  REQUIRE(index.value()->Insert(sample::Ids(0, data.rows), data.source(), pool).ok());
  return std::move(index).value();
}

struct Bits {
  std::vector<std::uint64_t> words;
  std::uint64_t count = 0;
  template <class Keep>
  Bits(std::uint32_t rows, const Keep& keep) : words(rows / 64 + 1) {
    for (std::uint32_t r = 0; r < rows; ++r) {
      if (!keep(r)) continue;
      words[r / 64] |= std::uint64_t{1} << (r % 64);
      ++count;
    }
  }
  IdFilter filter() const { return {words, count}; }
};

TEST_CASE("recall holds for every metric and kind of codes") {
  const auto data = sample::Clustered(2000, 48, 30, 50);
  const auto rows = data.source();
  for (const Metric metric : {Metric::kCosine, Metric::kDot, Metric::kEuclid}) {
    CAPTURE(static_cast<int>(metric));
    for (const Codes codes : {Codes::kFour, Codes::kEight}) {
      auto options = Options(data, metric);
      options.codes = codes;
      const auto index = Built(data, options);
      CHECK(sample::MeanRecall(*index, data, {.window = 80, .rows = &rows}, kAll) > 0.97);
      if (codes == Codes::kEight) {
        CHECK(sample::MeanRecall(*index, data, {.window = 80}, kAll) > 0.93);
      }
    }
  }
}

TEST_CASE("with rows, scores are the exact ones, best first") {
  const auto data = sample::Clustered(500, 20, 5, 10);
  const auto rows = data.source();
  for (const Metric metric : {Metric::kCosine, Metric::kDot, Metric::kEuclid}) {
    const auto index = Built(data, Options(data, metric));
    for (std::size_t q = 0; q < data.query_count(); ++q) {
      const auto found = index->Search(data.query(q), {.limit = 20, .rows = &rows});
      REQUIRE(found.ok());
      REQUIRE(found.value().size() == 20);
      for (std::size_t k = 0; k < 20; ++k) {
        const Found& f = found.value()[k];
        CHECK(f.score == doctest::Approx(sample::Score(metric, data.query(q), rows.Row(f.id))));
        CHECK((k == 0 || found.value()[k - 1].score >= f.score));
      }
    }
  }
}

TEST_CASE("recall holds while rows come, go, are relinked, saved and opened") {
  const auto data = sample::Clustered(3000, 40, 40, 40);
  const auto rows = data.source();
  const SearchParams params{.window = 80, .rows = &rows};
  auto created = Index::Create(Options(data));
  REQUIRE(created.ok());
  Index& index = *created.value();
  std::uint32_t have = 0;
  for (const std::uint32_t step : {1u, 1u, 8u, 90u, 900u, 1000u, 1000u}) {
    REQUIRE(index.Insert(sample::Ids(have, have + step), rows).ok());
    have += step;
    CHECK(index.Info().size == have);
    CHECK(sample::MeanRecall(index, data, params, [&](auto r) { return r < have; }) > 0.96);
  }
  std::vector<std::uint32_t> half;
  for (std::uint32_t r = 0; r < data.rows; r += 2) half.push_back(r);
  REQUIRE(index.Delete(half).ok());
  const auto odd = [](std::uint32_t r) { return r % 2 == 1; };
  CHECK(index.Info().size == data.rows / 2);
  CHECK(sample::MeanRecall(index, data, params, odd) > 0.96);

  REQUIRE(index.Relink().ok());
  CHECK(index.Info().deleted == 0);
  CHECK(sample::MeanRecall(index, data, params, odd) > 0.95);
  CHECK(!index.Insert(half, rows).ok());  // Ids are not used again.

  os::FaultVfs vfs(1);
  REQUIRE(vfs.MakeDirs("/d").ok());
  REQUIRE(index.Save(vfs, "/d/index").ok());
  for (const Placement placement : {Placement::kFile, Placement::kMemory, Placement::kCoarse}) {
    auto opened = Index::Open(vfs, "/d/index", placement);
    REQUIRE(opened.ok());
    CHECK(!opened.value()->Info().writable);
    for (std::size_t q = 0; q < data.query_count(); ++q) {
      const auto a = index.Search(data.query(q), params);
      const auto b = opened.value()->Search(data.query(q), params);
      REQUIRE(a.ok());
      REQUIRE(b.ok());
      REQUIRE(a.value().size() == b.value().size());
      for (std::size_t k = 0; k < a.value().size(); ++k) {
        CHECK(a.value()[k].id == b.value()[k].id);
        CHECK(a.value()[k].score == b.value()[k].score);
      }
    }
    // Rows stand in for the further bits.
    SearchParams coarse = params;
    coarse.rows = &rows;
    coarse.rescore = 2 * params.limit;
    const double with_them = sample::MeanRecall(*opened.value(), data, coarse, odd);
    coarse.coarse = true;
    CHECK(sample::MeanRecall(*opened.value(), data, coarse, odd) > with_them - 0.01);
    const bool all_bits = placement != Placement::kCoarse;
    CHECK((opened.value()->Info().search_bytes == index.Info().search_bytes) == all_bits);
    REQUIRE(opened.value()->Delete(std::vector<std::uint32_t>{1, 3}).ok());
    CHECK(sample::MeanRecall(*opened.value(), data, params,
                             [&](auto r) { return odd(r) && r > 3; }) > 0.95);
    CHECK(opened.value()->Insert(half, rows).error().code() == Code::kUnsupported);
  }
}

// Files of one folder, products of one kind: what comes together is often near each other.
TEST_CASE("recall holds where rows come sorted by what they are about") {
  const auto data = sample::Sorted(sample::Clustered(6000, 32, 60, 60));
  const auto rows = data.source();
  const SearchParams params{.window = 64, .rows = &rows};
  const auto index = Built(data, Options(data));
  CHECK(sample::MeanRecall(*index, data, params, kAll) > 0.97);

  auto appended = Index::Create(Options(data));
  REQUIRE(appended.ok());
  REQUIRE(appended.value()->Train(sample::Ids(0, data.rows), rows).ok());
  for (std::uint32_t from = 0; from < data.rows; from += 1000) {
    REQUIRE(appended.value()->Append(sample::Ids(from, from + 1000), rows).ok());
    REQUIRE(appended.value()->Link(data.rows, true).ok());
  }
  CHECK(sample::MeanRecall(*appended.value(), data, params, kAll) > 0.97);
}

TEST_CASE("some rows of an index are an index of their own") {
  const auto data = sample::Clustered(4000, 40, 40, 40);
  const auto rows = data.source();
  os::FaultVfs vfs(1);
  REQUIRE(vfs.MakeDirs("/d").ok());
  const auto never = [] { return false; };
  os::ThreadPool pool(2, "test");
  std::vector<std::uint32_t> ids;
  for (std::uint32_t r = 1; r < data.rows; r += 3) ids.push_back(r);
  for (const Metric metric : {Metric::kCosine, Metric::kEuclid, Metric::kDot}) {
    std::shared_ptr<const Index> built = Built(data, Options(data, metric));
    REQUIRE(built->Save(vfs, "/d/index").ok());
    auto opened = Index::Open(vfs, "/d/index", Placement::kCoarse);
    REQUIRE(opened.ok());
    const std::shared_ptr<const Index> from = std::move(opened).value();
    for (const bool copy : {true, false}) {
      CHECK(Index::Subset(built, ids, copy, never).error().code() == Code::kUnsupported);
      const auto part = Index::Subset(from, ids, copy, never, &pool);
      REQUIRE(part.ok());
      CHECK(part.value()->Info().size == ids.size());
      CHECK(part.value()->Info().update_bytes == 0);
      CHECK(!part.value()->Insert(sample::Ids(0, 1), rows).ok());
      const auto alone = Index::Subset(from, ids, copy, never);
      REQUIRE(alone.ok());
      double recall = 0;
      for (std::size_t q = 0; q < data.query_count(); ++q) {
        const SearchParams params{.limit = 30, .window = 80, .coarse = true};
        const auto found = part.value()->Search(data.query(q), params);
        // The same for any number of threads.
        const auto again = alone.value()->Search(data.query(q), params);
        REQUIRE(found.ok());
        REQUIRE(again.ok());
        std::vector<Found> mapped = found.value();
        for (std::size_t k = 0; k < mapped.size(); ++k) {
          CHECK(mapped[k].id == again.value()[k].id);
          if (copy) mapped[k].id = ids[mapped[k].id];
        }
        recall += sample::Recall(data, metric, q, 10, mapped, [](auto r) { return r % 3 == 1; });
      }
      CHECK(recall / static_cast<double>(data.query_count()) > 0.96);
      CHECK(Index::Subset(from, ids, copy, [] { return true; }).value() == nullptr);
      for (const std::uint32_t wrong : {2u, data.rows}) {
        auto more = ids;
        more.push_back(wrong);
        CHECK(Index::Subset(from, more, copy, never).error().code() == Code::kInvalidArgument);
      }
    }
  }
}

TEST_CASE("recall holds under filters that keep much or little, here or elsewhere") {
  const auto data = sample::Clustered(6000, 32, 50, 30);
  const auto rows = data.source();
  const auto index = Built(data, Options(data));
  const auto check = [&](const char* what, const auto& keep) {
    CAPTURE(what);
    const Bits bits(data.rows, keep);
    const IdFilter filter = bits.filter();
    for (const std::size_t window : {16, 64}) {
      CAPTURE(window);
      const SearchParams params{.window = window, .filter = &filter, .rows = &rows};
      CHECK(sample::MeanRecall(*index, data, params, keep) > (window == 16 ? 0.8 : 0.95));
      // By the graph, also where a scan of the kept costs less.
      SearchParams walk = params;
      walk.walk = true;
      CHECK(sample::MeanRecall(*index, data, walk, keep) > (window == 16 ? 0.7 : 0.9));
    }
  };
  const auto hash = [](std::uint32_t r) { return r * 2654435761u >> 16; };
  for (const std::uint32_t permille : {0u, 1u, 10u, 100u, 300u, 500u, 900u, 1000u}) {
    CAPTURE(permille);
    check("independent", [&](std::uint32_t r) { return hash(r) % 1000 < permille; });
  }
  check("whole clusters", [&](std::uint32_t r) { return data.cluster[r] < 25; });
  check("few clusters", [&](std::uint32_t r) { return data.cluster[r] < 3; });
  // Kept rows are far from nearly every query.
  check("one far cluster", [&](std::uint32_t r) { return data.cluster[r] == 7; });
  const Bits none(data.rows, [](std::uint32_t) { return false; });
  const IdFilter filter = none.filter();
  CHECK(index->Search(data.query(0), {.filter = &filter}).value().empty());
}

TEST_CASE("an index of codes alone finds all, with filters and beside insertion") {
  const auto data = sample::Clustered(3000, 40, 30, 30);
  const auto rows = data.source();
  os::FaultVfs vfs(1);
  for (const Metric metric : {Metric::kCosine, Metric::kDot, Metric::kEuclid}) {
    CAPTURE(static_cast<int>(metric));
    auto options = Options(data, metric);
    options.degree = 0;
    auto created = Index::Create(options);
    REQUIRE(created.ok());
    Index& index = *created.value();
    REQUIRE(index.Train(sample::Ids(0, data.rows), rows).ok());
    const SearchParams params{.window = 40, .rows = &rows};
    std::atomic<std::uint32_t> have{0};
    std::atomic<bool> wrong{false};
    std::thread reader([&] {
      for (std::size_t q = 0; have < data.rows; q = (q + 1) % data.query_count()) {
        const std::uint32_t before = have;
        const auto found = index.Search(data.query(q), params);
        if (!found.ok() || found.value().size() < std::min(before, 10u)) wrong = true;
      }
    });
    for (std::uint32_t at = 0; at < data.rows; at += 300) {
      CHECK(index.Insert(sample::Ids(at, at + 300), rows).ok());
      have = at + 300;
    }
    reader.join();
    CHECK(!wrong);
    CHECK(sample::MeanRecall(index, data, params, kAll) > 0.99);
    REQUIRE(index.Delete(sample::Ids(0, 1000)).ok());
    const auto live = [](std::uint32_t r) { return r >= 1000; };
    CHECK(sample::MeanRecall(index, data, params, live) > 0.99);
    const auto third = [](std::uint32_t r) { return r >= 1000 && r % 3 == 0; };
    const Bits bits(data.rows, third);
    const IdFilter filter = bits.filter();
    CHECK(sample::MeanRecall(index, data, {.window = 40, .filter = &filter, .rows = &rows}, third) >
          0.99);
    CHECK(index.Relink().error().code() == Code::kUnsupported);
    CHECK(index.Save(vfs, "/index").error().code() == Code::kUnsupported);
    CHECK(index.Info().links == 0);
  }
}

TEST_CASE("appended rows are found at once, and links do not depend on how they came") {
  const auto data = sample::Clustered(4000, 40, 30, 40);
  const auto rows = data.source();
  os::FaultVfs vfs(1);
  REQUIRE(vfs.MakeDirs("/d").ok());
  for (const Metric metric : {Metric::kCosine, Metric::kDot, Metric::kEuclid}) {
    CAPTURE(static_cast<int>(metric));
    std::string first;
    for (const std::uint32_t step : {2000u, 37u}) {
      auto created = Index::Create(Options(data, metric));
      REQUIRE(created.ok());
      Index& index = *created.value();
      CHECK(index.Append(sample::Ids(0, 10), rows).error().code() == Code::kInvalidArgument);
      REQUIRE(index.Train(sample::Ids(0, data.rows), rows).ok());
      os::ThreadPool pool(step == 37 ? 2 : 1, "ann-test");
      const SearchParams params{.window = 60, .rows = &rows};
      std::atomic<std::uint32_t> have{0};
      std::atomic<bool> wrong{false}, done{false};
      std::thread linker([&] {
        while (!done) wrong = wrong || !index.Link(200, false, &pool).ok();
      });
      std::thread reader([&] {
        for (std::size_t q = 0; have < data.rows; q = (q + 1) % data.query_count()) {
          const std::uint32_t before = have;
          const auto found = index.Search(data.query(q), params);
          if (!found.ok() || found.value().size() < std::min(before, 10u)) wrong = true;
        }
      });
      for (std::uint32_t at = 0; at < data.rows; at += step) {
        const std::uint32_t end = std::min(at + step, data.rows);
        CHECK(index.Append(sample::Ids(at, end), rows).ok());
        have = end;
        const auto here = [&](std::uint32_t r) { return r < end; };
        if (step == 2000) CHECK(sample::MeanRecall(index, data, params, here) > 0.97);
      }
      reader.join();
      done = true;
      linker.join();
      CHECK(!wrong);
      CHECK(index.Append(sample::Ids(5, 6), rows).error().code() == Code::kInvalidArgument);
      REQUIRE(index.Link(100'000, true, &pool).ok());
      CHECK(index.unlinked() == 0);
      CHECK(sample::MeanRecall(index, data, params, kAll) > 0.97);
      REQUIRE(index.Save(vfs, "/d/index").ok());
      auto bytes = os::ReadFile(vfs, "/d/index");
      REQUIRE(bytes.ok());
      if (first.empty()) first = bytes.value();
      CHECK(bytes.value() == first);
    }
  }
}

TEST_CASE("appended rows obey filters and deletion before they are linked") {
  const auto data = sample::Clustered(3000, 40, 30, 30);
  const auto rows = data.source();
  auto created = Index::Create(Options(data));
  REQUIRE(created.ok());
  Index& index = *created.value();
  REQUIRE(index.Insert(sample::Ids(0, 1500), rows).ok());
  REQUIRE(index.Append(sample::Ids(1500, 3000), rows).ok());
  CHECK(index.unlinked() == 1500);
  os::FaultVfs vfs(1);
  CHECK(index.Save(vfs, "/index").error().code() == Code::kUnsupported);
  const auto third = [](std::uint32_t r) { return r % 3 == 0; };
  const Bits bits(data.rows, third);
  const IdFilter filter = bits.filter();
  const SearchParams kept{.window = 60, .filter = &filter, .rows = &rows, .walk = true};
  CHECK(sample::MeanRecall(index, data, kept, third) > 0.97);
  REQUIRE(index.Delete(sample::Ids(1000, 2000)).ok());
  const auto live = [](std::uint32_t r) { return r < 1000 || r >= 2000; };
  const SearchParams params{.window = 60, .rows = &rows, .walk = true};
  CHECK(sample::MeanRecall(index, data, params, live) > 0.97);
  REQUIRE(index.Relink().ok());
  CHECK(index.unlinked() == 0);
  CHECK(index.Info().deleted == 0);
  CHECK(sample::MeanRecall(index, data, params, live) > 0.97);
}

TEST_CASE("several indexes with a common floor find what one would") {
  const auto data = sample::Clustered(6000, 40, 30, 60);
  const auto rows = data.source();
  const auto one = Built(data, Options(data));
  // Three parts of other sizes; the last one is of some clusters alone.
  std::vector<std::vector<std::uint32_t>> ids(3);
  for (std::uint32_t r = 0; r < data.rows; ++r) {
    ids[data.cluster[r] < 4 ? 2 : r % 3 == 0 ? 1 : 0].push_back(r);
  }
  std::vector<std::unique_ptr<Index>> parts;
  for (const auto& part : ids) {
    auto index = Index::Create(Options(data));
    REQUIRE(index.ok());
    REQUIRE(index.value()->Insert(part, rows).ok());
    parts.push_back(std::move(index).value());
  }
  double hits[2] = {}, hops[2] = {};
  for (std::size_t q = 0; q < data.query_count(); ++q) {
    const auto exact = one->Search(data.query(q), {.rows = &rows, .exhaustive = true}).value();
    for (const bool floored : {false, true}) {
      SearchParams params{.window = 60, .rows = &rows};
      std::vector<Found> all;
      for (std::size_t p = 0; p < parts.size(); ++p) {
        params.rank = 60 * ids[p].size() / data.rows;
        SearchStats stats;
        const auto found = parts[p]->Search(data.query(q), params, &stats).value();
        if (floored && p == 0) params.floor = stats.at_rank;
        hops[floored] += static_cast<double>(stats.hops);
        all.insert(all.end(), found.begin(), found.end());
      }
      std::sort(all.begin(), all.end(), [](const Found& a, const Found& b) {
        return a.score != b.score ? a.score > b.score : a.id < b.id;
      });
      for (std::size_t i = 0; i < exact.size(); ++i) {
        hits[floored] += std::any_of(all.begin(), all.begin() + 10,
                                     [&](const Found& f) { return f.id == exact[i].id; });
      }
    }
  }
  const double wanted = 10.0 * static_cast<double>(data.query_count());
  CHECK(hits[1] / wanted > 0.97);
  CHECK(hits[1] >= hits[0] - wanted * 0.01);
  CHECK(hops[1] < hops[0] * 0.75);
}

// Rows of another order.
class Moved : public Rows {
 public:
  Moved(const Rows& rows, const std::vector<std::uint32_t>& was) : rows_(rows), was_(was) {}
  const float* Row(std::uint32_t id) const override { return rows_.Row(was_[id]); }

 private:
  const Rows& rows_;
  const std::vector<std::uint32_t>& was_;
};

TEST_CASE("a renumbered copy finds the same rows under their new ids, and grows") {
  const auto data = sample::Clustered(3000, 40, 30, 40);
  const auto rows = data.source();
  os::FaultVfs vfs(1);
  REQUIRE(vfs.MakeDirs("/d").ok());
  for (const Metric metric : {Metric::kCosine, Metric::kDot, Metric::kEuclid}) {
    CAPTURE(static_cast<int>(metric));
    auto options = Options(data, metric);
    const auto source = Built(data, options);
    REQUIRE(source->Delete(sample::Ids(0, 200)).ok());
    // The new order is the old one backwards; every tenth row and the deleted ones are gone.
    std::vector<std::uint32_t> to(data.rows, Index::kGone);
    std::vector<std::uint32_t> was;
    for (std::uint32_t id = data.rows; id-- > 200;) {
      if (id % 10 == 0) continue;
      to[id] = static_cast<std::uint32_t>(was.size());
      was.push_back(id);
    }
    const std::size_t kept = was.size();
    for (std::uint32_t id = 210; id < data.rows; id += 10) was.push_back(id);
    const Moved moved(rows, was);
    options.capacity = static_cast<std::uint32_t>(was.size());
    options.tag = 7;
    os::ThreadPool pool(2, "ann-test");
    const auto recall = [&](const Index& index, std::size_t n) {
      double hits = 0, wanted = 0;
      for (std::size_t q = 0; q < data.query_count(); ++q) {
        const auto exact =
            index.Search(data.query(q), {.rows = &moved, .exhaustive = true}).value();
        const auto found = index.Search(data.query(q), {.window = 60, .rows = &moved}).value();
        CHECK(exact.size() == 10);
        wanted += static_cast<double>(exact.size());
        for (const Found& f : found) {
          CHECK(f.id < n);
          hits += std::any_of(exact.begin(), exact.end(),
                              [&](const Found& e) { return e.id == f.id && e.score == f.score; });
        }
      }
      return hits / wanted;
    };
    auto copied = Index::Renumber(*source, to, options, &pool);
    REQUIRE(copied.ok());
    Index& copy = *copied.value();
    CHECK(copy.Info().size == kept);
    CHECK(copy.options().tag == 7);
    CHECK(recall(copy, kept) > 0.97);
    REQUIRE(
        copy.Insert(sample::Ids(static_cast<std::uint32_t>(kept), options.capacity), moved).ok());
    CHECK(recall(copy, was.size()) > 0.97);

    REQUIRE(source->Save(vfs, "/d/index").ok());
    const auto opened = Index::Open(vfs, "/d/index");
    REQUIRE(opened.ok());
    auto again = Index::Renumber(*opened.value(), to, options);
    CHECK(again.ok() == (metric != Metric::kDot));
    if (again.ok()) CHECK(recall(*again.value(), kept) > 0.97);
    to[300] = to[301];
    CHECK(Index::Renumber(*source, to, options).error().code() == Code::kInvalidArgument);
    options.dim = 41;
    CHECK(Index::Renumber(*source, to, options).error().code() == Code::kInvalidArgument);
  }
}

TEST_CASE("each of many equal rows is found when a filter asks for it") {
  auto data = sample::Clustered(600, 16, 3, 1);
  for (std::uint32_t r = 100; r < 400; ++r) {
    std::copy_n(data.x.begin(), data.dim, data.x.begin() + r * data.dim);
  }
  const auto index = Built(data, Options(data));
  std::size_t missed = 0;
  for (std::uint32_t r = 100; r < 400; ++r) {
    const Bits bits(data.rows, [&](std::uint32_t other) { return other == r || other < 100; });
    const IdFilter filter = bits.filter();
    const auto found =
        index->Search(std::span(data.x).first(data.dim), {.limit = 2, .filter = &filter});
    REQUIRE(found.ok());
    REQUIRE(found.value().size() == 2);
    missed += found.value()[0].id != r && found.value()[1].id != r;
  }
  CHECK(missed == 0);
}

TEST_CASE("the saved bytes do not depend on threads or on the CPU level") {
  const auto data = sample::Clustered(1200, 70, 10, 0);
  os::FaultVfs vfs(1);
  REQUIRE(vfs.MakeDirs("/d").ok());
  std::string first;
  const auto check = [&](os::ThreadPool* pool) {
    const auto index = Built(data, Options(data, Metric::kEuclid), pool);
    REQUIRE(index->Save(vfs, "/d/index").ok());
    auto bytes = os::ReadFile(vfs, "/d/index");
    REQUIRE(bytes.ok());
    if (first.empty()) first = bytes.value();
    CHECK(bytes.value() == first);
  };
  for (const std::size_t threads : {1, 2, 3}) {
    os::ThreadPool pool(threads, "ann-test");
    check(&pool);
  }
  for (const os::CpuLevel level : os::AvailableCpuLevels()) {
    const auto before = os::SetCpuLevelForTest(level);
    check(nullptr);
    os::SetCpuLevelForTest(before);
  }
}

TEST_CASE("a damaged file is refused, whichever byte it is") {
  const auto data = sample::Clustered(60, 8, 3, 1);
  const auto index = Built(data, Options(data));
  os::FaultVfs vfs(1);
  REQUIRE(vfs.MakeDirs("/d").ok());
  REQUIRE(index->Save(vfs, "/d/index").ok());
  const std::string good = os::ReadFile(vfs, "/d/index").value();
  const auto open = [&](const std::string& bytes) {
    REQUIRE(os::WriteAtomically(vfs, "/d/bad", bytes).ok());
    return Index::Open(vfs, "/d/bad");
  };
  REQUIRE(open(good).ok());
  std::size_t accepted = 0, flips = 0;
  for (std::size_t at = 0; at < good.size(); at += at < 400 ? 1 : 37) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 0x10);
    ++flips;
    auto opened = open(bad);
    if (opened.ok()) ++accepted;
  }
  CHECK(flips > 500);
  CHECK(accepted == 0);
  for (std::size_t size = 0; size < good.size(); size += 97)
    CHECK(!open(good.substr(0, size)).ok());
}

TEST_CASE("errors name what is wrong") {
  const auto data = sample::Clustered(50, 8, 3, 1);
  CHECK(!Index::Create({.dim = 0, .capacity = 5}).ok());
  CHECK(!Index::Create({.dim = 5, .capacity = 0}).ok());
  CHECK(!Index::Create({.dim = 70000, .capacity = 5}).ok());
  CHECK(!Index::Create({.dim = 5, .capacity = 5, .degree = 2}).ok());
  const auto index = Built(data, Options(data));
  const auto rows = data.source();
  CHECK(!index->Insert(std::vector<std::uint32_t>{3}, rows).ok());
  CHECK(!index->Insert(std::vector<std::uint32_t>{50}, rows).ok());
  auto bad = data;
  bad.x[0] = std::numeric_limits<float>::quiet_NaN();
  auto fresh = Index::Create(Options(data));
  REQUIRE(fresh.ok());
  CHECK(!fresh.value()->Insert(sample::Ids(0, 50), bad.source()).ok());
  CHECK(fresh.value()->Info().size == 0);
  CHECK(fresh.value()->Search(data.query(0), {}).value().empty());
  CHECK(!index->Search(std::span(data.queries).first(7), {}).ok());
  CHECK(!index->Search(std::span(bad.x).first(8), {}).ok());
  CHECK(index->Search(data.query(0), {.limit = 100}).value().size() == 50);
  os::FaultVfs vfs(1);
  CHECK(Index::Open(vfs, "/none").error().code() == Code::kNotFound);
}

TEST_CASE("searches beside insertion, deletion and relinking find rows that are there") {
  const auto data = sample::Clustered(1500, 24, 20, 20);
  const auto rows = data.source();
  auto created = Index::Create(Options(data));
  REQUIRE(created.ok());
  Index& index = *created.value();
  REQUIRE(index.Insert(sample::Ids(0, 200), rows).ok());
  std::atomic<bool> done{false};
  std::atomic<std::size_t> bad{0}, searches{0};
  std::vector<std::thread> readers;
  for (int t = 0; t < 2; ++t) {
    readers.emplace_back([&] {
      for (std::size_t q = 0; !done || searches < 40; q = (q + 1) % data.query_count()) {
        auto found = index.Search(data.query(q), {.window = 32, .rows = &rows});
        bad += !found.ok() || found.value().size() != 10;
        for (const Found& f : found.value()) bad += f.id >= data.rows;
        ++searches;
      }
    });
  }
  os::ThreadPool pool(2, "ann-test");
  for (std::uint32_t have = 200; have < data.rows; have += 100) {
    CHECK(index.Insert(sample::Ids(have, have + 100), rows, &pool).ok());
    CHECK(index.Delete(sample::Ids(have - 200, have - 150)).ok());
    if (have % 500 == 0) CHECK(index.Relink(&pool).ok());
  }
  done = true;
  for (auto& reader : readers) reader.join();
  CHECK(bad == 0);
}

}  // namespace
}  // namespace malmoi::ann
