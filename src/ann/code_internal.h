#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "ann/index.h"
#include "ann/scores_internal.h"
#include "base/buffer.h"

namespace malmoi::ann {

// A random rotation of R^dim: `kRounds` times random signs and Walsh-Hadamard transforms of the
// first and of the last power of two of numbers. Exactly orthogonal but for rounding; a pure
// function of dim and seed, equal on every CPU. Cost: 0.7 us for 384 dimensions with AVX2.
class Rotation {
 public:
  Rotation(std::uint32_t dim, std::uint64_t seed);
  void Apply(float* x) const;  // In place, dim numbers.

 private:
  static constexpr int kRounds = 2;
  std::uint32_t dim_;
  std::uint32_t power_;       // The largest power of two that is not above dim.
  std::vector<float> signs_;  // kRounds * 2 * dim.
};

// A rotated vector in integers: value i is scale * (128 * high[i] + low[i]).
struct CodeQuery {
  Buffer<std::int8_t> high, low;  // Padded with zeros to blocks * 128.
  float scale = 0;
  std::int64_t sum_high = 0, sum = 0;
  // Similarity = estimate of the product - weight * half_norm of the row + extra product.
  float half_weight = 0;
  float extra = 0;     // kDot while inserting: the coordinate that brings all to one norm.
  float norm2 = 0;     // Of a vector that is inserted, with `extra`.
  float constant = 0;  // Added to a similarity to make it a score.
  float factor = 1;    // A similarity times it is a score (kEuclid: 2).
};

// What the codes of an index are relative to.
struct Frame {
  Frame(Metric by, std::uint32_t n, std::uint64_t seed)
      : metric(by), dim(n), blocks((n + 127) / 128), rotation(n, seed), mean(n) {}

  Metric metric;
  std::uint32_t dim;
  std::size_t blocks;
  Rotation rotation;
  std::vector<float> mean;  // Not rotated; of normalised rows for kCosine.
  float max_norm2 = 1;      // kDot: squared norm that `extra` fills rows up to.

  void Train(const std::vector<const float*>& rows);
  // A row as it is searched for its neighbours: less the mean, rotated; *rotated gets the numbers.
  void RowQuery(const float* row, std::vector<float>* rotated, CodeQuery* out) const;
  // A user's query.
  void UserQuery(const float* query, std::vector<float>* scratch, CodeQuery* out) const;
  // Exact score of a row for a query, both as the caller has them.
  float Exact(const float* query, float query_norm, const float* row) const;
};

// The numbers kept of one row.
struct CodeRow {
  float scale = 0;       // A 4-bit code c stands for scale * (c - kMiddleFour).
  float fine_scale = 0;  // An 8-bit code for fine_scale * (c - 128).
};
inline constexpr float kMiddleFour = 241.0f / 32;  // Centre of the sixteen 8-bit codes, / 16.

// first, second: blocks * 64 bytes, laid out as scores_internal.h says.
CodeRow Encode(const std::vector<float>& rotated, std::size_t blocks, std::uint8_t* first,
               std::uint8_t* second);
// A row of signs as SignQuery describes it: the first stage of a scan, of a sixth of the bytes.
// After Gao and Long 2024 (RaBitQ, arXiv:2405.12497), of which the estimate and its error are.
inline std::size_t SignTail(std::size_t blocks) {
  return blocks * 16;
}
inline std::size_t SignBytes(std::size_t blocks) {
  return (SignTail(blocks) + 4 * sizeof(float) + 63) / 64 * 64;
}
void EncodeSigns(const std::vector<float>& rotated, std::size_t blocks, float half_norm,
                 std::uint8_t* out);

// A query to compare with signs; holds what SignQuery points to.
class SignPlanes {
 public:
  // `rows`: of the index.
  void Make(const CodeQuery& query, std::size_t blocks, const std::uint8_t* rows);
  const SignQuery& query() const { return query_; }

 private:
  SignQuery query_;
  Buffer<std::uint8_t> planes_;
  Buffer<std::int8_t> values_;
};

// The plane of a stored row: value i is fine_scale * high[i].
void Decode(const std::uint8_t* first, const std::uint8_t* second, std::size_t blocks,
            CodeQuery* out);

}  // namespace malmoi::ann
