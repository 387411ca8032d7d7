#include <cmath>
#include <cstring>

#include "base/bytes.h"
#include "kernels/vector.h"
#include "vec/similarity_internal.h"

namespace malmoi::vec {
namespace {

// Sixteen partial sums, added by halves: the order of kernels/vector-inl.h, for distances.
constexpr std::size_t kLanes = 16;

float AddLanes(float* lanes) {
  for (std::size_t half = kLanes / 2; half > 0; half /= 2) {
    for (std::size_t i = 0; i < half; ++i) lanes[i] += lanes[i + half];
  }
  return lanes[0];
}

template <class Term>
float SumLanes(const float* a, const float* b, std::size_t n, const Term& term) {
  float lanes[kLanes] = {};
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (std::size_t l = 0; l < kLanes; ++l) lanes[l] += term(a[i + l], b[i + l]);
  }
  for (std::size_t l = 0; i + l < n; ++l) lanes[l] += term(a[i + l], b[i + l]);
  return AddLanes(lanes);
}

float SquaredDistance(const float* a, const float* b, std::size_t n) {
  return SumLanes(a, b, n, [](float x, float y) { return (x - y) * (x - y); });
}

float SumOfDifferences(const float* a, const float* b, std::size_t n) {
  return SumLanes(a, b, n, [](float x, float y) { return std::abs(x - y); });
}

// Exact in 64 bits.
struct ByteSums {
  std::uint64_t dot = 0, squares = 0, squared = 0, absolute = 0;
};

ByteSums SumBytes(const std::uint8_t* a, const std::uint8_t* b, std::size_t n) {
  ByteSums out;
  constexpr std::size_t kBlock = 4096;  // Sums of a block fit 32 bits.
  for (std::size_t begin = 0; begin < n; begin += kBlock) {
    const std::size_t end = std::min(n, begin + kBlock);
    std::uint32_t dot = 0, squares = 0, squared = 0, absolute = 0;
    for (std::size_t i = begin; i < end; ++i) {
      const std::int32_t x = a[i], y = b[i];
      const std::int32_t d = x - y;
      dot += static_cast<std::uint32_t>(x * y);
      squares += static_cast<std::uint32_t>(x * x);
      squared += static_cast<std::uint32_t>(d * d);
      absolute += static_cast<std::uint32_t>(d < 0 ? -d : d);
    }
    out.dot += dot;
    out.squares += squares;
    out.squared += squared;
    out.absolute += absolute;
  }
  return out;
}

}  // namespace

Similarity::Similarity(const Schema::Field& field, std::span<const float> query)
    : distance_(field.distance),
      datatype_(field.datatype),
      dim_(field.dim),
      row_bytes_(field.row_bytes()),
      stored_(StoredDense(field, query)),
      query_(LoadDense(field, stored_.data(), 1)) {
  for (const float x : query_) query_length_ += x * x;
  query_length_ = std::sqrt(query_length_);
}

void Similarity::Floats(const float* rows, std::span<float> out) const {
  if (distance_ == Distance::kCosine || distance_ == Distance::kDot) {
    return kernels::DotRows(rows, dim_, query_, out);
  }
  for (std::size_t r = 0; r < out.size(); ++r) {
    const float* row = rows + r * dim_;
    out[r] = distance_ == Distance::kEuclid ? -SquaredDistance(row, query_.data(), dim_)
                                            : -SumOfDifferences(row, query_.data(), dim_);
  }
}

void Similarity::Bytes(const char* rows, std::span<float> out) const {
  const auto* query = reinterpret_cast<const std::uint8_t*>(stored_.data());
  for (std::size_t r = 0; r < out.size(); ++r) {
    const auto* row = reinterpret_cast<const std::uint8_t*>(rows + r * row_bytes_);
    const ByteSums sums = SumBytes(row, query, dim_);
    if (distance_ == Distance::kDot) {
      out[r] = static_cast<float>(sums.dot);
    } else if (distance_ == Distance::kEuclid) {
      out[r] = -static_cast<float>(sums.squared);
    } else if (distance_ == Distance::kManhattan) {
      out[r] = -static_cast<float>(sums.absolute);
    } else {
      const float length = std::sqrt(static_cast<float>(sums.squares)) * query_length_;
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
    for (std::size_t i = 0; i < n * dim_; ++i) {
      floats[i] = HalfToFloat(Load<std::uint16_t>(from + i * 2));
    }
    Floats(floats.data(), out.subspan(r, n));
  }
}

}  // namespace malmoi::vec
