#include <algorithm>
#include <cmath>
#include <limits>

#include "vec/scorer_internal.h"
#include "vec/similarity_internal.h"

namespace malmoi::vec {
namespace {

constexpr float kNoHit = std::numeric_limits<float>::quiet_NaN();

float Distanced(Distance distance, float key) {
  if (distance == Distance::kEuclid) return std::sqrt(std::abs(key));
  if (distance == Distance::kManhattan) return std::abs(key);
  return key;
}

class DenseScorer : public Scorer {
 public:
  DenseScorer(const Schema::Field& field, std::uint32_t number, std::span<const float> query)
      : field_(field), number_(number), similarity_(field, query) {}

  void Rows(const Part& part, std::span<const std::uint32_t> rows, float* keys) const override {
    // Neighbouring rows are scored in one call.
    for (std::size_t i = 0; i < rows.size();) {
      std::size_t n = 1;
      while (i + n < rows.size() && rows[i + n] == rows[i] + n) ++n;
      const char* data = part.Dense(number_, rows[i], rows[i] + static_cast<std::uint32_t>(n));
      if (data == nullptr) {  // Damaged: the search ends with that error.
        std::fill_n(keys + i, n, kNoHit);
      } else {
        similarity_.Rows(data, {keys + i, n});
      }
      i += n;
    }
  }
  float Score(float key) const override { return Distanced(field_.distance, key); }
  std::span<const float> query() const override { return similarity_.query(); }

 private:
  const Schema::Field& field_;
  std::uint32_t number_;
  Similarity similarity_;
};

class MultiScorer : public Scorer {
 public:
  MultiScorer(const Schema::Field& field, std::uint32_t number, const MultiVector& query)
      : field_(field), number_(number) {
    for (std::size_t at = 0; at < query.data.size(); at += field.dim) {
      rows_.emplace_back(field, std::span(query.data).subspan(at, field.dim));
    }
  }

  void Rows(const Part& part, std::span<const std::uint32_t> rows, float* keys) const override {
    std::vector<float> scores;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const MultiRef stored = part.Multi(number_, rows[i]);
      keys[i] = stored.rows == 0 ? kNoHit : 0;
      scores.resize(stored.rows);
      for (std::size_t q = 0; q < rows_.size() && stored.rows > 0; ++q) {
        rows_[q].Rows(stored.data, scores);
        keys[i] += *std::max_element(scores.begin(), scores.end());
      }
    }
  }
  float Score(float key) const override { return Distanced(field_.distance, key); }

 private:
  const Schema::Field& field_;
  std::uint32_t number_;
  std::vector<Similarity> rows_;
};

class SparseScorer : public Scorer {
 public:
  SparseScorer(std::uint32_t number, SparseVector query, bool examples)
      : number_(number), query_(std::move(query)), without_(examples ? 0 : kNoHit) {}

  void Rows(const Part& part, std::span<const std::uint32_t> rows, float* keys) const override {
    for (std::size_t i = 0; i < rows.size(); ++i) {
      keys[i] = SparseDot(query_, part.Sparse(number_, rows[i])).value_or(without_);
    }
  }

 private:
  std::uint32_t number_;
  SparseVector query_;
  float without_;
};

}  // namespace

Result<std::unique_ptr<Scorer>> MakeScorer(const Schema& schema, std::uint32_t number,
                                           const QueryVector& query, bool examples) {
  const Schema::Field& field = schema.fields[number];
  const auto* one = std::get_if<std::vector<float>>(&query);
  if (one != nullptr && field.kind == FieldKind::kDense) {
    MALMOI_TRY(CheckDense(field, static_cast<std::uint32_t>(one->size()), *one).With("query"));
    return std::unique_ptr<Scorer>(std::make_unique<DenseScorer>(field, number, *one));
  }
  NamedVectors checked;
  if (const auto* sparse = std::get_if<SparseVector>(&query)) {
    checked.sparse[field.name] = *sparse;
  } else if (const auto* multi = std::get_if<MultiVector>(&query)) {
    checked.multi[field.name] = *multi;
  } else {
    const auto size = static_cast<std::uint32_t>(one->size());
    if (field.kind == FieldKind::kMulti) {  // A single vector is a multivector of one row.
      checked.multi[field.name] = {size, *one};
    } else {
      checked.dense[field.name] = *one;
    }
  }
  MALMOI_TRY(CheckVectors(schema, checked).With("query"));
  std::unique_ptr<Scorer> out;
  if (!checked.sparse.empty()) {
    out = std::make_unique<SparseScorer>(number, std::get<SparseVector>(query), examples);
  } else {
    out = std::make_unique<MultiScorer>(field, number, checked.multi[field.name]);
  }
  return out;
}

void CombineScorer::Rows(const Part& part, std::span<const std::uint32_t> rows, float* keys) const {
  const std::size_t n = examples_.size();
  std::vector<float> all(rows.size() * n);
  std::vector<float> one(rows.size());
  for (std::size_t e = 0; e < n; ++e) {
    examples_[e]->Rows(part, rows, one.data());
    for (std::size_t i = 0; i < rows.size(); ++i) all[i * n + e] = one[i];
  }
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const std::span<const float> similarities(all.data() + i * n, n);
    const bool damaged = std::any_of(similarities.begin(), similarities.end(),
                                     [](float s) { return std::isnan(s); });
    keys[i] = damaged ? kNoHit : combine_(similarities);
  }
}

std::optional<float> SparseDot(const SparseVector& query, const SparseRef& row) {
  std::optional<float> sum;
  std::size_t at = 0;
  for (std::size_t q = 0; q < query.indices.size(); ++q) {
    const auto* it = std::lower_bound(row.indices + at, row.indices + row.size, query.indices[q]);
    at = static_cast<std::size_t>(it - row.indices);
    if (at == row.size) break;
    if (*it == query.indices[q]) sum = sum.value_or(0) + query.values[q] * row.values[at];
  }
  return sum;
}

}  // namespace malmoi::vec
