#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "qdrant/point_requests.h"

namespace malmoi::qdrant {

// A vector, the vector of a point, or something for a model.
using VectorInput = std::variant<DenseVector, vec::SparseVector, RawMultiVector, PointId, Document,
                                 InferenceObject>;

struct Mmr {
  std::optional<float> diversity;  // 0.5
  std::optional<std::uint64_t> candidates_limit;
};
struct NearestQuery {
  VectorInput nearest;
  std::optional<Mmr> mmr;
};
enum class RecommendStrategy : std::uint8_t { kAverageVector, kBestScore, kSumScores };
struct RecommendQuery {
  std::vector<VectorInput> positive;
  std::vector<VectorInput> negative;
  RecommendStrategy strategy = RecommendStrategy::kAverageVector;
};
struct ContextPair {
  VectorInput positive;
  VectorInput negative;
};
struct DiscoverQuery {
  VectorInput target;
  std::vector<ContextPair> context;
};
struct ContextQuery {
  std::vector<ContextPair> context;
};
struct OrderByQuery {
  OrderBy order_by;
};
struct DbsfQuery {};
struct RrfQuery {
  std::uint64_t k = 2;
  std::optional<std::vector<float>> weights;
};
struct SampleQuery {};
struct FeedbackQuery {
  VectorInput target;
  struct Item {
    VectorInput example;
    float score = 0;
  };
  std::vector<Item> feedback;
  float a = 0, b = 0, c = 0;  // Strategy "naive".
};
// Native BM25 of a payload text index (1.20).
struct TextQuery {
  std::string query;
  double k = 1.2, b = 0.75;
};

struct Expression;
using ExpressionPtr = std::shared_ptr<const Expression>;
struct Expression {
  enum class Kind : std::uint8_t {
    kConstant,
    kVariable,
    kCondition,
    kGeoDistance,
    kDatetime,
    kDatetimeKey,
    kMult,
    kSum,
    kNeg,
    kAbs,
    kDiv,
    kSqrt,
    kPow,
    kExp,
    kLog10,
    kLn,
    kLinDecay,
    kExpDecay,
    kGaussDecay,
    kMax,
    kMin,
    kAcosh
  };
  Kind kind = Kind::kConstant;
  double constant = 0;                   // kConstant; kDatetime: seconds since 1970.
  std::string name;                      // kVariable; the key of kGeoDistance and kDatetimeKey.
  FilterPtr condition;                   // kCondition: one condition in `must`.
  vec::GeoPoint origin;                  // kGeoDistance.
  std::vector<ExpressionPtr> arguments;  // In order: operands; left, right; base, exponent; x,
                                         // target.
  std::optional<float> by_zero_default, scale, midpoint;
};
struct FormulaQuery {
  ExpressionPtr formula;
  std::map<std::string, json::Value> defaults;
};

using Query =
    std::variant<NearestQuery, RecommendQuery, DiscoverQuery, ContextQuery, OrderByQuery, DbsfQuery,
                 RrfQuery, FormulaQuery, SampleQuery, FeedbackQuery, TextQuery>;

struct SearchParams {
  std::optional<std::uint64_t> hnsw_ef;
  bool exact = false;
  bool indexed_only = false;
  bool quantization_ignore = false;
  std::optional<bool> quantization_rescore;
  std::optional<double> quantization_oversampling;
  bool acorn_enable = false;
  std::optional<double> acorn_max_selectivity;
  FilterPtr idf_corpus;  // Document frequencies are counted over these points only.
};

struct LookupLocation {
  std::string collection;
  std::optional<std::string> vector;
};

struct Prefetch {
  std::vector<Prefetch> prefetch;
  std::optional<Query> query;
  std::string using_vector;
  FilterPtr filter;
  SearchParams params;
  std::optional<float> score_threshold;
  std::optional<std::uint64_t> limit;  // 10
  std::optional<LookupLocation> lookup_from;
};

struct QueryPoints : Prefetch {
  std::uint64_t offset = 0;
  vec::PayloadSelector with_payload = {.enabled = false};
  vec::VectorSelector with_vector = {};
  std::vector<ShardKey> shard_key = {};
};

struct WithLookup {
  std::string collection;
  vec::PayloadSelector with_payload = {.enabled = true};
  vec::VectorSelector with_vectors = {};
};
struct GroupBy {
  std::string key;
  std::optional<std::uint64_t> group_size;  // 3
  std::optional<std::uint64_t> limit;       // 10
  std::optional<WithLookup> with_lookup;
};
struct QueryGroups {
  QueryPoints query;
  GroupBy group;
};

struct SearchMatrix {
  FilterPtr filter;
  std::optional<std::uint64_t> sample;  // 10
  std::optional<std::uint64_t> limit;   // 3
  std::string using_vector;
  std::vector<ShardKey> shard_key = {};
};

struct ScoredPoint {
  PointId id;
  std::uint64_t version = 0;
  float score = 0;
  std::optional<std::string> payload;
  std::optional<vec::NamedVectors> vectors;
  std::optional<std::variant<std::int64_t, double>> order_value;
};
using GroupId = std::variant<std::string, std::int64_t, std::uint64_t>;
struct PointGroup {
  GroupId id;
  std::vector<ScoredPoint> hits;
  std::optional<Record> lookup;
};
struct MatrixPair {
  PointId a, b;
  float score = 0;
};

void Validate(const VectorInput& input, const std::string& path, Checks* checks);
void Validate(const Prefetch& request, const std::string& path, Checks* checks);
void Validate(const QueryGroups& request, const std::string& path, Checks* checks);
void Validate(const SearchMatrix& request, const std::string& path, Checks* checks);
void Validate(const SearchParams& params, const std::string& path, Checks* checks);

}  // namespace malmoi::qdrant
