#pragma once

#include <span>
#include <string>
#include <vector>

#include "vec/schema_internal.h"

namespace malmoi::vec {

// One query vector against stored rows: the dot product for cosine and dot, minus the squared
// distance for Euclid, minus the sum of differences for Manhattan. The query is first brought into
// the stored form, as Qdrant does; for turbo datatypes it stays as it is (of length 1 for cosine).
// Immutable. Results do not depend on the processor.
class Similarity {
 public:
  Similarity(const Schema::Field& field, std::span<const float> query);
  // rows: out.size() stored rows, one after another, at any alignment.
  void Rows(const char* rows, std::span<float> out) const;
  // In the stored form.
  std::span<const float> query() const { return query_; }

 private:
  void Floats(const float* rows, std::span<float> out) const;
  void Bytes(const char* rows, std::span<float> out) const;
  // `count` rows as floats, where the query of Floats is: turbo's are rotated, but for Manhattan.
  void Widen(const char* rows, std::size_t count, std::span<float> floats) const;

  Distance distance_;
  Datatype datatype_;
  std::size_t dim_;
  std::size_t row_bytes_;
  std::string stored_;
  std::vector<float> query_;    // The stored form as floats.
  std::vector<float> rotated_;  // Turbo: where products and distances are taken.
  float query_length_ = 0;      // Of bytes, for cosine.
};

}  // namespace malmoi::vec
