// Goal: the cells of an index find what a filter keeps, at any share; they are the same for any
// number of threads and level, are saved and checked, and never stand for another state of it.
// Method: recall against exact answers over clustered rows, at shares for which cells are chosen.
#include <doctest/doctest.h>

#include <random>
#include <set>

#include "ann/graph_index_internal.h"
#include "ann/sample_internal.h"
#include "os/cpu_info.h"
#include "os/fault_vfs.h"

namespace malmoi::ann {
namespace {

constexpr std::uint32_t kRows = 6000;

const sample::Data& Rows6000() {
  static const sample::Data data = sample::Clustered(kRows, 48, 60, 25);
  return data;
}

std::unique_ptr<Index> Made(Metric metric, os::ThreadPool* pool = nullptr) {
  const sample::Data& data = Rows6000();
  IndexOptions options{.metric = metric, .dim = data.dim, .capacity = kRows + 1};
  options.degree = 16;
  options.build_window = 32;
  auto index = Index::Create(options).value();
  REQUIRE(index->Insert(sample::Ids(0, kRows), data.source(), pool).ok());
  REQUIRE(index->Partition(pool).ok());
  return index;
}

struct Every {  // Each n-th row, from an offset on.
  explicit Every(std::uint32_t n) : step(n), words(kRows / 64 + 1) {
    for (std::uint32_t r = 1; r < kRows; r += step) words[r / 64] |= std::uint64_t{1} << (r % 64);
  }
  bool has(std::uint32_t r) const { return r % step == 1 % step; }
  IdFilter filter() const { return {words, kRows / step}; }
  std::uint32_t step;
  std::vector<std::uint64_t> words;
};

// Mean recall of the ten best among every n-th row, and whether some search went over fewer rows
// than the filter keeps.
double Recall(const Index& index, Metric metric, const Every& every, std::size_t window,
              bool* fewer = nullptr) {
  const sample::Data& data = Rows6000();
  const IdFilter filter = every.filter();
  double sum = 0;
  for (std::size_t q = 0; q < data.query_count(); ++q) {
    SearchStats stats;
    const auto found =
        index.Search(data.query(q), {.limit = 10, .window = window, .filter = &filter}, &stats);
    REQUIRE(found.ok());
    for (const Found& f : found.value()) REQUIRE(every.has(f.id));
    if (fewer != nullptr && stats.hops == 0 && !stats.scanned) *fewer = true;
    sum += sample::Recall(data, metric, q, 10, found.value(),
                          [&](std::uint32_t r) { return every.has(r); });
  }
  return sum / static_cast<double>(data.query_count());
}

TEST_CASE("cells find what filters keep, for every metric") {
  for (const Metric metric : {Metric::kCosine, Metric::kDot, Metric::kEuclid}) {
    CAPTURE(static_cast<int>(metric));
    const auto index = Made(metric);
    bool by_cells = false;
    for (const std::uint32_t step : {2, 3, 5, 10}) {
      CAPTURE(step);
      CHECK(Recall(*index, metric, Every(step), 64, &by_cells) > 0.93);
    }
    CHECK(by_cells);
  }
}

TEST_CASE("cells are the same for any number of threads and level, saved and opened") {
  os::FaultVfs vfs(1);
  REQUIRE(vfs.MakeDirs("/d").ok());
  std::string first;
  const auto check = [&](os::ThreadPool* pool) {
    REQUIRE(Made(Metric::kCosine, pool)->Save(vfs, "/d/index").ok());
    const auto bytes = os::ReadFile(vfs, "/d/index");
    REQUIRE(bytes.ok());
    if (first.empty()) first = bytes.value();
    CHECK(bytes.value() == first);
  };
  os::ThreadPool pool(3, "ann-test");
  check(&pool);
  for (const os::CpuLevel level : os::AvailableCpuLevels()) {
    const auto before = os::SetCpuLevelForTest(level);
    check(&pool);
    os::SetCpuLevelForTest(before);
  }
  const auto opened = Index::Open(vfs, "/d/index");
  REQUIRE(opened.ok());
  bool by_cells = false;
  CHECK(Recall(*opened.value(), Metric::kCosine, Every(5), 64, &by_cells) > 0.93);
  CHECK(by_cells);
  CHECK(opened.value()->Partition().error().code() == Code::kUnsupported);
  std::size_t accepted = 0;
  for (std::size_t at = 0; at < first.size(); at += 9973) {
    std::string bad = first;
    bad[at] = static_cast<char>(bad[at] ^ 4);
    REQUIRE(os::WriteAtomically(vfs, "/d/bad", bad).ok());
    accepted += Index::Open(vfs, "/d/bad").ok() ? 1 : 0;
  }
  CHECK(accepted == 0);
}

TEST_CASE("a filter by cells gives what its bits give") {
  const auto index = Made(Metric::kCosine), other = Made(Metric::kCosine);
  const sample::Data& data = Rows6000();
  for (const std::uint32_t step : {3, 5, 10}) {
    const Every every(step);
    const auto own = index->InCells(every.words), foreign = other->InCells(every.words);
    const auto more = index->InCells(std::vector<std::uint64_t>(kRows / 64 + 1, ~std::uint64_t{0}));
    REQUIRE(own != nullptr);
    double hits = 0;
    bool by_cells = false;
    for (std::size_t q = 0; q < data.query_count(); ++q) {
      const auto ask = [&](const CellBits* cells, bool has_more) {
        IdFilter filter = every.filter();
        filter.in_cells = cells;
        filter.more_in_cells = has_more;
        SearchStats stats;
        auto found =
            index->Search(data.query(q), {.limit = 10, .window = 64, .filter = &filter}, &stats);
        REQUIRE(found.ok());
        by_cells = by_cells || (stats.hops == 0 && !stats.scanned);
        return std::move(found).value();
      };
      const auto found = ask(own.get(), false), same = ask(more.get(), true);
      const auto without = ask(foreign.get(), false);  // Of another index: not used.
      for (const auto* list : {&found, &same, &without}) {
        REQUIRE(list->size() == found.size());
        for (std::size_t i = 0; i < found.size(); ++i) CHECK((*list)[i].id == found[i].id);
      }
      for (const Found& f : found) REQUIRE(every.has(f.id));
      hits += sample::Recall(data, Metric::kCosine, q, 10, found,
                             [&](std::uint32_t r) { return every.has(r); });
    }
    CHECK(by_cells);
    CHECK(hits / static_cast<double>(data.query_count()) > 0.93);
  }
}

TEST_CASE("deleted rows are in no cell's answer, and rows that come later are found") {
  const sample::Data& data = Rows6000();
  const auto index = Made(Metric::kEuclid);
  std::vector<std::uint32_t> gone;
  for (std::uint32_t r = 1; r < kRows; r += 10) gone.push_back(r);
  REQUIRE(index->Delete(gone).ok());
  const Every every(5);
  const IdFilter filter = every.filter();
  const auto deleted = [&] {
    std::size_t n = 0;
    for (std::size_t q = 0; q < data.query_count(); ++q) {
      const auto found = index->Search(data.query(q), {.window = 64, .filter = &filter});
      REQUIRE(found.ok());
      REQUIRE(!found.value().empty());
      for (const Found& f : found.value()) n += f.id % 10 == 1 ? 1 : 0;
    }
    return n;
  };
  CHECK(deleted() == 0);
  REQUIRE(index->Relink().ok());
  CHECK(deleted() == 0);
  REQUIRE(index->Partition().ok());
  CHECK(deleted() == 0);
  // The new row is the query itself.
  REQUIRE(index->Insert(sample::Ids(kRows, kRows + 1), DenseRows(data.queries.data(), 0)).ok());
  std::vector<std::uint64_t> words = every.words;
  words[kRows / 64] |= std::uint64_t{1} << (kRows % 64);
  const IdFilter with{words, kRows / 5};
  const auto found = index->Search(data.query(0), {.limit = 1, .window = 64, .filter = &with});
  REQUIRE(found.ok());
  REQUIRE(found.value().size() == 1);
  CHECK(found.value()[0].id == kRows);
}

TEST_CASE("signs leave out few rows that are wanted, the same ones on every level") {
  for (const std::uint32_t dim : {1u, 40u, 130u, 384u, 1030u}) {
    CAPTURE(dim);
    const auto data = sample::Clustered(300, dim, 5, 6);
    Frame frame(Metric::kEuclid, dim, 3);
    std::vector<const float*> rows;
    for (std::uint32_t r = 0; r < data.rows; ++r) rows.push_back(data.source().Row(r));
    frame.Train(rows);
    const std::size_t stride = SignBytes(frame.blocks);
    std::vector<std::uint8_t> signs(data.rows * stride);
    std::vector<std::vector<float>> rotated(data.rows);
    CodeQuery query;
    for (std::uint32_t r = 0; r < data.rows; ++r) {
      frame.RowQuery(rows[r], &rotated[r], &query);
      EncodeSigns(rotated[r], frame.blocks, query.norm2 / 2, &signs[r * stride]);
    }
    std::vector<float> q;
    std::size_t lost = 0, wanted = 0, left = 0;
    for (std::size_t i = 0; i < data.query_count(); ++i) {
      frame.UserQuery(data.query(i).data(), &q, &query);
      SignPlanes planes;
      planes.Make(query, frame.blocks, signs.data());
      std::vector<double> exact;
      for (const auto& row : rotated) {
        double s = 0;
        for (std::uint32_t d = 0; d < dim; ++d) s += double{row[d]} * (q[d] - row[d] / 2);
        exact.push_back(s);
      }
      auto sorted = exact;
      std::sort(sorted.begin(), sorted.end(), std::greater<>());
      const auto least = static_cast<float>(sorted[30]);
      std::vector<std::uint32_t> first;
      for (const os::CpuLevel level : os::AvailableCpuLevels()) {
        const auto before = os::SetCpuLevelForTest(level);
        auto ids = sample::Ids(0, data.rows);
        ids.resize(Scores().sift(planes.query(), ids.data(), ids.size() - i, least));
        os::SetCpuLevelForTest(before);
        if (first.empty()) first = ids;
        CHECK(ids == first);
      }
      const std::set<std::uint32_t> kept(first.begin(), first.end());
      for (std::uint32_t r = 0; r + i < data.rows; ++r) {
        if (exact[r] <= sorted[30]) continue;
        ++wanted;
        lost += kept.contains(r) ? 0 : 1;
      }
      left += kept.size();
    }
    CHECK(lost * 50 <= wanted);
    if (dim >= 130) CHECK(left < 6 * 200);
  }
}

TEST_CASE("picked and marked ids are those with their bits, on every level") {
  std::mt19937 rng(2);
  std::vector<std::uint64_t> bits(9);
  for (auto& w : bits) w = std::uint64_t{rng()} << 32 | rng();
  for (const os::CpuLevel level : os::AvailableCpuLevels()) {
    const auto before = os::SetCpuLevelForTest(level);
    for (const std::size_t n : {0, 1, 15, 16, 17, 100}) {
      std::vector<std::uint32_t> ids(n), out(n + 16), expected;
      for (auto& id : ids) id = static_cast<std::uint32_t>(rng() % 700);
      for (const std::uint32_t id : ids) {
        if (id < 576 && (bits[id / 64] >> (id % 64) & 1) != 0) expected.push_back(id);
      }
      out.resize(Scores().pick(bits.data(), 576, ids.data(), n, out.data()));
      CHECK(out == expected);
      // The same of a part of the ids, by a bit a place.
      const auto begin = static_cast<std::uint32_t>(n / 3), end = static_cast<std::uint32_t>(n);
      expected.clear();
      for (std::uint32_t at = begin; at < end; ++at) {
        if ((bits[at / 64] >> (at % 64) & 1) != 0) expected.push_back(ids[at]);
      }
      out.resize(n + 16);
      out.resize(Scores().marked(bits.data(), ids.data(), begin, end, out.data()));
      CHECK(out == expected);
    }
    os::SetCpuLevelForTest(before);
  }
}

}  // namespace
}  // namespace malmoi::ann
