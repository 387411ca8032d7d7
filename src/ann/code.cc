#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "ann/code_internal.h"
#include "ann/scores_internal.h"
#include "base/hash.h"
#include "kernels/vector.h"

namespace malmoi::ann {
namespace {

// Rounds to the nearest integer, |x| < 2^22: an addition that drops the fraction.
inline std::int32_t Round(float x) {
  return std::bit_cast<std::int32_t>(x + 12582912.0f) - 0x4b400000;
}

float LargestMagnitude(const float* x, std::size_t n) {
  float largest = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const float a = std::fabs(x[i]);
    largest = a > largest ? a : largest;
  }
  return largest;
}

void Resize(Buffer<std::int8_t>* plane, std::size_t n) {
  if (plane->size() != n) *plane = Buffer<std::int8_t>(n);
}

// Splits x into planes with 14 bits and sign in all.
void Split(const float* x, std::size_t n, std::size_t blocks, CodeQuery* out) {
  Resize(&out->high, blocks * 128);
  Resize(&out->low, blocks * 128);
  std::int64_t sums[2];
  out->scale = Scores().split(x, n, out->high.data(), out->low.data(), sums);
  out->sum_high = sums[0];
  out->sum = sums[1];
}

}  // namespace

Rotation::Rotation(std::uint32_t dim, std::uint64_t seed)
    : dim_(dim), power_(std::bit_floor(dim)), signs_(std::size_t{kRounds} * 2 * dim) {
  for (std::size_t i = 0; i < signs_.size(); ++i) {
    const std::uint64_t h =
        Hash64({reinterpret_cast<const char*>(&i), sizeof(i)}, seed ^ 0x5045'4e44'554c'554dULL);
    signs_[i] = (h & 1) != 0 ? 1.0f : -1.0f;
  }
}

void Rotation::Apply(float* x) const {
  const float scale = 1.0f / std::sqrt(static_cast<float>(power_));
  Scores().rotate(x, dim_, power_, signs_.data(), kRounds * 2, scale);
}

void Frame::Train(const std::vector<const float*>& rows) {
  std::vector<double> sum(dim);
  for (const float* row : rows) {
    const float norm2 = kernels::Dot({row, dim}, {row, dim});
    if (metric == Metric::kDot) max_norm2 = std::max(max_norm2, norm2);
    const double scale =
        metric != Metric::kCosine ? 1.0 : (norm2 > 0 ? 1.0 / std::sqrt(double{norm2}) : 0.0);
    for (std::size_t i = 0; i < dim; ++i) sum[i] += scale * row[i];
  }
  if (rows.empty()) return;
  for (std::size_t i = 0; i < dim; ++i) {
    mean[i] = static_cast<float>(sum[i] / static_cast<double>(rows.size()));
  }
}

void Frame::RowQuery(const float* row, std::vector<float>* rotated, CodeQuery* out) const {
  rotated->assign(row, row + dim);
  const float norm2 = kernels::Dot({row, dim}, {row, dim});
  if (metric == Metric::kCosine) kernels::NormalizeL2({rotated->data(), dim});
  float* x = rotated->data();
  for (std::size_t i = 0; i < dim; ++i) x[i] -= mean[i];
  rotation.Apply(x);
  Split(x, dim, blocks, out);
  out->half_weight = 1;
  out->extra = metric == Metric::kDot ? std::sqrt(std::max(0.0f, max_norm2 - norm2)) : 0.0f;
  out->norm2 = kernels::Dot({x, dim}, {x, dim}) + out->extra * out->extra;
  out->constant = 0;
  out->factor = 1;
}

void Frame::UserQuery(const float* query, std::vector<float>* scratch, CodeQuery* out) const {
  scratch->assign(query, query + dim);
  float* x = scratch->data();
  if (metric == Metric::kCosine) kernels::NormalizeL2({x, dim});
  if (metric == Metric::kEuclid) {
    for (std::size_t i = 0; i < dim; ++i) x[i] -= mean[i];
    out->constant = -kernels::Dot({x, dim}, {x, dim});
  } else {
    out->constant = kernels::Dot({x, dim}, mean);
  }
  rotation.Apply(x);
  Split(x, dim, blocks, out);
  out->half_weight = metric == Metric::kEuclid ? 1.0f : 0.0f;
  out->factor = metric == Metric::kEuclid ? 2.0f : 1.0f;
  out->extra = 0;
  out->norm2 = 0;
}

float Frame::Exact(const float* query, float query_norm, const float* row) const {
  if (metric == Metric::kEuclid) {
    // In the order that DotRows sums: sixteen lanes would be faster, rows of a result are few.
    float sum = 0;
    for (std::size_t i = 0; i < dim; ++i) sum += (query[i] - row[i]) * (query[i] - row[i]);
    return -sum;
  }
  const float dot = kernels::Dot({query, dim}, {row, dim});
  if (metric == Metric::kDot) return dot;
  const float norms = query_norm * std::sqrt(kernels::Dot({row, dim}, {row, dim}));
  return norms > 0 ? dot / norms : 0.0f;
}

CodeRow Encode(const std::vector<float>& rotated, std::size_t blocks, std::uint8_t* first,
               std::uint8_t* second) {
  const std::size_t n = rotated.size();
  const float* x = rotated.data();
  std::memset(first, 0x88, blocks * 64);  // Padding stands for zero: code 128.
  std::memset(second, 0, blocks * 64);
  const float largest = LargestMagnitude(x, n);
  if (!(largest > 0)) return {};
  const float inverse = 127.5f / largest;
  double products_four = 0, products_eight = 0, norm2 = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const std::int32_t c = std::clamp(Round(x[i] * inverse) + 128, 0, 255);
    const auto high = static_cast<std::uint8_t>(c >> 4);
    const auto low = static_cast<std::uint8_t>(c & 15);
    const std::size_t at = i / 128 * 64 + i % 64;
    if (i % 128 < 64) {
      first[at] = static_cast<std::uint8_t>((first[at] & 0xf0) | high);
      second[at] = static_cast<std::uint8_t>((second[at] & 0xf0) | low);
    } else {
      first[at] = static_cast<std::uint8_t>((first[at] & 0x0f) | high << 4);
      second[at] = static_cast<std::uint8_t>((second[at] & 0x0f) | low << 4);
    }
    norm2 += double{x[i]} * x[i];
    products_four += double{x[i]} * (high - kMiddleFour);
    products_eight += double{x[i]} * (c - 128);
  }
  // Scaled so that the code's product with its own vector is exact, which makes the estimate of a
  // product with another vector unbiased (Gao and Long 2024, RaBitQ, arXiv:2405.12497).
  return {static_cast<float>(norm2 / products_four), static_cast<float>(norm2 / products_eight)};
}

void Decode(const std::uint8_t* first, const std::uint8_t* second, std::size_t blocks,
            CodeQuery* out) {
  Resize(&out->high, blocks * 128);
  out->sum_high = Scores().join(first, second, blocks, out->high.data());
}

}  // namespace malmoi::ann
