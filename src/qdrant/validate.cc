#include <algorithm>
#include <set>

#include "qdrant/query_requests.h"
#include "vec/filter.h"

// The rules that Qdrant's validators hold before a request runs, with its paths and texts.
namespace malmoi::qdrant {
namespace {

constexpr std::size_t kMultiVectorMax = 1024 * 1024;

void CheckSparse(const vec::SparseVector& vector, const std::string& path, Checks* checks) {
  if (vector.indices.size() != vector.values.size()) {
    checks->Add(path + ".values", "Validation error: must be the same length as indices [{}]");
  }
  const std::set<std::uint32_t> unique(vector.indices.begin(), vector.indices.end());
  if (unique.size() != vector.indices.size()) {
    checks->Add(path + ".indices", "Validation error: must be unique [{}]");
  }
}

void CheckMulti(const RawMultiVector& rows, const std::string& path, Checks* checks) {
  if (rows.empty()) {
    checks->Add(path + ".data", "multi vector must not be empty");
    return;
  }
  std::size_t total = 0;
  for (const DenseVector& row : rows) {
    total += row.size();
    if (row.empty()) {
      checks->Add(path + ".data", "all vectors must be non-empty");
      return;
    }
    if (row.size() != rows.front().size()) {
      checks->Add(path + ".data",
                  "all vectors must have the same dimension, found vector with dimension " +
                      std::to_string(row.size()));
      return;
    }
  }
  if (total >= kMultiVectorMax) {
    checks->Add(path + ".data", "Total size of all vectors (" + std::to_string(total) +
                                    ") must be less than " + std::to_string(kMultiVectorMax));
  }
}

void CheckModel(const std::string& model, const std::string& path, Checks* checks) {
  if (model.empty()) {
    checks->Add(path + ".model", "value \"\" invalid, must be at least 1 characters");
  }
}

void CheckFilter(const FilterPtr& filter, const std::string& path, Checks* checks) {
  if (filter != nullptr) Validate(*filter, path, checks);
}

std::string Child(const std::string& path, std::string_view name) {
  return path.empty() ? std::string(name) : path + "." + std::string(name);
}

void CheckMin(const std::optional<std::uint64_t>& value, double min, const std::string& path,
              Checks* checks) {
  if (value) checks->AtLeast(path, static_cast<double>(*value), min);
}

bool IsEmptyVector(const VectorData& data) {
  if (const auto* dense = std::get_if<DenseVector>(&data)) return dense->empty();
  if (const auto* sparse = std::get_if<vec::SparseVector>(&data)) return sparse->indices.empty();
  if (const auto* rows = std::get_if<RawMultiVector>(&data)) return rows->empty();
  return false;
}

void CheckInputs(const std::vector<VectorInput>& inputs, const std::string& path, Checks* checks) {
  for (const VectorInput& input : inputs) Validate(input, path, checks);
}

struct QueryChecker {
  const std::string& path;
  Checks* checks;

  void operator()(const NearestQuery& q) const {
    Validate(q.nearest, Child(path, "nearest"), checks);
    if (!q.mmr) return;
    if (q.mmr->diversity) {
      const float d = *q.mmr->diversity;
      if (!(d >= 0 && d <= 1)) {
        checks->Add(Child(path, "mmr.diversity"),
                    "value " + FloatText(d) + " invalid, must be from 0.0 to 1.0");
      }
    }
    if (q.mmr->candidates_limit && *q.mmr->candidates_limit > 16384) {
      checks->Add(Child(path, "mmr.candidates_limit"),
                  "value " + std::to_string(*q.mmr->candidates_limit) +
                      " invalid, must be 16384 or smaller");
    }
  }
  void operator()(const RecommendQuery& q) const {
    if (q.positive.empty() && q.negative.empty()) {
      checks->Add(Child(path, "recommend.positives, negatives"),
                  "Validation error: At least one positive or negative vector/id must be provided "
                  "[{}]");
    }
    CheckInputs(q.positive, Child(path, "recommend"), checks);
    CheckInputs(q.negative, Child(path, "recommend"), checks);
  }
  void operator()(const DiscoverQuery& q) const {
    Validate(q.target, Child(path, "discover.target"), checks);
    Pairs(q.context, "discover.context");
  }
  void operator()(const ContextQuery& q) const { Pairs(q.context, "context"); }
  void operator()(const RrfQuery& q) const {
    checks->AtLeast(Child(path, "rrf.k"), static_cast<double>(q.k), 1);
  }
  void operator()(const FeedbackQuery& q) const {
    Validate(q.target, Child(path, "relevance_feedback.target"), checks);
    if (q.feedback.empty()) {
      checks->Add(Child(path, "relevance_feedback.__all__"), "feedback elements must be non-empty");
    }
    for (const auto& item : q.feedback) {
      Validate(item.example, Child(path, "relevance_feedback.feedback.example"), checks);
    }
    if (q.b < 0) {
      checks->Add(Child(path, "relevance_feedback.strategy.naive.b"),
                  "value " + FloatText(q.b) + " invalid, must be 0.0 or larger");
    }
  }
  void operator()(const FormulaQuery& q) const {
    for (const auto& [name, value] : q.defaults) {
      if (!name.starts_with("$") && !vec::ParsePath(name).ok()) {
        checks->Add(Child(path, "formula.defaults"), "Invalid payload variable: " + name);
      } else if (name.starts_with("$") && !name.starts_with("$score")) {
        checks->Add(Child(path, "formula.defaults"), "Invalid reserved word: " + name);
      } else if (name.starts_with("$") && !value.is_number()) {
        checks->Add(Child(path, "formula.defaults"),
                    "Validation error: Score default must be a number [{}]");
      }
    }
  }
  void operator()(const OrderByQuery&) const {}
  void operator()(const DbsfQuery&) const {}
  void operator()(const SampleQuery&) const {}
  void operator()(const TextQuery& q) const {
    if (!(q.k >= 0)) {
      checks->Add(Child(path, "text.scoring.bm25.k"),
                  "value " + json::Value::Double(q.k).Dump() + " invalid, must be 0.0 or larger");
    }
    if (!(q.b >= 0 && q.b <= 1)) {
      checks->Add(Child(path, "text.scoring.bm25.b"),
                  "value " + json::Value::Double(q.b).Dump() + " invalid, must be from 0.0 to 1.0");
    }
  }

 private:
  static std::string FloatText(float value) { return json::Value::Double(value).Dump(); }
  void Pairs(const std::vector<ContextPair>& pairs, std::string_view name) const {
    for (const ContextPair& pair : pairs) {
      Validate(pair.positive, Child(path, name), checks);
      Validate(pair.negative, Child(path, name), checks);
    }
  }
};

}  // namespace

void Validate(const VectorData& vector, const std::string& path, Checks* checks) {
  if (const auto* dense = std::get_if<DenseVector>(&vector)) {
    if (dense->empty()) checks->Add(path, "dense vector must not be empty");
  } else if (const auto* sparse = std::get_if<vec::SparseVector>(&vector)) {
    CheckSparse(*sparse, path, checks);
  } else if (const auto* rows = std::get_if<RawMultiVector>(&vector)) {
    CheckMulti(*rows, path, checks);
  }
}

void Validate(const VectorInput& input, const std::string& path, Checks* checks) {
  if (const auto* sparse = std::get_if<vec::SparseVector>(&input)) {
    CheckSparse(*sparse, path, checks);
  } else if (const auto* rows = std::get_if<RawMultiVector>(&input)) {
    CheckMulti(*rows, path, checks);
  } else if (const auto* document = std::get_if<Document>(&input)) {
    CheckModel(document->model, path, checks);
  } else if (const auto* object = std::get_if<InferenceObject>(&input)) {
    CheckModel(object->model, path, checks);
  }
}

void Validate(const UpsertPoints& request, const std::string& path, Checks* checks) {
  for (std::size_t i = 0; i < request.points.size(); ++i) {
    for (const auto& [name, vector] : request.points[i].vectors) {
      const std::string at = Child(path, "points[" + std::to_string(i) + "].vector");
      Validate(vector, name.empty() ? at : at + "." + "?", checks);
    }
  }
  CheckFilter(request.update_filter, Child(path, "update_filter"), checks);
}

void Validate(const UpdateVectors& request, const std::string& path, Checks* checks) {
  if (request.points.empty()) {
    checks->Add(Child(path, "points"), "must specify points to update");
  }
  for (std::size_t i = 0; i < request.points.size(); ++i) {
    const auto& vectors = request.points[i].vectors;
    const std::string at = Child(path, "points[" + std::to_string(i) + "].vector");
    const bool empty = std::all_of(vectors.begin(), vectors.end(),
                                   [](const auto& v) { return IsEmptyVector(v.second); });
    if (empty) {
      checks->Add(at, "must specify vectors to update for point");
      continue;
    }
    for (const auto& [name, vector] : vectors) Validate(vector, at, checks);
  }
  CheckFilter(request.update_filter, Child(path, "update_filter"), checks);
}

void Validate(const DeleteVectors& request, const std::string& path, Checks* checks) {
  CheckFilter(request.filter, Child(path, "filter"), checks);
  if (request.vectors.empty()) {
    checks->Add(Child(path, "vector"), "must specify vector names to delete");
  }
}

void Validate(const SetPayload& request, const std::string& path, Checks* checks) {
  CheckFilter(request.filter, Child(path, "filter"), checks);
}
void Validate(const DeletePayload& request, const std::string& path, Checks* checks) {
  CheckFilter(request.filter, Child(path, "filter"), checks);
}
void Validate(const PointsSelector& request, const std::string& path, Checks* checks) {
  CheckFilter(request.filter, Child(path, "filter"), checks);
}

void Validate(const UpdateOperation& request, const std::string& path, Checks* checks) {
  std::visit(
      [&](const auto& operation) {
        using T = std::decay_t<decltype(operation)>;
        if constexpr (std::is_base_of_v<PointsSelector, T>) {
          Validate(static_cast<const PointsSelector&>(operation), path, checks);
        } else if constexpr (std::is_base_of_v<SetPayload, T>) {
          Validate(static_cast<const SetPayload&>(operation), path, checks);
        } else {
          Validate(operation, path, checks);
        }
      },
      request);
}

void Validate(const ScrollPoints& request, const std::string& path, Checks* checks) {
  CheckMin(request.limit, 1, Child(path, "limit"), checks);
  CheckFilter(request.filter, Child(path, "filter"), checks);
}
void Validate(const CountPoints& request, const std::string& path, Checks* checks) {
  CheckFilter(request.filter, Child(path, "filter"), checks);
}
void Validate(const FacetRequest& request, const std::string& path, Checks* checks) {
  CheckMin(request.limit, 1, Child(path, "limit"), checks);
  CheckFilter(request.filter, Child(path, "filter"), checks);
}

void Validate(const SearchParams& params, const std::string& path, Checks* checks) {
  CheckMin(params.hnsw_ef, 1, Child(path, "hnsw_ef"), checks);
  if (params.quantization_oversampling && *params.quantization_oversampling < 1) {
    checks->Add(Child(path, "quantization.oversampling"),
                "value " + json::Value::Double(*params.quantization_oversampling).Dump() +
                    " invalid, must be 1.0 or larger");
  }
  if (params.acorn_max_selectivity) {
    checks->Within(Child(path, "acorn.max_selectivity"), *params.acorn_max_selectivity, 0, 1);
  }
  CheckFilter(params.idf_corpus, Child(path, "idf.corpus"), checks);
}

void Validate(const Prefetch& request, const std::string& path, Checks* checks) {
  for (std::size_t i = 0; i < request.prefetch.size(); ++i) {
    Validate(request.prefetch[i], Child(path, "prefetch[" + std::to_string(i) + "]"), checks);
  }
  const std::string query_path = Child(path, "query");
  if (request.query) std::visit(QueryChecker{query_path, checks}, *request.query);
  CheckFilter(request.filter, Child(path, "filter"), checks);
  Validate(request.params, Child(path, "params"), checks);
  CheckMin(request.limit, 1, Child(path, "limit"), checks);
}

void Validate(const QueryGroups& request, const std::string& path, Checks* checks) {
  Validate(static_cast<const Prefetch&>(request.query), path, checks);
  CheckMin(request.group.group_size, 1, Child(path, "group_request.group_size"), checks);
  CheckMin(request.group.limit, 1, Child(path, "group_request.limit"), checks);
}

void Validate(const SearchMatrix& request, const std::string& path, Checks* checks) {
  CheckFilter(request.filter, Child(path, "filter"), checks);
  CheckMin(request.sample, 2, Child(path, "sample"), checks);
  CheckMin(request.limit, 1, Child(path, "limit"), checks);
}

}  // namespace malmoi::qdrant
