#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "qdrant/query_run_internal.h"

// Vectors made of examples, and comparisons between stored vectors.
namespace malmoi::qdrant {
namespace {

using Dense = std::vector<float>;

Error MixedKinds() {
  return BadInput("Can't average vectors with different types");
}

vec::SparseVector ToSparse(const std::map<std::uint32_t, float>& terms) {
  vec::SparseVector vector;
  for (const auto& [index, value] : terms) {
    vector.indices.push_back(index);
    vector.values.push_back(value);
  }
  return vector;
}

Result<vec::QueryVector> Average(const std::vector<vec::QueryVector>& vectors) {
  if (vectors.empty()) {
    return BadInput("Positive vectors should not be empty with `average` strategy");
  }
  for (const auto& vector : vectors) {
    if (vector.index() != vectors.front().index()) return MixedKinds();
  }
  const auto count = static_cast<float>(vectors.size());
  if (const auto* first = std::get_if<Dense>(&vectors.front())) {
    Dense sum(first->size(), 0.0f);
    for (const auto& vector : vectors) {
      const Dense& dense = std::get<Dense>(vector);
      for (std::size_t i = 0; i < std::min(sum.size(), dense.size()); ++i) sum[i] += dense[i];
    }
    for (float& x : sum) x /= count;
    return vec::QueryVector(std::move(sum));
  }
  if (std::holds_alternative<vec::SparseVector>(vectors.front())) {
    std::map<std::uint32_t, float> terms;
    for (const auto& vector : vectors) {
      const auto& sparse = std::get<vec::SparseVector>(vector);
      for (std::size_t i = 0; i < sparse.indices.size(); ++i) {
        terms[sparse.indices[i]] += sparse.values[i];
      }
    }
    for (auto& [index, value] : terms) value /= count;
    return vec::QueryVector(ToSparse(terms));
  }
  // Multivectors are put one after another.
  vec::MultiVector all = std::get<vec::MultiVector>(vectors.front());
  for (std::size_t i = 1; i < vectors.size(); ++i) {
    const auto& multi = std::get<vec::MultiVector>(vectors[i]);
    all.data.insert(all.data.end(), multi.data.begin(), multi.data.end());
  }
  return vec::QueryVector(std::move(all));
}

float DotOf(const float* a, const float* b, std::size_t n) {
  float sum = 0;
  for (std::size_t i = 0; i < n; ++i) sum += a[i] * b[i];
  return sum;
}

float Similarity(const vec::DenseParams& params, const float* a, const float* b) {
  const std::size_t n = params.dim;
  float sum = 0;
  switch (params.distance) {
    case vec::Distance::kCosine: {
      const float norm = std::sqrt(DotOf(a, a, n) * DotOf(b, b, n));
      return norm > 0 ? DotOf(a, b, n) / norm : 0;
    }
    case vec::Distance::kDot:
      return DotOf(a, b, n);
    case vec::Distance::kEuclid:
      for (std::size_t i = 0; i < n; ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
      return -sum;
    case vec::Distance::kManhattan:
      for (std::size_t i = 0; i < n; ++i) sum += std::fabs(a[i] - b[i]);
      return -sum;
  }
  return 0;
}

float SparseDot(const vec::SparseVector& a, const vec::SparseVector& b) {
  float sum = 0;
  std::size_t i = 0, j = 0;
  while (i < a.indices.size() && j < b.indices.size()) {
    if (a.indices[i] == b.indices[j]) {
      sum += a.values[i++] * b.values[j++];
    } else if (a.indices[i] < b.indices[j]) {
      ++i;
    } else {
      ++j;
    }
  }
  return sum;
}

}  // namespace

Result<vec::QueryVector> AverageForRecommend(const std::vector<vec::QueryVector>& positive,
                                             const std::vector<vec::QueryVector>& negative) {
  MALMOI_TRY(auto pos, Average(positive));
  if (negative.empty()) return pos;
  MALMOI_TRY(const auto neg, Average(negative));
  if (pos.index() != neg.index()) {
    return BadInput(
        "Positive and negative vectors should be of the same type, either all dense or all sparse "
        "or all multi");
  }
  if (auto* dense = std::get_if<Dense>(&pos)) {
    const Dense& other = std::get<Dense>(neg);
    for (std::size_t i = 0; i < std::min(dense->size(), other.size()); ++i) {
      (*dense)[i] = (*dense)[i] + (*dense)[i] - other[i];
    }
    return pos;
  }
  if (const auto* sparse = std::get_if<vec::SparseVector>(&pos)) {
    std::map<std::uint32_t, float> terms;
    for (std::size_t i = 0; i < sparse->indices.size(); ++i) {
      terms[sparse->indices[i]] += 2 * sparse->values[i];
    }
    const auto& other = std::get<vec::SparseVector>(neg);
    for (std::size_t i = 0; i < other.indices.size(); ++i) {
      terms[other.indices[i]] -= other.values[i];
    }
    return vec::QueryVector(ToSparse(terms));
  }
  auto& multi = std::get<vec::MultiVector>(pos);
  for (const float x : std::get<vec::MultiVector>(neg).data) multi.data.push_back(-x);
  return pos;
}

float Similarity(const vec::CollectionConfig& config, const std::string& name,
                 const vec::QueryVector& a, const vec::QueryVector& b) {
  if (const auto* sparse = std::get_if<vec::SparseVector>(&a)) {
    const auto* other = std::get_if<vec::SparseVector>(&b);
    return other == nullptr ? 0 : SparseDot(*sparse, *other);
  }
  const auto params = config.dense.find(name);
  if (params == config.dense.end()) return 0;
  if (const auto* dense = std::get_if<Dense>(&a)) {
    const auto* other = std::get_if<Dense>(&b);
    return other == nullptr ? 0 : Similarity(params->second, dense->data(), other->data());
  }
  const auto* rows = std::get_if<vec::MultiVector>(&a);
  const auto* others = std::get_if<vec::MultiVector>(&b);
  if (rows == nullptr || others == nullptr) return 0;
  float sum = 0;
  for (std::size_t i = 0; i < rows->rows(); ++i) {
    float best = -INFINITY;
    for (std::size_t j = 0; j < others->rows(); ++j) {
      best = std::max(best, Similarity(params->second, rows->data.data() + i * rows->dim,
                                       others->data.data() + j * others->dim));
    }
    sum += best;
  }
  return sum;
}

// Carbonell & Goldstein 1998: each step takes the candidate with the largest
// lambda * relevance - (1 - lambda) * similarity to the nearest one that is taken.
std::vector<std::size_t> SelectMmr(const std::vector<float>& relevance,
                                   const std::function<float(std::size_t, std::size_t)>& similarity,
                                   float lambda, std::size_t limit) {
  const std::size_t n = relevance.size();
  std::vector<std::size_t> selected;
  if (n == 0 || limit == 0) return selected;
  std::vector<float> nearest(n, -INFINITY);
  std::vector<bool> taken(n, false);
  const auto take = [&](std::size_t i) {
    selected.push_back(i);
    taken[i] = true;
    for (std::size_t j = 0; j < n; ++j) {
      if (!taken[j]) nearest[j] = std::max(nearest[j], similarity(j, i));
    }
  };
  take(static_cast<std::size_t>(std::ranges::max_element(relevance) - relevance.begin()));
  while (selected.size() < std::min(limit, n)) {
    std::size_t best = n;
    float best_score = -INFINITY;
    for (std::size_t i = 0; i < n; ++i) {
      if (taken[i]) continue;
      const float score = lambda * relevance[i] - (1.0f - lambda) * nearest[i];
      if (best == n || score > best_score) {
        best = i;
        best_score = score;
      }
    }
    take(best);
  }
  return selected;
}

}  // namespace malmoi::qdrant
