#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/check.h"
#include "kernels/packing_internal.h"

namespace malmoi::kernels {
namespace {

std::uint16_t RoundBf16(float x) {
  std::uint32_t u = 0;
  std::memcpy(&u, &x, sizeof(u));
  if (std::isnan(x)) return static_cast<std::uint16_t>(u >> 16 | 0x40);
  return static_cast<std::uint16_t>((u + 0x7fff + ((u >> 16) & 1)) >> 16);
}

// Symmetric: the column's greatest magnitude becomes 127.
float ColumnScale(std::span<const float> column) {
  float most = 0;
  for (const float x : column) most = std::max(most, std::fabs(x));
  return most / 127;
}

// A column [k] in the type of the weights, one value after the other; returns the sum of the
// integers, for bytes.
std::int64_t Convert(std::span<const float> column, std::size_t bytes, float inverse,
                     std::uint8_t* to) {
  if (bytes == 4) {
    std::memcpy(to, column.data(), column.size_bytes());
    return 0;
  }
  std::int64_t sum = 0;
  for (std::size_t i = 0; i < column.size(); ++i) {
    if (bytes == 2) {
      const std::uint16_t rounded = RoundBf16(column[i]);
      std::memcpy(to + 2 * i, &rounded, sizeof(rounded));
      continue;
    }
    const float q = std::nearbyint(column[i] * inverse);
    const auto integer = static_cast<std::int8_t>(q >= -127 && q <= 127 ? q : q > 127 ? 127 : -127);
    std::memcpy(to + i, &integer, sizeof(integer));
    sum += integer;
  }
  return sum;
}

// Units of a column to their places in its panel, which stays in a first-level cache meanwhile.
template <std::size_t kUnitBytes>
void Spread(const std::uint8_t* from, std::size_t units, std::uint8_t* to) {
  for (std::size_t i = 0; i < units; ++i) {
    std::memcpy(to + i * kPanel * kUnitBytes, from + i * kUnitBytes, kUnitBytes);
  }
}

}  // namespace

Panels Pack(const GemmTable& table, std::span<const float> w, std::size_t n, std::size_t k) {
  const std::size_t columns = (n + 2 * kPanel - 1) / (2 * kPanel) * (2 * kPanel);
  const std::size_t multiple = table.step_multiple;
  const std::size_t units = (k + table.unit - 1) / table.unit;
  const std::size_t unit_bytes = table.unit * table.weight_bytes;
  MALMOI_CHECK(unit_bytes == 2 || unit_bytes == 4);
  Panels out;
  out.steps = (units + multiple - 1) / multiple * multiple;
  out.panel_bytes = out.steps * kPanel * unit_bytes;
  out.values = Buffer<std::uint8_t>(columns / kPanel * out.panel_bytes);
  if (table.weight_bytes == 1) {
    out.scales = Buffer<float>(columns);
    out.sums = Buffer<float>(columns);
  }
  Buffer<std::uint8_t> column(units * unit_bytes);  // Zero past k.
  for (std::size_t c = 0; c < n; ++c) {
    const std::span<const float> from = w.subspan(c * k, k);
    const float scale = table.weight_bytes == 1 ? ColumnScale(from) : 0;
    const float inverse = scale > 0 ? 1 / scale : 0;
    const std::int64_t sum = Convert(from, table.weight_bytes, inverse, column.data());
    std::uint8_t* to = out.values.data() + c / kPanel * out.panel_bytes + c % kPanel * unit_bytes;
    unit_bytes == 4 ? Spread<4>(column.data(), units, to) : Spread<2>(column.data(), units, to);
    if (table.weight_bytes == 1) {
      out.scales[c] = scale;
      out.sums[c] = scale * static_cast<float>(sum);
    }
  }
  return out;
}

}  // namespace malmoi::kernels
