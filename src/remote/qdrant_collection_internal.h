#pragma once

#include <mutex>
#include <optional>
#include <string>

#include "json/writer.h"
#include "remote/qdrant_client.h"
#include "vec/collection.h"

namespace malmoi::remote {

// vec::Collection over an alias of a Qdrant server; its limits are in qdrant_database.h.
class QdrantCollection : public vec::Collection {
 public:
  QdrantCollection(QdrantClient client, std::string name, vec::CollectionConfig config)
      : client_(std::move(client)),
        name_(std::move(name)),
        path_("/collections/" + Escaped(name_)),
        config_(std::move(config)) {}

  const std::string& name() const override { return name_; }
  vec::CollectionConfig config() const override;

  // qdrant_writes.cc
  Result<vec::WriteOutcome> Write(std::span<const vec::Operation> operations,
                                  const vec::WriteOptions& options) override;
  using vec::Collection::Upsert;
  Status Upsert(std::span<const vec::Point> points, const vec::WriteOptions& options) override;
  Status UpdateVectors(std::span<const VectorUpdate> updates) override;
  Status Delete(std::span<const vec::PointId> ids) override;
  Result<std::uint64_t> DeleteWhere(const vec::Filter& filter) override;
  Status SetMetadata(std::string_view json_object) override;
  Status Checkpoint() override { return Ok(); }  // The server's own business.
  Status Export(const std::string& directory) override;

  // qdrant_reads.cc
  std::shared_ptr<const vec::Reader> View() const override;
  Result<vec::QueryOutcome> Query(const vec::VectorQuery& query,
                                  const Cancel* cancel) const override;
  Result<std::vector<vec::QueryOutcome>> QueryBatch(std::span<const vec::VectorQuery> queries,
                                                    const Cancel* cancel) const override;
  Result<std::vector<vec::Point>> Retrieve(std::span<const vec::PointId> ids,
                                           const vec::Selection& selection) const override;
  Result<vec::Page> Scroll(const std::optional<vec::PointId>& from, std::size_t limit,
                           const vec::Filter* filter,
                           const vec::Selection& selection) const override;
  Result<std::vector<vec::OrderedPoint>> ScrollBy(const vec::OrderBy& order, std::size_t limit,
                                                  const vec::Filter* filter,
                                                  const vec::Selection& selection) const override;
  Result<std::uint64_t> Count(const vec::Filter* filter) const override;
  Result<std::vector<vec::FacetCount>> Facet(const std::string& key, std::size_t limit,
                                             const vec::Filter* filter) const override;
  Result<std::vector<vec::PointId>> Sample(std::size_t limit, const vec::Filter* filter,
                                           std::uint64_t seed) const override;
  Result<std::vector<bool>> Test(std::span<const vec::PointId> ids,
                                 const vec::Filter& filter) const override;
  Result<std::vector<std::uint64_t>> CountTerms(
      const std::string& sparse_vector, std::span<const std::uint32_t> terms) const override;
  vec::CollectionInfo Info() const override;
  std::map<std::string, vec::PayloadIndexInfo> PayloadIndexes() const override;

 private:
  Status Put(std::span<const vec::Point> points);
  Result<vec::CollectionInfo> AskInfo() const;
  void Changed();  // After a write: what Info remembers holds no longer.

  const QdrantClient client_;
  const std::string name_, path_;
  mutable std::mutex mutex_;  // guards: all below.
  vec::CollectionConfig config_;
  mutable vec::CollectionInfo info_;
  mutable std::int64_t info_ns_ = 0;  // When it was asked; 0: not yet, or written since.
};

// Points and their parts between vec and the interface's JSON.
void PrintId(const vec::PointId& id, json::Writer* w);
void PrintIds(std::span<const vec::PointId> ids, json::Writer* w);
void PrintVectors(const vec::NamedVectors& vectors, json::Writer* w);
Result<vec::PointId> ReadId(const json::Value* json);
// A record or scored point. A cut vector or an id that is none is kCorruption.
Result<vec::Point> ReadPoint(const json::Value& json, const vec::CollectionConfig& config);

}  // namespace malmoi::remote
