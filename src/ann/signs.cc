#include <algorithm>
#include <cmath>
#include <cstring>

#include "ann/code_internal.h"
#include "ann/scores_internal.h"

namespace malmoi::ann {
namespace {

// A row is left out where its estimate is so many standard errors below what is needed: one of a
// thousand of the rows that are needed.
constexpr float kErrors = 3;
constexpr int kLargest = 7;  // Of the query's values; its planes' largest number is 127.

}  // namespace

void EncodeSigns(const std::vector<float>& rotated, std::size_t blocks, float half_norm,
                 std::uint8_t* out) {
  const std::size_t n = rotated.size();
  std::memset(out, 0, SignBytes(blocks));
  double norm2 = 0, sum = 0;
  for (std::size_t i = 0; i < n; ++i) {
    norm2 += double{rotated[i]} * rotated[i];
    sum += std::fabs(rotated[i]);
    if (rotated[i] > 0) out[i / 8] = static_cast<std::uint8_t>(out[i / 8] | 1u << (i % 8));
  }
  float tail[3] = {0, 0, half_norm};
  if (sum > 0) {
    const double count = static_cast<double>(n);
    // Of the row's direction what its signs show, and what they do not.
    const double shown = sum * sum / (count * norm2);
    const double hidden = std::max(0.0, 1 - shown);
    tail[0] = static_cast<float>(norm2 / sum);
    tail[1] = static_cast<float>(std::sqrt(norm2 * hidden / (shown * std::max(count - 1, 1.0))));
  }
  std::memcpy(out + SignTail(blocks), tail, sizeof(tail));
}

void SignPlanes::Make(const CodeQuery& query, std::size_t blocks, const std::uint8_t* rows) {
  const std::size_t stride = SignBytes(blocks), n = blocks * 128;
  if (planes_.size() != 4 * stride) {
    planes_ = Buffer<std::uint8_t>(4 * stride);
    values_ = Buffer<std::int8_t>(stride * 8);
    std::fill_n(planes_.data(), planes_.size(), std::uint8_t{0});
    std::fill_n(values_.data(), values_.size(), std::int8_t{0});
  }
  constexpr int kHalf = 127 / 2;
  std::int32_t sum = 0, squares = 0;
  for (std::size_t i = 0; i < n; i += 8) {
    std::uint64_t bits = 0;  // Eight values of four bits, each in a byte.
    for (std::size_t j = 0; j < 8; ++j) {
      const int high = query.high[i + j];
      const int scaled = high * kLargest;
      const int value = (scaled + (scaled < 0 ? -kHalf : kHalf)) / 127;
      values_[i + j] = static_cast<std::int8_t>(value);
      sum += value;
      squares += high * high;
      bits |= std::uint64_t{static_cast<std::uint8_t>(value) & 15u} << (8 * j);
    }
    for (std::size_t p = 0; p < 4; ++p) {
      // Bit p of each byte, gathered in the top byte.
      const std::uint64_t one = bits >> p & 0x0101010101010101u;
      planes_[p * stride + i / 8] = static_cast<std::uint8_t>(one * 0x0102040810204080u >> 56);
    }
  }
  query_.rows = rows;
  query_.stride = stride;
  query_.tail = SignTail(blocks);
  query_.planes = planes_.data();
  query_.values = values_.data();
  query_.scale = query.scale * 128 * 127 / kLargest;
  query_.sum = static_cast<float>(sum);
  query_.margin = kErrors * query.scale * 128 * std::sqrt(static_cast<float>(squares));
  query_.half_weight = query.half_weight;
}

}  // namespace malmoi::ann
