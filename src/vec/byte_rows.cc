#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/vector.h"
#include "vec/byte_rows_internal.h"

namespace malmoi::vec {
namespace {

constexpr double kInfinite = std::numeric_limits<double>::infinity();
// Above it squares and their sums need not be finite, and nothing is promised.
constexpr double kLengthMax = 1e15;
// Stored cosine vectors have length 1, but for those whose squares are below the least float.
constexpr double kCosineLength = 1.5;
constexpr double kHalfStep = 0.501;         // And what (x - least) / step rounds.
constexpr double kLeastStep = 512 * 1e-30;  // Rows of a smaller one have all bytes 0.

}  // namespace

bool ByteRows::Fits(const Schema::Field& field) {
  const bool products = field.distance == Distance::kCosine || field.distance == Distance::kDot ||
                        field.distance == Distance::kEuclid;
  const bool wide = field.datatype == Datatype::kFloat32 || field.datatype == Datatype::kFloat16;
  return products && field.kind == FieldKind::kDense && wide &&
         os::ActiveCpuLevel() != os::CpuLevel::kScalar;
}

std::uint64_t ByteRows::RowBytes(const Schema::Field& field, os::CpuLevel level) {
  return kernels::ActivationStride(kernels::Precision::kInt8, level, field.dim) + 12;
}

ByteRows::ByteRows(const Schema::Field& field, os::CpuLevel level, std::uint32_t rows)
    : field_(field),
      level_(level),
      stride_(kernels::ActivationStride(kernels::Precision::kInt8, level, field.dim)),
      bytes_(rows * stride_),
      scales_(rows),
      halves_(rows),
      bounds_((rows + kRows - 1) / kRows) {}

void ByteRows::Set(std::uint32_t block, const char* stored, std::size_t count) {
  const std::size_t dim = field_.dim;
  const std::size_t first = std::size_t{block} * kRows;
  const float* floats = reinterpret_cast<const float*>(stored);
  std::vector<float> halves;
  if (field_.datatype == Datatype::kFloat16) {
    halves = LoadDense(field_, stored, count);
    floats = halves.data();
  }
  kernels::Narrow(kernels::Precision::kInt8, level_, floats, dim, count, dim,
                  {bytes_.data() + first * stride_, stride_, scales_.data() + first});
  double step = kLeastStep;
  for (std::size_t r = first; r < first + count && step != kInfinite; ++r) {
    const double scale = scales_[r].scale;
    step = scale < kLengthMax ? std::max(step, scale) : kInfinite;  // NaN too.
  }
  double squares = field_.distance == Distance::kCosine ? kCosineLength * kCosineLength : 0;
  for (std::size_t r = 0; r < count && field_.distance != Distance::kCosine; ++r) {
    const std::span<const float> row(floats + r * dim, dim);
    const float sum = kernels::Dot(row, row);
    squares = sum < kLengthMax * kLengthMax ? std::max<double>(squares, sum) : kInfinite;
    if (squares == kInfinite) break;
    halves_[first + r] = field_.distance == Distance::kEuclid ? sum / 2 : 0;
  }
  const auto n = static_cast<double>(dim);
  Bounds& bounds = bounds_[block];
  bounds.error = squares == kInfinite ? kInfinite : std::sqrt(n) * step * kHalfStep;
  bounds.length = std::sqrt(squares) * (1 + n * 0x1p-23);
}

ByteBlock ByteRows::block(std::uint32_t block) const {
  const std::size_t first = std::size_t{block} * kRows;
  ByteBlock out;
  // Products only read them.
  out.bytes = {const_cast<char*>(bytes_.data()) + first * stride_, stride_,
               const_cast<kernels::RowScale*>(scales_.data()) + first};
  out.halves = std::span(halves_).subspan(first);
  out.error = bounds_[block].error;
  out.length = bounds_[block].length;
  return out;
}

std::shared_ptr<const ByteRows> ByteSet::Get(std::uint32_t field) const {
  const std::lock_guard lock(mutex_);
  return field < rows_.size() ? rows_[field] : nullptr;
}

void ByteSet::Put(std::uint32_t field, std::shared_ptr<const ByteRows> rows) {
  const std::lock_guard lock(mutex_);
  if (rows_.size() <= field) rows_.resize(field + 1);
  rows_[field].swap(rows);
}

void ByteSet::Clear() {
  const std::lock_guard lock(mutex_);
  rows_.clear();
}

std::uint64_t ByteSet::memory_bytes() const {
  const std::lock_guard lock(mutex_);
  std::uint64_t sum = 0;
  for (const auto& rows : rows_) sum += rows == nullptr ? 0 : rows->memory_bytes();
  return sum;
}

}  // namespace malmoi::vec
