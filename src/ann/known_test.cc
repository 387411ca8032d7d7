// Goal: rows that bring links of another graph along are found as well as rows that bring none.
// Method: recall@10 on clustered vectors, shuffled and sorted, beside an index that knew nothing;
// bytes of saved files compared.
#include <doctest/doctest.h>

#include "ann/sample_internal.h"
#include "os/fault_vfs.h"
#include "os/thread_pool.h"

namespace malmoi::ann {
namespace {

const auto kAll = [](std::uint32_t) { return true; };

IndexOptions Options(const sample::Data& data, std::uint32_t capacity, Metric metric) {
  return {
      .metric = metric, .dim = data.dim, .capacity = capacity, .degree = 24, .build_window = 64};
}

// Rows of data from `first` on, as rows from 0 on.
class Behind : public Rows {
 public:
  Behind(const Rows& rows, std::uint32_t first) : rows_(rows), first_(first) {}
  const float* Row(std::uint32_t id) const override { return rows_.Row(first_ + id); }

 private:
  const Rows& rows_;
  std::uint32_t first_;
};

// The links of an index whose row 0 is row `first` here, and ids that are of no use.
class Links : public Neighbours {
 public:
  Links(const Index& index, std::uint32_t first) : index_(index), first_(first) {}
  void Of(std::uint32_t id, std::vector<std::uint32_t>* near) const override {
    near->insert(near->end(), {id, 1u << 30, ~0u});
    const std::size_t begin = near->size();
    index_.LinksOf(id - first_, near);
    for (std::size_t i = begin; i < near->size(); ++i) (*near)[i] += first_;
    const std::size_t end = near->size();
    for (std::size_t i = begin; i < end; ++i) near->push_back((*near)[i]);
  }

 private:
  const Index& index_;
  std::uint32_t first_;
};

std::unique_ptr<Index> Created(const IndexOptions& options) {
  auto index = Index::Create(options);
  REQUIRE(index.ok());
  return std::move(index).value();
}

// Half of the rows, and then the others with what `links` (null: nothing) knows of them.
std::unique_ptr<Index> Joined(const sample::Data& data, Metric metric, const Links* links,
                              os::ThreadPool* pool = nullptr) {
  auto index = Created(Options(data, data.rows, metric));
  const auto rows = data.source();
  REQUIRE(index->Insert(sample::Ids(0, data.rows / 2), rows, pool).ok());
  REQUIRE(index->Insert(sample::Ids(data.rows / 2, data.rows), rows, pool, links).ok());
  return index;
}

std::unique_ptr<Index> OfSecondHalf(const sample::Data& data, Metric metric) {
  const auto rows = data.source();
  const std::uint32_t half = data.rows / 2;
  auto index = Created(Options(data, half, metric));
  REQUIRE(index->Insert(sample::Ids(0, half), Behind(rows, half)).ok());
  return index;
}

TEST_CASE("rows with known neighbours are found as well as others") {
  for (const bool sorted : {false, true}) {
    CAPTURE(sorted);
    const auto data = sorted ? sample::Sorted(sample::Clustered(4000, 40, 40, 40))
                             : sample::Clustered(4000, 40, 40, 40);
    const auto rows = data.source();
    const SearchParams params{.window = 40, .rows = &rows};
    for (const Metric metric : {Metric::kCosine, Metric::kDot, Metric::kEuclid}) {
      CAPTURE(static_cast<int>(metric));
      const auto other = OfSecondHalf(data, metric);
      const Links links(*other, data.rows / 2);
      const auto plain = Joined(data, metric, nullptr);
      const auto known = Joined(data, metric, &links);
      const double before = sample::MeanRecall(*plain, data, params, kAll);
      CHECK(before > 0.9);
      CHECK(sample::MeanRecall(*known, data, params, kAll) > before - 0.01);
    }
  }
}

TEST_CASE("an index of rows with known neighbours does not depend on threads") {
  const auto data = sample::Clustered(3000, 40, 40, 10);
  const auto other = OfSecondHalf(data, Metric::kCosine);
  const Links links(*other, data.rows / 2);
  os::ThreadPool pool(3, "test");
  os::FaultVfs vfs(1);
  REQUIRE(vfs.MakeDirs("/d").ok());
  REQUIRE(Joined(data, Metric::kCosine, &links)->Save(vfs, "/d/one").ok());
  REQUIRE(Joined(data, Metric::kCosine, &links, &pool)->Save(vfs, "/d/three").ok());
  const auto one = os::ReadFile(vfs, "/d/one"), three = os::ReadFile(vfs, "/d/three");
  REQUIRE(one.ok());
  REQUIRE(three.ok());
  CHECK(one.value() == three.value());
}

TEST_CASE("a row that is not there has no links") {
  const auto data = sample::Clustered(100, 20, 4, 1);
  const auto index = Joined(data, Metric::kCosine, nullptr);
  std::vector<std::uint32_t> near;
  index->LinksOf(data.rows, &near);
  index->LinksOf(~0u, &near);
  CHECK(near.empty());
  index->LinksOf(7, &near);
  CHECK(!near.empty());
}

}  // namespace
}  // namespace malmoi::ann
