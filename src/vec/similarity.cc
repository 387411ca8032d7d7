#include <algorithm>
#include <cmath>

#include "kernels/distance.h"
#include "kernels/vector.h"
#include "vec/similarity_internal.h"
#include "vec/turbo_internal.h"

namespace malmoi::vec {
namespace {

// How a query is stored: turbo codes are compared with floats.
Schema::Field AsCompared(const Schema::Field& field) {
  Schema::Field out = field;
  if (IsTurbo(field.datatype)) out.datatype = Datatype::kFloat32;
  return out;
}

}  // namespace

Similarity::Similarity(const Schema::Field& field, std::span<const float> query)
    : distance_(field.distance),
      datatype_(field.datatype),
      dim_(field.dim),
      row_bytes_(field.row_bytes()),
      stored_(StoredDense(AsCompared(field), query)),
      query_(LoadDense(AsCompared(field), stored_.data(), 1)) {
  if (IsTurbo(datatype_)) {
    rotated_ = query_;
    if (distance_ != Distance::kManhattan) RotateTurbo(rotated_);
  }
  if (datatype_ != Datatype::kUint8) return;
  for (const float x : query_) query_length_ += x * x;
  query_length_ = std::sqrt(query_length_);
}

void Similarity::Floats(const float* rows, std::span<float> out) const {
  const std::span<const float> query = rotated_.empty() ? query_ : rotated_;
  if (distance_ == Distance::kCosine || distance_ == Distance::kDot) {
    return kernels::DotRows(rows, dim_, query, out);
  }
  if (distance_ == Distance::kEuclid) {
    kernels::SquaredDistanceRows(rows, query, out);
  } else {
    kernels::AbsoluteDistanceRows(rows, query, out);
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

void Similarity::Widen(const char* rows, std::size_t count, std::span<float> floats) const {
  if (datatype_ == Datatype::kFloat16) {
    return kernels::HalfToFloat(rows, floats.first(count * dim_));
  }
  for (std::size_t r = 0; r < count; ++r) {
    const std::span<float> out = floats.subspan(r * dim_, dim_);
    if (distance_ == Distance::kManhattan) {
      LoadTurbo(datatype_, rows + r * row_bytes_, out);
    } else {
      LoadTurboRotated(datatype_, rows + r * row_bytes_, out);
    }
  }
}

void Similarity::Rows(const char* rows, std::span<float> out) const {
  if (datatype_ == Datatype::kUint8) return Bytes(rows, out);
  if (datatype_ == Datatype::kFloat32) {
    return Floats(reinterpret_cast<const float*>(rows), out);
  }
  // A few rows at a time as floats, which stay in the first-level cache.
  constexpr std::size_t kRows = 8;
  std::vector<float> floats(kRows * dim_);
  for (std::size_t r = 0; r < out.size(); r += kRows) {
    const std::size_t n = std::min(kRows, out.size() - r);
    Widen(rows + r * row_bytes_, n, floats);
    Floats(floats.data(), out.subspan(r, n));
  }
}

}  // namespace malmoi::vec
