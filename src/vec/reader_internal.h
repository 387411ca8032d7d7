#pragma once

#include <memory>

#include "os/thread_pool.h"
#include "vec/read.h"
#include "vec/search_internal.h"
#include "vec/snapshot_internal.h"

namespace malmoi::vec {

// The reads of one snapshot.
class SnapshotReader : public Reader {
 public:
  SnapshotReader(std::shared_ptr<const Snapshot> snapshot, std::shared_ptr<os::ThreadPool> pool,
                 std::uint64_t disk_bytes, std::optional<std::string> error)
      : snapshot_(std::move(snapshot)),
        pool_(std::move(pool)),
        disk_bytes_(disk_bytes),
        error_(std::move(error)) {}

  Result<QueryOutcome> Query(const VectorQuery& query, const Cancel* cancel) const override;
  Result<std::vector<QueryOutcome>> QueryBatch(std::span<const VectorQuery> queries,
                                               const Cancel* cancel) const override;
  Result<std::vector<Point>> Retrieve(std::span<const PointId> ids,
                                      const Selection& selection) const override;
  Result<Page> Scroll(const std::optional<PointId>& from, std::size_t limit, const Filter* filter,
                      const Selection& selection) const override;
  Result<std::vector<OrderedPoint>> ScrollBy(const OrderBy& order, std::size_t limit,
                                             const Filter* filter,
                                             const Selection& selection) const override;
  Result<std::uint64_t> Count(const Filter* filter) const override;
  Result<std::vector<FacetCount>> Facet(const std::string& key, std::size_t limit,
                                        const Filter* filter) const override;
  Result<std::vector<PointId>> Sample(std::size_t limit, const Filter* filter,
                                      std::uint64_t seed) const override;
  Result<std::vector<bool>> Test(std::span<const PointId> ids, const Filter& filter) const override;
  Result<std::vector<std::uint64_t>> CountTerms(
      const std::string& sparse_vector, std::span<const std::uint32_t> terms) const override;
  CollectionInfo Info() const override;
  std::map<std::string, PayloadIndexInfo> PayloadIndexes() const override;

 private:
  Searcher MakeSearcher(const Cancel* cancel = nullptr) const {
    return Searcher(*snapshot_, *pool_, cancel);
  }
  Status CheckLimit(std::size_t limit) const;
  std::shared_ptr<const Column> ColumnOf(const PartRef& part, const ColumnSpec& spec) const;

  std::shared_ptr<const Snapshot> snapshot_;
  std::shared_ptr<os::ThreadPool> pool_;
  std::uint64_t disk_bytes_;
  std::optional<std::string> error_;
};

}  // namespace malmoi::vec
