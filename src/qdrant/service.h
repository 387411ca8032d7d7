#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "qdrant/collection_requests.h"
#include "qdrant/issues.h"
#include "qdrant/point_requests.h"
#include "qdrant/query_requests.h"
#include "qdrant/quotas.h"
#include "vec/collection.h"
#include "vec/vectorizer.h"

namespace malmoi::qdrant {

struct ServiceOptions {
  os::Vfs* vfs = nullptr;
  std::string directory;  // Collections; made where it is missing.
  std::size_t threads = 2;
  vec::Vectorizer* vectorizer = nullptr;  // Null: only the built-in BM25 model is served.
  // Reads that take longer are looked at for filters without an index (Issues); Qdrant's number.
  double slow_seconds = 1.2;
  // What the process may hold beside mapped files (vec::Database::Open); 0: no limit.
  std::uint64_t memory_bytes = 0;
  // Set: the collections that are there are not opened, whatever is asked of them, so that one that
  // is too large to start with can be deleted; each request is answered with this reason.
  std::string recovery_reason = {};
};

// What BM25 over a payload field needs of all points, counted after the operation `state`.
struct TextStatistics {
  std::uint64_t state = 0;
  std::uint64_t documents = 0;  // Points with at least one token in the field.
  std::uint64_t tokens = 0;     // Of all of them.
};

// One collection as the interface sees it. `settings` is what vec keeps in
// CollectionConfig::settings (config_store.h).
struct OpenCollection {
  std::string name;
  std::shared_ptr<vec::Collection> store;
  json::Value settings;

  // Tokens of strict mode's rate limits: refilled continuously, at most a minute's worth.
  struct Bucket {
    std::mutex mutex;  // guards: tokens, last
    double tokens = -1;
    double last = 0;
  };
  mutable Bucket reads, writes;

  struct TextFields {
    std::mutex mutex;  // guards: fields
    std::map<std::string, TextStatistics> fields;
  };
  mutable TextFields text;
};
using OpenCollectionPtr = std::shared_ptr<const OpenCollection>;

struct CollectionDescription {
  OpenCollectionPtr collection;
  vec::CollectionConfig config;
  vec::CollectionInfo info;
  std::map<std::string, vec::PayloadIndexInfo> indexes;
};

struct SnapshotDescription {
  std::string name;
  std::string creation_time;  // "2024-01-31T10:00:00"
  std::uint64_t size = 0;
  std::string checksum;  // SHA-256 in hexadecimal.
};

struct MatrixResult {
  std::vector<PointId> ids;
  std::vector<std::vector<ScoredPoint>> nearest;  // One list an id.
};

// A single-node Qdrant over one vec::Database: collections, aliases, points, queries, snapshots.
// Collection names may be aliases wherever Qdrant resolves them. Requests are expected to have
// passed their Validate.
//
// Errors: errors.h. Thread-safe; reads do not wait for writes.
class Service {
 public:
  static Result<std::unique_ptr<Service>> Open(const ServiceOptions& options);
  ~Service();

  // Collections.
  Status CreateCollection(const std::string& name, const qdrant::CreateCollection& request);
  Status UpdateCollection(const std::string& name, const qdrant::UpdateCollection& request);
  // Whether there was one; an alias names none.
  Result<bool> DeleteCollection(const std::string& name);
  std::vector<std::string> ListCollections() const;
  bool CollectionExists(const std::string& name) const;
  Result<CollectionDescription> DescribeCollection(const std::string& name) const;
  // What is known without opening it (vec::Glance), for those who look at all collections.
  Result<vec::Glance> GlanceAtCollection(const std::string& name) const;
  Status UpdateAliases(const std::vector<AliasAction>& actions);
  // (alias, collection) pairs; of one collection where given, which must exist.
  Result<std::vector<std::pair<std::string, std::string>>> ListAliases(
      const std::optional<std::string>& collection) const;

  // Payload indexes and named vectors.
  Result<UpdateResult> CreateFieldIndex(const std::string& collection,
                                        const qdrant::CreateFieldIndex& request,
                                        const UpdateParams& params);
  Result<UpdateResult> DeleteFieldIndex(const std::string& collection, const std::string& field,
                                        const UpdateParams& params);
  Result<UpdateResult> CreateVectorName(const std::string& collection,
                                        const qdrant::CreateVectorName& request,
                                        const UpdateParams& params);
  Result<UpdateResult> DeleteVectorName(const std::string& collection, const std::string& name,
                                        const UpdateParams& params);

  // Points.
  // Update of ToUpsert(columns), with less work; nullopt where that is not enough (a strict mode, a
  // vector that is no dense one of this dimension): then nothing was done, and Update is to be
  // used.
  Result<std::optional<UpdateResult>> UpsertColumns(const std::string& collection,
                                                    const vec::PointColumns& columns,
                                                    const UpdateParams& params);
  Result<UpdateResult> Update(const std::string& collection, UpdateOperation operation,
                              const UpdateParams& params, InferenceUsage* usage);
  // One result an operation; operations before a failing one stay applied, as in Qdrant.
  Result<std::vector<UpdateResult>> UpdateBatch(const std::string& collection,
                                                const std::vector<UpdateOperation>& operations,
                                                const UpdateParams& params, InferenceUsage* usage);
  Result<std::vector<Record>> Get(const std::string& collection, const GetPoints& request,
                                  const ReadParams& params);
  Result<ScrollResult> Scroll(const std::string& collection, const ScrollPoints& request,
                              const ReadParams& params);
  Result<std::uint64_t> Count(const std::string& collection, const CountPoints& request,
                              const ReadParams& params);
  Result<std::vector<vec::FacetCount>> Facet(const std::string& collection,
                                             const FacetRequest& request, const ReadParams& params);

  // Queries.
  Result<std::vector<std::vector<ScoredPoint>>> QueryBatch(const std::string& collection,
                                                           const std::vector<QueryPoints>& requests,
                                                           const ReadParams& params,
                                                           InferenceUsage* usage);
  Result<std::vector<PointGroup>> QueryGroups(const std::string& collection,
                                              const qdrant::QueryGroups& request,
                                              const ReadParams& params, InferenceUsage* usage);
  Result<MatrixResult> Matrix(const std::string& collection, const SearchMatrix& request,
                              const ReadParams& params);

  // The collection of that name or alias. Errors: CollectionMissing.
  Result<OpenCollectionPtr> Find(const std::string& name) const;
  Issues& issues() { return issues_; }
  Quotas& quotas() { return quotas_; }
  // Kept over a restart.
  Status SetQuotas(const QuotaConfig& config);
  vec::Database& database() { return *database_; }
  const ServiceOptions& options() const { return options_; }
  // For snapshots: puts `directory`, which vec's Export wrote, in the place of the collection.
  Status Restore(const std::string& name, const std::string& directory);

 private:
  explicit Service(const ServiceOptions& options);
  std::string Resolve(const std::string& name) const;  // Follows an alias.
  Status SaveAliases(const std::map<std::string, std::string>& aliases);
  Status SaveState(const std::map<std::string, std::string>& aliases, const QuotaConfig& quotas);
  Status Remember(const std::string& name, std::shared_ptr<vec::Collection> store) const;
  void Hide(std::string name);
  Status RestoreFrom(const std::string& directory, const std::string& shadow,
                     const std::string& name);
  // For issues_, where a read that began at `start_ns` was slow.
  void NoteIfSlow(const OpenCollection& collection, std::int64_t start_ns,
                  const vec::Filter* filter);
  void NoteIfSlow(const OpenCollection& collection, std::int64_t start_ns, const Prefetch& query);
  Result<vec::WriteOutcome> WriteOne(const OpenCollection& collection, vec::Operation operation,
                                     const UpdateParams& params);
  // Takes the vectors of an upsert out of the operation.
  Result<vec::Operation> Prepare(const OpenCollection& collection, UpdateOperation* operation,
                                 InferenceUsage* usage);

  ServiceOptions options_;
  std::unique_ptr<vec::Database> database_;
  std::mutex change_mutex_;  // guards: creation, removal, configuration, aliases; held over I/O
  // Held while a collection is opened or dropped, so that none is opened twice or after its end;
  // inside change_mutex_.
  mutable std::mutex opening_mutex_;
  // guards: open_, aliases_, hidden_ (changed under opening_mutex_ too); inside the others
  mutable std::shared_mutex map_mutex_;
  mutable std::map<std::string, OpenCollectionPtr> open_;  // What has been used.
  std::string hidden_;  // A collection that is not whole yet; empty: none.
  std::map<std::string, std::string> aliases_;
  Issues issues_;
  Quotas quotas_;
};

// Turns texts into vectors for requests: the built-in BM25 model, or those of the Vectorizer.
class Inference {
 public:
  Inference(vec::Vectorizer* vectorizer, bool is_query, InferenceUsage* usage)
      : vectorizer_(vectorizer), is_query_(is_query), usage_(usage) {}
  // `sparse`: the target vector is sparse.
  Result<VectorData> Infer(const Document& document, bool sparse) const;

 private:
  vec::Vectorizer* vectorizer_;
  bool is_query_;
  InferenceUsage* usage_;
};

// Vectors of a request as the collection stores them. Errors: VectorNameMissing, WrongDimension,
// conversions between dense, sparse and multi.
Result<vec::NamedVectors> ConvertVectors(const vec::CollectionConfig& config, VectorMap vectors,
                                         const Inference& inference);
Result<vec::QueryVector> ConvertQueryVector(const vec::CollectionConfig& config,
                                            const std::string& name, const VectorData& data,
                                            const Inference& inference);

// Shard keys are for collections with custom sharding, which one node does not offer: any is one
// that is not there. Errors: Qdrant's, of a write and of a read.
Status WithoutShard(const std::vector<ShardKey>& keys, bool write);

// Strict mode (strict_mode.cc). All are no-ops unless it is enabled.
Status CheckStrictTimeout(const OpenCollection& collection, std::optional<std::uint64_t> seconds);
Status CheckStrictRead(const OpenCollection& collection, const vec::Filter* filter,
                       std::optional<std::uint64_t> limit);
Status CheckStrictQuery(const OpenCollection& collection, const Prefetch& query,
                        std::optional<std::uint64_t> limit);
Status CheckStrictGroup(const OpenCollection& collection, const std::string& key);
Status CheckStrictBatch(const OpenCollection& collection, std::size_t size);
bool IsStrict(const OpenCollection& collection);
Status CheckStrictUpdate(const OpenCollection& collection, const UpdateOperation& operation);
// max_resident_memory_percent, where strict mode sets it.
std::optional<double> StrictMemoryPercent(const OpenCollection& collection);
Status CheckStrictIndexCount(const OpenCollection& collection);
Status TakeReadTokens(const OpenCollection& collection, std::size_t count);
Status TakeWriteTokens(const OpenCollection& collection, std::size_t count);

}  // namespace malmoi::qdrant
