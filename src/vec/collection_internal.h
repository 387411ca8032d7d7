#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "os/thread_pool.h"
#include "vec/background_internal.h"
#include "vec/collection.h"
#include "vec/reader_internal.h"
#include "vec/store_internal.h"

namespace malmoi::vec {

// A Store under the public interface: checks arguments, encodes, and reads snapshots.
class StoredCollection : public Collection {
 public:
  StoredCollection(std::string name, std::unique_ptr<Store> store,
                   std::shared_ptr<os::ThreadPool> pool, std::shared_ptr<Workers> workers);
  ~StoredCollection() override;

  // The database's side of Rename and Drop.
  void SetName(std::string name);
  void Close();

  const std::string& name() const override { return *name_.load(); }
  CollectionConfig config() const override;
  Result<WriteOutcome> Write(std::span<const Operation> operations,
                             const WriteOptions& options) override;
  Status Upsert(std::span<const Point> points, const WriteOptions& options) override;
  Result<WriteOutcome> Upsert(const PointColumns& columns, const WriteOptions& options) override;
  Status UpdateVectors(std::span<const VectorUpdate> updates) override;
  Status Delete(std::span<const PointId> ids) override;
  Result<std::uint64_t> DeleteWhere(const Filter& filter) override;
  Status SetMetadata(std::string_view json_object) override;
  std::shared_ptr<const Reader> View() const override;
  Status Checkpoint() override;
  Status Optimize();  // vec/optimize.h.
  Status Export(const std::string& directory) override;

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
  SnapshotReader Now() const;
  Status MakeRoom(const WriteRequest& request) const;

  std::atomic<const std::string*> name_;
  std::mutex names_mutex_;  // guards: names_
  // All names it ever had: name() gives references that stay valid.
  std::vector<std::unique_ptr<const std::string>> names_;
  std::shared_ptr<Store> store_;
  std::shared_ptr<os::ThreadPool> pool_;
  std::shared_ptr<Workers> workers_;
};

}  // namespace malmoi::vec
