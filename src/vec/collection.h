#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/cancel.h"
#include "base/result.h"
#include "vec/filter.h"
#include "vec/point.h"

namespace malmoi::os {
class Vfs;
class ThreadPool;
}  // namespace malmoi::os

namespace malmoi::vec {

struct VectorQuery {
  std::string using_vector;  // The name of a dense or sparse vector of the collection.
  std::variant<std::vector<float>, SparseVector> vector = {};
  const Filter* filter = nullptr;  // Null: all points.
  std::size_t limit = 10;
  std::optional<float> score_threshold = {};  // Hits worse than it are left out.
  bool with_payload = true;
};

// Cosine and dot: larger is better. Euclid: the distance, smaller is better. Sparse: the sum of
// products; points that share no index with the query are no hits.
struct Hit {
  PointId id;
  float score = 0;
  std::string payload;  // JSON object text; empty unless asked for.
};

struct QueryOutcome {
  std::vector<Hit> hits;     // Best first; ties by smaller id.
  bool exact = true;         // Every live point that the filter keeps was scored.
  std::uint64_t scored = 0;  // Points scored: work done, for the caller's metrics.
};

struct CollectionInfo {
  std::uint64_t points = 0;
  std::map<std::string, std::uint64_t> with_vector;  // Live points that have the named vector.
  std::uint64_t disk_bytes = 0;
  std::uint64_t memory_bytes = 0;
};

struct Page {
  std::vector<Point> points;  // By rising id.
  std::optional<PointId> next;
};

// A named set of points on disk. Every write returns after it is durable (write-ahead log,
// fdatasync; concurrent writers share one sync) and is one unit: after a crash either all points of
// the call are there or none. An I/O error while writing makes the collection read-only until it is
// reopened.
//
// Thread-safe: readers take an immutable snapshot and never wait for writers. Cost of Query: exact,
// O(points that the filter keeps); of a write: one log append and sync.
class Collection {
 public:
  virtual ~Collection() = default;

  virtual const std::string& name() const = 0;
  virtual CollectionConfig config() const = 0;

  // Inserts or replaces whole points. Errors: kInvalidArgument (unknown vector name, wrong
  // dimension, NaN, payload not an object), kOutOfRange (over the Limits of limits.h), kIo.
  virtual Status Upsert(std::span<const Point> points) = 0;
  // Sets the given vectors of existing points, keeping the others and the payload; ids that do not
  // exist are skipped.
  struct VectorUpdate {
    PointId id;
    NamedVectors vectors;
  };
  virtual Status UpdateVectors(std::span<const VectorUpdate> updates) = 0;
  virtual Status Delete(std::span<const PointId> ids) = 0;  // Missing ids are skipped.
  // Deletes what the filter keeps; returns how many.
  virtual Result<std::uint64_t> DeleteWhere(const Filter& filter) = 0;
  virtual Status SetMetadata(std::string_view json_object) = 0;

  virtual Result<QueryOutcome> Query(const VectorQuery& query,
                                     const Cancel* cancel = nullptr) const = 0;
  // All of one batch see the same snapshot.
  virtual Result<std::vector<QueryOutcome>> QueryBatch(std::span<const VectorQuery> queries,
                                                       const Cancel* cancel = nullptr) const = 0;
  // Points that exist, in the order asked for.
  virtual Result<std::vector<Point>> Retrieve(std::span<const PointId> ids,
                                              bool with_vectors) const = 0;
  // At most `limit` points that the filter (null: all) keeps, by rising id from `from` on.
  virtual Result<Page> Scroll(const std::optional<PointId>& from, std::size_t limit,
                              const Filter* filter, bool with_vectors) const = 0;
  virtual Result<std::uint64_t> Count(const Filter* filter) const = 0;
  // How many live points have each term of the named sparse vector: df of the formula in point.h.
  // Errors: kInvalidArgument for a name that is no sparse vector. Cost: a look-up a term.
  virtual Result<std::vector<std::uint64_t>> CountTerms(
      const std::string& sparse_vector, std::span<const std::uint32_t> terms) const = 0;
  virtual CollectionInfo Info() const = 0;

  // Writes a checkpoint and drops the log before it. Also done by itself when the log is long.
  virtual Status Checkpoint() = 0;
};

// The collections of one directory; the caller holds the directory's lock.
class Database {
 public:
  // Opens what is there: replays logs, drops unfinished writes. A damaged collection does not stop
  // the others: it is listed in damaged(), and Get gives its error.
  static Result<std::unique_ptr<Database>> Open(os::Vfs& vfs, const std::string& directory,
                                                std::size_t threads);
  virtual ~Database() = default;

  // Errors: kAlreadyExists; kInvalidArgument for a name that is not [A-Za-z0-9._-]{1,255} or a
  // configuration past limits.h.
  virtual Result<std::shared_ptr<Collection>> Create(const std::string& name,
                                                     const CollectionConfig& config) = 0;
  virtual Result<std::shared_ptr<Collection>> Get(const std::string& name) const = 0;  // kNotFound
  virtual Status Drop(const std::string& name) = 0;
  // Puts `from` in the place of `to` (dropped, if it exists) in one durable step: the end of a
  // rebuild in shadow.
  virtual Status Rename(const std::string& from, const std::string& to) = 0;
  virtual std::vector<std::string> List() const = 0;
  virtual std::vector<std::pair<std::string, std::string>> damaged() const = 0;  // Name, reason.
};

}  // namespace malmoi::vec
