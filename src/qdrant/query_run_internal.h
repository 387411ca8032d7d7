#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "qdrant/service.h"

// Execution of one query tree over one state of a collection. Prefetches run first, depth first;
// each query then ranks or fuses what its prefetches found.
namespace malmoi::qdrant {

struct ScoredId {
  PointId id;
  float score = 0;
  std::optional<std::variant<std::int64_t, double>> order_value = {};
};
using Ranked = std::vector<ScoredId>;

FilterPtr MergeFilters(FilterPtr a, FilterPtr b);
FilterPtr IdFilter(const std::vector<PointId>& ids);

// Fusions of ranked lists; ties by rising id.
Result<Ranked> FuseRrf(const std::vector<Ranked>& lists, const RrfQuery& query);
Ranked FuseDbsf(const std::vector<Ranked>& lists);

// Similarities become a score (recommend, discover, context, feedback). `examples` come in the
// order in which the query's inputs are resolved.
vec::Combine CombineBestScore(std::size_t positives);
vec::Combine CombineSumScores(std::size_t positives);
vec::Combine CombineDiscover();  // Target, then positive and negative of each pair.
vec::Combine CombineContext();
vec::Combine CombineFeedback(const FeedbackQuery& query);  // Target, then the examples.

// 2 * mean(positive) - mean(negative), or mean(positive). Errors: BadInput for mixed kinds.
Result<vec::QueryVector> AverageForRecommend(const std::vector<vec::QueryVector>& positive,
                                             const std::vector<vec::QueryVector>& negative);

// Inner similarity of two vectors as MMR compares them: larger is closer.
float Similarity(const vec::CollectionConfig& config, const std::string& name,
                 const vec::QueryVector& a, const vec::QueryVector& b);
// `candidates` are best first, with their vectors. Returns indexes in the order of selection.
std::vector<std::size_t> SelectMmr(const std::vector<float>& relevance,
                                   const std::function<float(std::size_t, std::size_t)>& similarity,
                                   float lambda, std::size_t limit);

// Scores of `ids` by the formula; lists[i] are the results of prefetch i.
Result<Ranked> ScoreByFormula(const vec::Reader& reader, const FormulaQuery& query,
                              const std::vector<Ranked>& lists);

// Values under a path, an array at its end counting as its elements.
void ValuesAt(const json::Value& value, std::span<const vec::PathStep> path,
              std::vector<const json::Value*>* out);

Result<vec::OrderBy> ToStoredOrder(const vec::Reader& reader, const OrderBy& order);

class QueryRun {
 public:
  QueryRun(const Service& service, OpenCollectionPtr collection, const Inference& inference,
           double deadline);

  Result<std::vector<ScoredPoint>> Run(const QueryPoints& request);
  // Several, whose searches share passes over memory or threads where they can (query_batch.cc).
  Result<std::vector<std::vector<ScoredPoint>>> RunAll(const std::vector<QueryPoints>& requests);
  // The best `limit` of the query, without payload and vectors.
  Result<Ranked> RankRoot(const QueryPoints& request, std::size_t limit, FilterPtr extra);
  Result<std::vector<ScoredPoint>> Fill(const Ranked& ranked, const vec::PayloadSelector& payload,
                                        const vec::VectorSelector& vectors);
  const vec::Reader& reader() const { return *reader_; }
  const vec::CollectionConfig& config() const { return config_; }
  const std::string& collection_name() const { return collection_->name; }

 private:
  struct VectorPlan {
    vec::QueryVector vector;
    std::vector<vec::QueryVector> examples;
    vec::Combine combine;
    std::optional<Mmr> mmr;
  };
  bool HasVector(const std::string& name) const {
    return config_.dense.contains(name) || config_.sparse.contains(name);
  }
  Status CheckNames(const QueryPoints& request) const;
  Status CheckNode(const Prefetch& node) const;
  Status CheckTime() const;
  void CollectIds(const Prefetch& node, std::vector<PointId>* ids) const;
  FilterPtr RootFilter(const QueryPoints& request, FilterPtr extra) const;
  Result<std::vector<std::vector<ScoredPoint>>> RunTogether(
      const std::vector<QueryPoints>& requests);
  static vec::VectorQuery ToStored(const Prefetch& node, const VectorPlan& plan,
                                   const FilterPtr& filter, std::size_t limit);
  static Ranked ToRanked(const vec::QueryOutcome& outcome);
  Result<Ranked> RunNode(const Prefetch& node, const FilterPtr& filter, std::size_t limit,
                         int depth);
  Result<Ranked> RunLeaf(const Prefetch& node, const FilterPtr& filter, std::size_t limit);
  Result<Ranked> Rescore(const Prefetch& node, const std::vector<Ranked>& lists, std::size_t limit);
  Result<Ranked> RunVector(const Prefetch& node, const FilterPtr& filter, std::size_t limit);
  Result<Ranked> RunNoPairs(const Prefetch& node, const FilterPtr& filter, std::size_t limit);
  Result<Ranked> RunMmr(const Prefetch& node, const VectorPlan& plan, const FilterPtr& filter,
                        std::size_t limit);
  Result<Ranked> RunOrderBy(const OrderByQuery& query, const FilterPtr& filter, std::size_t limit);
  Result<Ranked> RunSample(const FilterPtr& filter, std::size_t limit);
  Result<Ranked> RunText(const Prefetch& node, const TextQuery& query, const FilterPtr& filter,
                         std::size_t limit);
  Result<TextStatistics> StatisticsOf(const std::string& key);
  Result<Ranked> RunScroll(const FilterPtr& filter, std::size_t limit);
  Result<Ranked> Search(const Prefetch& node, const VectorPlan& plan, const FilterPtr& filter,
                        std::size_t limit);
  Result<VectorPlan> Plan(const Prefetch& node);
  Result<vec::QueryVector> ResolveInput(const Prefetch& node, const VectorInput& input);
  Result<vec::QueryVector> LookUp(const Prefetch& node, const PointId& id);
  Result<std::vector<vec::QueryVector>> ResolveInputs(const Prefetch& node,
                                                      const std::vector<VectorInput>& inputs);
  // Weighs a sparse query by frequencies over a corpus instead of the collection.
  Status ApplyCorpus(const Prefetch& node, VectorPlan* plan);

  const Service& service_;
  OpenCollectionPtr collection_;
  std::shared_ptr<const vec::Reader> reader_;
  vec::CollectionConfig config_;
  const Inference& inference_;
  double deadline_;  // Seconds of a monotonic clock; 0: none.
};

}  // namespace malmoi::qdrant
