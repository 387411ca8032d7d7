#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/cancel.h"
#include "base/result.h"
#include "vec/filter.h"
#include "vec/payload_index.h"
#include "vec/point.h"

namespace malmoi::vec {

// Which members of a payload are read, by path; without lists all of them.
struct PayloadSelector {
  bool enabled = true;
  std::vector<std::string> include = {};  // Only these; not together with exclude.
  std::vector<std::string> exclude = {};
};
struct VectorSelector {
  bool enabled = false;
  std::optional<std::vector<std::string>> names = {};  // Unset: all.
};
struct Selection {
  PayloadSelector payload = {};
  VectorSelector vectors = {};
};

using QueryVector = std::variant<std::vector<float>, SparseVector, MultiVector>;

// How much work a search may save. The engine is exact where it has neither a graph nor codes to
// use: where a segment's, or the memory's, vectors are smaller than `indexing_threshold`.
struct SearchParams {
  bool exact = false;
  std::optional<std::uint32_t> ef = {};
  bool indexed_only = false;
  struct Quantization {
    bool ignore = false;
    std::optional<bool> rescore = {};
    std::optional<double> oversampling = {};
  };
  Quantization quantization = {};
};

// Similarities of one point to several examples become its score; larger is better.
using Combine = std::function<float(std::span<const float> similarities)>;

struct VectorQuery {
  std::string using_vector;  // The name of a vector of the collection.
  QueryVector vector = {};
  const Filter* filter = nullptr;  // Null: all points.
  std::size_t limit = 10;
  std::optional<float> score_threshold = {};  // Hits worse than it are left out.
  bool with_payload = true;
  SearchParams params = {};
  // With `combine`, `examples` take the place of `vector` and the score is combine(similarities),
  // best first by larger score. A similarity is the score for cosine and dot, minus the squared
  // distance for Euclid, minus the distance for Manhattan (Qdrant's inner form); for sparse
  // vectors 0 where no index is shared. Called from several threads at once.
  std::vector<QueryVector> examples = {};
  Combine combine = {};
};

// Cosine and dot: larger is better. Euclid and Manhattan: the distance, smaller is better. Sparse:
// the sum of products; points that share no index with the query are no hits. MaxSim: the sum of
// best similarities; for Euclid and Manhattan turned into a distance at the end, as Qdrant does.
struct Hit {
  PointId id;
  float score = 0;
  std::string payload;        // JSON object text; empty unless asked for.
  std::uint64_t version = 0;  // Of the operation that last changed the point (WriteOutcome).
};

struct QueryOutcome {
  std::vector<Hit> hits;     // Best first; ties by smaller id.
  bool exact = true;         // Every live point that the filter keeps was scored by its vector.
  std::uint64_t scored = 0;  // Points scored: work done, for the caller's metrics.
};

struct CollectionInfo {
  std::uint64_t points = 0;
  std::map<std::string, std::uint64_t> with_vector;  // Live points that have the named vector.
  std::uint64_t disk_bytes = 0;
  std::uint64_t memory_bytes = 0;
  std::uint64_t segments = 0;             // Files, and the part in memory where it has points.
  std::uint64_t indexed_vectors = 0;      // In graphs.
  std::uint64_t last_operation = 0;       // WriteOutcome::operation_id of the newest write.
  std::optional<std::string> error = {};  // Set: read-only since this happened.
};

struct Page {
  std::vector<Point> points;  // By rising id.
  std::optional<PointId> next;
};

// Points by the value of a payload field, which needs an integer, float or datetime index. A point
// with several values stands once for each. Ties by rising id.
struct OrderBy {
  std::string key;
  bool descending = false;
  // First value that is wanted, included; for datetimes microseconds since 1970.
  std::optional<std::variant<std::int64_t, double>> start_from = {};
};
struct OrderedPoint {
  Point point;
  std::variant<std::int64_t, double> value;  // Datetimes: microseconds since 1970.
};

using FacetValue = std::variant<std::string, std::int64_t, bool>;
struct FacetCount {
  FacetValue value;
  std::uint64_t count = 0;  // Points that have it, each once.
};

// Reads of a collection. Thread-safe; none waits for writers.
class Reader {
 public:
  virtual ~Reader() = default;

  // Errors: kInvalidArgument (no such vector, wrong dimension, form or number), kOutOfRange,
  // kCorruption, kCancelled. Cost: exact, O(points that the filter keeps).
  virtual Result<QueryOutcome> Query(const VectorQuery& query,
                                     const Cancel* cancel = nullptr) const = 0;
  // All of one batch see the same state.
  virtual Result<std::vector<QueryOutcome>> QueryBatch(std::span<const VectorQuery> queries,
                                                       const Cancel* cancel = nullptr) const = 0;
  // Points that exist, in the order asked for.
  virtual Result<std::vector<Point>> Retrieve(std::span<const PointId> ids,
                                              const Selection& selection) const = 0;
  // At most `limit` points that the filter (null: all) keeps, by rising id from `from` on.
  virtual Result<Page> Scroll(const std::optional<PointId>& from, std::size_t limit,
                              const Filter* filter, const Selection& selection) const = 0;
  // Errors: kInvalidArgument where the field has no index with an order.
  virtual Result<std::vector<OrderedPoint>> ScrollBy(const OrderBy& order, std::size_t limit,
                                                     const Filter* filter,
                                                     const Selection& selection) const = 0;
  virtual Result<std::uint64_t> Count(const Filter* filter) const = 0;
  // Exact counts of the field's values over the points that the filter keeps, most frequent first,
  // then by rising value. Errors: kInvalidArgument where the field has no keyword, integer, uuid
  // or bool index.
  virtual Result<std::vector<FacetCount>> Facet(const std::string& key, std::size_t limit,
                                                const Filter* filter) const = 0;
  // `limit` points of those that the filter keeps, drawn uniformly by `seed`, in random order.
  virtual Result<std::vector<PointId>> Sample(std::size_t limit, const Filter* filter,
                                              std::uint64_t seed) const = 0;
  // For each id whether the point exists and the filter keeps it: conditions of formulas.
  virtual Result<std::vector<bool>> Test(std::span<const PointId> ids,
                                         const Filter& filter) const = 0;
  // How many live points have each term of the named sparse vector: df of the formula in point.h.
  // Errors: kInvalidArgument for a name that is no sparse vector. Cost: a look-up a term.
  virtual Result<std::vector<std::uint64_t>> CountTerms(
      const std::string& sparse_vector, std::span<const std::uint32_t> terms) const = 0;
  virtual CollectionInfo Info() const = 0;
  virtual std::map<std::string, PayloadIndexInfo> PayloadIndexes() const = 0;

  // The forms that most callers want.
  Result<std::vector<Point>> Retrieve(std::span<const PointId> ids, bool with_vectors) const {
    return Retrieve(ids, Selection{.vectors = {.enabled = with_vectors}});
  }
  Result<Page> Scroll(const std::optional<PointId>& from, std::size_t limit, const Filter* filter,
                      bool with_vectors) const {
    return Scroll(from, limit, filter, Selection{.vectors = {.enabled = with_vectors}});
  }
};

}  // namespace malmoi::vec
