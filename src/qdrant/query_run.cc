#include <algorithm>
#include <chrono>
#include <cmath>
#include <random>

#include "qdrant/query_run_internal.h"

namespace malmoi::qdrant {
namespace {

constexpr int kDepthMax = 64;
constexpr std::size_t kHitsMax = 1'000'000;  // vec::kLimits.query_limit_max

double Now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

std::vector<PointId> UnionIds(const std::vector<Ranked>& lists) {
  std::vector<PointId> ids;
  for (const Ranked& list : lists) {
    for (const ScoredId& hit : list) ids.push_back(hit.id);
  }
  std::ranges::sort(ids);
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  return ids;
}

void Truncate(Ranked* ranked, std::size_t limit) {
  if (ranked->size() > limit) ranked->resize(limit);
}

void DropBelow(Ranked* ranked, const std::optional<float>& threshold) {
  if (threshold) std::erase_if(*ranked, [&](const ScoredId& h) { return h.score < *threshold; });
}

Error Failed(const std::string& what) {
  return BadInput("Validation failed: " + what);
}

std::uint64_t RandomSeed() {
  static thread_local std::mt19937_64 generator{std::random_device{}()};
  return generator();
}

}  // namespace

FilterPtr MergeFilters(FilterPtr a, FilterPtr b) {
  if (a == nullptr || a->empty()) return b;
  if (b == nullptr || b->empty()) return a;
  auto both = std::make_shared<vec::Filter>();
  both->must.push_back({.test = std::move(a)});
  both->must.push_back({.test = std::move(b)});
  return both;
}

FilterPtr IdFilter(const std::vector<PointId>& ids) {
  auto filter = std::make_shared<vec::Filter>();
  filter->must.push_back({.test = vec::HasId{ids}});
  return filter;
}

QueryRun::QueryRun(const Service& service, OpenCollectionPtr collection, const Inference& inference,
                   double seconds)
    : service_(service),
      collection_(std::move(collection)),
      reader_(collection_->store->View()),
      config_(collection_->store->config()),
      inference_(inference),
      deadline_(seconds > 0 ? Now() + seconds : 0) {}

Status QueryRun::CheckTime() const {
  if (deadline_ > 0 && Now() > deadline_) return TimedOut("query", 0);
  return Ok();
}

// The rules of Qdrant that hold at every level of the tree.
Status QueryRun::CheckNode(const Prefetch& node) const {
  if (!node.prefetch.empty() && !node.query) {
    return BadRequest(
        "A query is needed to merge the prefetches. Can't have prefetches without defining a "
        "query.");
  }
  if (node.score_threshold) {
    if (!node.query) {
      return BadRequest(
          "A query is needed to use the score_threshold. Can't have score_threshold without "
          "defining a query.");
    }
    if (std::holds_alternative<OrderByQuery>(*node.query)) {
      return BadRequest("Can't use score_threshold with an order_by query.");
    }
  }
  const bool fuses = node.query && (std::holds_alternative<RrfQuery>(*node.query) ||
                                    std::holds_alternative<DbsfQuery>(*node.query));
  if (fuses && !node.using_vector.empty()) {
    return BadRequest("Fusion queries cannot be combined with the 'using' field.");
  }
  for (const Prefetch& child : node.prefetch) MALMOI_TRY(CheckNode(child));
  return Ok();
}

// Points of this collection whose vectors are examples anywhere in the tree: they are no results.
void QueryRun::CollectIds(const Prefetch& node, std::vector<PointId>* ids) const {
  const auto add = [&](const VectorInput& input) {
    if (const auto* id = std::get_if<PointId>(&input)) ids->push_back(*id);
  };
  const auto pairs = [&](const std::vector<ContextPair>& context) {
    for (const ContextPair& pair : context) {
      add(pair.positive);
      add(pair.negative);
    }
  };
  const bool elsewhere =
      node.lookup_from && service_.Find(node.lookup_from->collection).ok() &&
      service_.Find(node.lookup_from->collection).value()->name != collection_->name;
  if (node.query && !elsewhere) {
    if (const auto* q = std::get_if<NearestQuery>(&*node.query)) add(q->nearest);
    if (const auto* q = std::get_if<RecommendQuery>(&*node.query)) {
      for (const VectorInput& input : q->positive) add(input);
      for (const VectorInput& input : q->negative) add(input);
    }
    if (const auto* q = std::get_if<DiscoverQuery>(&*node.query)) {
      add(q->target);
      pairs(q->context);
    }
    if (const auto* q = std::get_if<ContextQuery>(&*node.query)) pairs(q->context);
    if (const auto* q = std::get_if<FeedbackQuery>(&*node.query)) {
      add(q->target);
      for (const auto& item : q->feedback) add(item.example);
    }
  }
  for (const Prefetch& child : node.prefetch) CollectIds(child, ids);
}

// The request's own filter, without the points that are its examples.
FilterPtr QueryRun::RootFilter(const QueryPoints& request, FilterPtr extra) const {
  std::vector<PointId> examples;
  CollectIds(request, &examples);
  FilterPtr filter = MergeFilters(request.filter, std::move(extra));
  if (examples.empty()) return filter;
  auto others = std::make_shared<vec::Filter>();
  others->must_not.push_back({.test = vec::HasId{examples}});
  return MergeFilters(std::move(others), std::move(filter));
}

Result<Ranked> QueryRun::RankRoot(const QueryPoints& request, std::size_t limit, FilterPtr extra) {
  MALMOI_TRY(CheckNode(request));
  const FilterPtr filter = RootFilter(request, std::move(extra));
  if (limit == 0) return Ranked{};
  return RunNode(request, filter, std::min(limit, kHitsMax), 0);
}

Status QueryRun::CheckNames(const QueryPoints& request) const {
  for (const auto& name : request.with_vector.names.value_or(std::vector<std::string>{})) {
    if (!HasVector(name)) return VectorNameMissing(name);
  }
  return Ok();
}

Result<std::vector<ScoredPoint>> QueryRun::Run(const QueryPoints& request) {
  MALMOI_TRY(CheckNames(request));
  const bool sample = request.query && std::holds_alternative<SampleQuery>(*request.query) &&
                      request.prefetch.empty();
  const std::size_t offset = sample ? 0 : std::min<std::size_t>(request.offset, kHitsMax);
  const std::size_t limit = std::min<std::size_t>(request.limit.value_or(10), kHitsMax);
  MALMOI_TRY(auto ranked, RankRoot(request, offset + limit, nullptr));
  if (offset >= ranked.size()) {
    ranked.clear();
  } else {
    ranked.erase(ranked.begin(), ranked.begin() + static_cast<std::ptrdiff_t>(offset));
  }
  return Fill(ranked, request.with_payload, request.with_vector);
}

Result<std::vector<ScoredPoint>> QueryRun::Fill(const Ranked& ranked,
                                                const vec::PayloadSelector& payload,
                                                const vec::VectorSelector& vectors) {
  std::vector<ScoredPoint> points;
  points.reserve(ranked.size());
  for (const ScoredId& hit : ranked) {
    ScoredPoint& point = points.emplace_back();
    point.id = hit.id;
    point.score = hit.score;
    point.order_value = hit.order_value;
  }
  std::vector<PointId> ids;
  for (const ScoredId& hit : ranked) ids.push_back(hit.id);
  auto stored = reader_->Retrieve(ids, {.payload = payload, .vectors = vectors});
  if (!stored.ok()) return FromStore(std::move(stored.error()));
  std::size_t i = 0;
  for (vec::Point& point : stored.value()) {
    while (i < points.size() && points[i].id != point.id) ++i;
    if (i == points.size()) break;
    points[i].version = point.version;
    if (payload.enabled) points[i].payload = std::move(point.payload);
    if (vectors.enabled) points[i].vectors = std::move(point.vectors);
  }
  return points;
}

Result<Ranked> QueryRun::RunNode(const Prefetch& node, const FilterPtr& filter, std::size_t limit,
                                 int depth) {
  MALMOI_TRY(CheckTime());
  if (depth > kDepthMax)
    return Failed("prefetches depth " + std::to_string(depth) + " exceeds max depth " +
                  std::to_string(kDepthMax));
  if (node.prefetch.empty()) return RunLeaf(node, filter, limit);
  std::vector<Ranked> lists;
  for (const Prefetch& child : node.prefetch) {
    MALMOI_TRY(auto list,
               RunNode(child, MergeFilters(filter, child.filter),
                       std::min<std::size_t>(child.limit.value_or(10), kHitsMax), depth + 1));
    lists.push_back(std::move(list));
  }
  return Rescore(node, lists, limit);
}

Result<Ranked> QueryRun::RunLeaf(const Prefetch& node, const FilterPtr& filter, std::size_t limit) {
  if (!node.query) return RunScroll(filter, limit);
  if (const auto* order = std::get_if<OrderByQuery>(&*node.query)) {
    return RunOrderBy(*order, filter, limit);
  }
  if (std::holds_alternative<SampleQuery>(*node.query)) return RunSample(filter, limit);
  if (std::holds_alternative<RrfQuery>(*node.query) ||
      std::holds_alternative<DbsfQuery>(*node.query)) {
    return Failed("cannot apply Fusion without prefetches");
  }
  if (std::holds_alternative<FormulaQuery>(*node.query)) {
    return Failed("cannot apply Formula without prefetches");
  }
  return RunVector(node, filter, limit);
}

Result<Ranked> QueryRun::Rescore(const Prefetch& node, const std::vector<Ranked>& lists,
                                 std::size_t limit) {
  Ranked ranked;
  if (const auto* rrf = std::get_if<RrfQuery>(&*node.query)) {
    MALMOI_TRY(ranked, FuseRrf(lists, *rrf));
    DropBelow(&ranked, node.score_threshold);
  } else if (std::holds_alternative<DbsfQuery>(*node.query)) {
    ranked = FuseDbsf(lists);
    DropBelow(&ranked, node.score_threshold);
  } else if (const auto* formula = std::get_if<FormulaQuery>(&*node.query)) {
    MALMOI_TRY(ranked, ScoreByFormula(*reader_, *formula, lists));
    DropBelow(&ranked, node.score_threshold);
  } else {
    const FilterPtr found = IdFilter(UnionIds(lists));
    if (const auto* order = std::get_if<OrderByQuery>(&*node.query)) {
      return RunOrderBy(*order, found, limit);
    }
    if (std::holds_alternative<SampleQuery>(*node.query)) return RunSample(found, limit);
    return RunVector(node, found, limit);
  }
  Truncate(&ranked, limit);
  return ranked;
}

Result<Ranked> QueryRun::RunScroll(const FilterPtr& filter, std::size_t limit) {
  auto page = reader_->Scroll(std::nullopt, limit, filter.get(),
                              vec::Selection{.payload = {.enabled = false}, .vectors = {}});
  if (!page.ok()) return FromStore(std::move(page.error()));
  Ranked ranked;
  for (const vec::Point& point : page.value().points)
    ranked.push_back({.id = point.id, .score = 1});
  return ranked;
}

Result<Ranked> QueryRun::RunOrderBy(const OrderByQuery& query, const FilterPtr& filter,
                                    std::size_t limit) {
  MALMOI_TRY(const auto order, ToStoredOrder(*reader_, query.order_by));
  auto points = reader_->ScrollBy(order, limit, filter.get(),
                                  vec::Selection{.payload = {.enabled = false}, .vectors = {}});
  if (!points.ok()) return FromStore(std::move(points.error()));
  Ranked ranked;
  for (const vec::OrderedPoint& point : points.value()) {
    ranked.push_back({.id = point.point.id, .score = 1, .order_value = point.value});
  }
  return ranked;
}

Result<Ranked> QueryRun::RunSample(const FilterPtr& filter, std::size_t limit) {
  auto ids = reader_->Sample(limit, filter.get(), RandomSeed());
  if (!ids.ok()) return FromStore(std::move(ids.error()));
  Ranked ranked;
  for (const PointId& id : ids.value()) ranked.push_back({.id = id, .score = 1});
  return ranked;
}

Result<Ranked> QueryRun::RunVector(const Prefetch& node, const FilterPtr& filter,
                                   std::size_t limit) {
  if (const auto* text = std::get_if<TextQuery>(&*node.query)) {
    return RunText(node, *text, filter, limit);
  }
  if (!HasVector(node.using_vector)) return VectorNameMissing(node.using_vector);
  const auto* context = std::get_if<ContextQuery>(&*node.query);
  if (context != nullptr && context->context.empty()) return RunNoPairs(node, filter, limit);
  MALMOI_TRY(auto plan, Plan(node));
  if (node.params.idf_corpus != nullptr) MALMOI_TRY(ApplyCorpus(node, &plan));
  if (plan.mmr) return RunMmr(node, plan, filter, limit);
  return Search(node, plan, filter, limit);
}

// A context of no pairs: no point is on a wrong side, and all have 0.
Result<Ranked> QueryRun::RunNoPairs(const Prefetch& node, const FilterPtr& filter,
                                    std::size_t limit) {
  auto with_vector = std::make_shared<vec::Filter>();
  with_vector->must.push_back({vec::HasVector{node.using_vector}});
  if (filter != nullptr) with_vector->must.push_back({filter});
  MALMOI_TRY(auto ranked, RunScroll(with_vector, limit));
  for (ScoredId& hit : ranked) hit.score = 0;
  DropBelow(&ranked, node.score_threshold);
  return ranked;
}

vec::VectorQuery QueryRun::ToStored(const Prefetch& node, const VectorPlan& plan,
                                    const FilterPtr& filter, std::size_t limit) {
  vec::VectorQuery query;
  query.using_vector = node.using_vector;
  query.vector = plan.vector;
  query.examples = plan.examples;
  query.combine = plan.combine;
  query.filter = filter.get();
  query.limit = limit;
  query.score_threshold = node.score_threshold;
  query.with_payload = false;
  query.params.exact = node.params.exact;
  query.params.indexed_only = node.params.indexed_only;
  if (node.params.hnsw_ef) query.params.ef = static_cast<std::uint32_t>(*node.params.hnsw_ef);
  query.params.quantization = {.ignore = node.params.quantization_ignore,
                               .rescore = node.params.quantization_rescore,
                               .oversampling = node.params.quantization_oversampling};
  return query;
}

Ranked QueryRun::ToRanked(const vec::QueryOutcome& outcome) {
  Ranked ranked;
  ranked.reserve(outcome.hits.size());
  for (const vec::Hit& hit : outcome.hits) ranked.push_back({.id = hit.id, .score = hit.score});
  return ranked;
}

Result<Ranked> QueryRun::Search(const Prefetch& node, const VectorPlan& plan,
                                const FilterPtr& filter, std::size_t limit) {
  auto outcome = reader_->Query(ToStored(node, plan, filter, limit));
  if (!outcome.ok()) return FromStore(std::move(outcome.error()));
  return ToRanked(outcome.value());
}

namespace {

vec::QueryVector VectorOf(const vec::NamedVectors& vectors, const std::string& name, bool* found) {
  *found = true;
  if (const auto dense = vectors.dense.find(name); dense != vectors.dense.end()) {
    return dense->second;
  }
  if (const auto sparse = vectors.sparse.find(name); sparse != vectors.sparse.end()) {
    return sparse->second;
  }
  if (const auto multi = vectors.multi.find(name); multi != vectors.multi.end()) {
    return multi->second;
  }
  *found = false;
  return DenseVector{};
}

}  // namespace

Result<Ranked> QueryRun::RunMmr(const Prefetch& node, const VectorPlan& plan,
                                const FilterPtr& filter, std::size_t limit) {
  const std::size_t candidates = plan.mmr->candidates_limit.value_or(limit);
  MALMOI_TRY(const auto ranked, Search(node, plan, filter, candidates));
  std::vector<PointId> ids;
  for (const ScoredId& hit : ranked) ids.push_back(hit.id);
  auto points = reader_->Retrieve(
      ids, {.payload = {.enabled = false},
            .vectors = {.enabled = true, .names = std::vector<std::string>{node.using_vector}}});
  if (!points.ok()) return FromStore(std::move(points.error()));
  std::vector<vec::QueryVector> vectors;
  std::vector<float> relevance;
  Ranked kept;
  for (std::size_t i = 0; i < points.value().size() && i < ranked.size(); ++i) {
    bool found = false;
    auto vector = VectorOf(points.value()[i].vectors, node.using_vector, &found);
    if (!found) continue;
    relevance.push_back(Similarity(config_, node.using_vector, plan.vector, vector));
    vectors.push_back(std::move(vector));
    kept.push_back(ranked[i]);
  }
  const float lambda = 1.0f - plan.mmr->diversity.value_or(0.5f);
  const auto similarity = [&](std::size_t a, std::size_t b) {
    return Similarity(config_, node.using_vector, vectors[a], vectors[b]);
  };
  Ranked result;
  for (const std::size_t i : SelectMmr(relevance, similarity, lambda, limit)) {
    result.push_back(kept[i]);
  }
  return result;
}

Result<vec::QueryVector> QueryRun::LookUp(const Prefetch& node, const PointId& id) {
  std::shared_ptr<const vec::Reader> reader = reader_;
  std::string name = node.using_vector;
  if (node.lookup_from) {
    auto other = service_.Find(node.lookup_from->collection);
    if (!other.ok()) return NotFound("Collection " + node.lookup_from->collection + " not found");
    if (other.value()->name != collection_->name) reader = other.value()->store->View();
    if (node.lookup_from->vector) name = *node.lookup_from->vector;
  }
  auto points = reader->Retrieve(
      {&id, 1},
      vec::Selection{.payload = {.enabled = false},
                     .vectors = {.enabled = true, .names = std::vector<std::string>{name}}});
  // Of what is asked for here the name alone can be wrong.
  if (!points.ok() && points.error().code() == Code::kInvalidArgument) {
    return VectorNameMissing(name);
  }
  if (!points.ok()) return FromStore(std::move(points.error()));
  if (points.value().empty()) return PointMissing(vec::ToString(id));
  bool found = false;
  auto vector = VectorOf(points.value().front().vectors, name, &found);
  if (!found) return NotFound("Vector with name \"" + name + "\" for point not found");
  return vector;
}

Result<vec::QueryVector> QueryRun::ResolveInput(const Prefetch& node, const VectorInput& input) {
  if (const auto* id = std::get_if<PointId>(&input)) {
    MALMOI_TRY(auto vector, LookUp(node, *id));
    // Another collection's vector must fit this one.
    if (const auto* dense = std::get_if<DenseVector>(&vector)) {
      return ConvertQueryVector(config_, node.using_vector, VectorData(*dense), inference_);
    }
    if (const auto* sparse = std::get_if<vec::SparseVector>(&vector)) {
      return ConvertQueryVector(config_, node.using_vector, VectorData(*sparse), inference_);
    }
    return vector;
  }
  VectorData data;
  std::visit(
      [&](const auto& alternative) {
        using T = std::decay_t<decltype(alternative)>;
        if constexpr (!std::is_same_v<T, PointId>) data = alternative;
      },
      input);
  return ConvertQueryVector(config_, node.using_vector, data, inference_);
}

Result<std::vector<vec::QueryVector>> QueryRun::ResolveInputs(
    const Prefetch& node, const std::vector<VectorInput>& inputs) {
  std::vector<vec::QueryVector> vectors;
  for (const VectorInput& input : inputs) {
    MALMOI_TRY(auto vector, ResolveInput(node, input));
    vectors.push_back(std::move(vector));
  }
  return vectors;
}

Result<QueryRun::VectorPlan> QueryRun::Plan(const Prefetch& node) {
  VectorPlan plan;
  std::vector<VectorInput> inputs;
  const auto add_pairs = [&](const std::vector<ContextPair>& pairs) {
    for (const ContextPair& pair : pairs) {
      inputs.push_back(pair.positive);
      inputs.push_back(pair.negative);
    }
  };
  if (const auto* q = std::get_if<NearestQuery>(&*node.query)) {
    MALMOI_TRY(plan.vector, ResolveInput(node, q->nearest));
    plan.mmr = q->mmr;
    return plan;
  }
  if (const auto* q = std::get_if<RecommendQuery>(&*node.query)) {
    MALMOI_TRY(auto positive, ResolveInputs(node, q->positive));
    MALMOI_TRY(auto negative, ResolveInputs(node, q->negative));
    if (q->strategy == RecommendStrategy::kAverageVector) {
      MALMOI_TRY(plan.vector, AverageForRecommend(positive, negative));
      return plan;
    }
    plan.combine = q->strategy == RecommendStrategy::kBestScore ? CombineBestScore(positive.size())
                                                                : CombineSumScores(positive.size());
    plan.examples = std::move(positive);
    for (auto& vector : negative) plan.examples.push_back(std::move(vector));
    return plan;
  }
  if (const auto* q = std::get_if<DiscoverQuery>(&*node.query)) {
    inputs.push_back(q->target);
    add_pairs(q->context);
    plan.combine = CombineDiscover();
  } else if (const auto* q2 = std::get_if<ContextQuery>(&*node.query)) {
    add_pairs(q2->context);
    plan.combine = CombineContext();
  } else if (const auto* q3 = std::get_if<FeedbackQuery>(&*node.query)) {
    inputs.push_back(q3->target);
    for (const auto& item : q3->feedback) inputs.push_back(item.example);
    plan.combine = CombineFeedback(*q3);
  }
  MALMOI_TRY(plan.examples, ResolveInputs(node, inputs));
  return plan;
}

Status QueryRun::ApplyCorpus(const Prefetch& node, VectorPlan* plan) {
  const auto params = config_.sparse.find(node.using_vector);
  auto* query = std::get_if<vec::SparseVector>(&plan->vector);
  if (params == config_.sparse.end() || !params->second.idf || query == nullptr) {
    return Failed(
        "search param `idf` requires a sparse vector with the `idf` modifier, which vector \"" +
        node.using_vector + "\" is not");
  }
  MALMOI_TRY(const auto all, reader_->CountTerms(node.using_vector, query->indices));
  const vec::CollectionInfo info = reader_->Info();
  const auto with = info.with_vector.find(node.using_vector);
  const double n = with == info.with_vector.end() ? 0 : static_cast<double>(with->second);
  std::vector<double> df(query->indices.size(), 0);
  double corpus = 0;
  const vec::Selection selection{
      .payload = {.enabled = false},
      .vectors = {.enabled = true, .names = std::vector<std::string>{node.using_vector}}};
  std::optional<PointId> from;
  do {
    MALMOI_TRY(const auto page,
               reader_->Scroll(from, 1000, node.params.idf_corpus.get(), selection));
    for (const vec::Point& point : page.points) {
      const auto vector = point.vectors.sparse.find(node.using_vector);
      if (vector == point.vectors.sparse.end()) continue;
      ++corpus;
      for (std::size_t i = 0; i < df.size(); ++i) {
        if (std::ranges::binary_search(vector->second.indices, query->indices[i])) ++df[i];
      }
    }
    from = page.next;
    MALMOI_TRY(CheckTime());
  } while (from);
  // The store multiplies by the collection's weight; what is given here turns it into the corpus'.
  const auto idf = [](double points, double frequency) {
    return std::log(1 + (points - frequency + 0.5) / (frequency + 0.5));
  };
  for (std::size_t i = 0; i < df.size(); ++i) {
    const double own = idf(n, static_cast<double>(all[i]));
    if (own > 0) query->values[i] *= static_cast<float>(idf(corpus, df[i]) / own);
  }
  return Ok();
}

}  // namespace malmoi::qdrant
