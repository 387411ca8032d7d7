#include <algorithm>
#include <cmath>

#include "kernels/distance.h"
#include "kernels/vector.h"
#include "vec/similarity_internal.h"

namespace malmoi::vec {

Similarity::Similarity(const Schema::Field& field, std::span<const float> query)
    : distance_(field.distance),
      datatype_(field.datatype),
      dim_(field.dim),
      row_bytes_(field.row_bytes()),
      stored_(StoredDense(field, query)),
      query_(LoadDense(field, stored_.data(), 1)) {
  if (datatype_ != Datatype::kUint8) return;
  for (const float x : query_) query_length_ += x * x;
  query_length_ = std::sqrt(query_length_);
}

void Similarity::Floats(const float* rows, std::span<float> out) const {
  if (distance_ == Distance::kCosine || distance_ == Distance::kDot) {
    return kernels::DotRows(rows, dim_, query_, out);
  }
  if (distance_ == Distance::kEuclid) {
    kernels::SquaredDistanceRows(rows, query_, out);
  } else {
    kernels::AbsoluteDistanceRows(rows, query_, out);
  }
  for (float& x : out) x = -x;
}

void Similarity::Bytes(const char* rows, std::span<float> out) const {
  const auto* query = reinterpret_cast<const std::uint8_t*>(stored_.data());
  for (std::size_t r = 0; r < out.size(); ++r) {
    const auto* row = reinterpret_cast<const std::uint8_t*>(rows + r * row_bytes_);
    const kernels::ByteSums sums = kernels::SumBytes(row, query, dim_);
    if (distance_ == Distance::kDot) {
      out[r] = static_cast<float>(sums.dot);
    } else if (distance_ == Distance::kEuclid) {
      out[r] = -static_cast<float>(sums.squared_distance);
    } else if (distance_ == Distance::kManhattan) {
      out[r] = -static_cast<float>(sums.absolute_distance);
    } else {
      const float length = std::sqrt(static_cast<float>(sums.row_squares)) * query_length_;
      out[r] = length == 0 ? 0 : static_cast<float>(sums.dot) / length;
    }
  }
}

void Similarity::Rows(const char* rows, std::span<float> out) const {
  if (datatype_ == Datatype::kUint8) return Bytes(rows, out);
  if (datatype_ == Datatype::kFloat32) {
    return Floats(reinterpret_cast<const float*>(rows), out);
  }
  // Halves: a few rows at a time as floats, which stay in the first-level cache.
  constexpr std::size_t kRows = 8;
  std::vector<float> floats(kRows * dim_);
  for (std::size_t r = 0; r < out.size(); r += kRows) {
    const std::size_t n = std::min(kRows, out.size() - r);
    const char* from = rows + r * row_bytes_;
    kernels::HalfToFloat(from, std::span(floats).first(n * dim_));
    Floats(floats.data(), out.subspan(r, n));
  }
}

}  // namespace malmoi::vec
