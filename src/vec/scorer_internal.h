#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "vec/part_internal.h"
#include "vec/schema_internal.h"

namespace malmoi::vec {

// How alike stored rows are to a query; larger is better. Immutable, for many threads.
class Scorer {
 public:
  virtual ~Scorer() = default;
  // keys[i] of rows[i], which rise and all have the field; NaN where a row is no hit.
  virtual void Rows(const Part& part, std::span<const std::uint32_t> rows, float* keys) const = 0;
  // The score that callers see of a key: a distance where the field's distance is one.
  virtual float Score(float key) const { return key; }
  // The query as it would be stored, as floats; empty where it is not one dense vector.
  virtual std::span<const float> query() const { return {}; }
};

// Errors: kInvalidArgument where the query is not of the field's form. `idf_weighted` sparse values
// are used as they are; `examples` makes sparse rows without a shared index 0 instead of no hit.
Result<std::unique_ptr<Scorer>> MakeScorer(const Schema& schema, std::uint32_t field,
                                           const QueryVector& query, bool examples);

// Scores of several examples made one by the caller's function.
class CombineScorer : public Scorer {
 public:
  CombineScorer(std::vector<std::unique_ptr<Scorer>> examples, const Combine& combine)
      : examples_(std::move(examples)), combine_(combine) {}
  void Rows(const Part& part, std::span<const std::uint32_t> rows, float* keys) const override;

 private:
  std::vector<std::unique_ptr<Scorer>> examples_;
  const Combine& combine_;
};

// Adds up products in rising order of term, as the scan over posting lists does: the same point
// has the same score on either path. Nothing where no term is shared.
std::optional<float> SparseDot(const SparseVector& query, const SparseRef& row);

}  // namespace malmoi::vec
