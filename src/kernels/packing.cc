#include <algorithm>
#include <cmath>
#include <cstring>

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

// One value of a column: writes it at `to` and returns what it became, as an integer for bytes.
int PutValue(std::size_t bytes, float x, float inverse, std::uint8_t* to) {
  if (bytes == 4) {
    std::memcpy(to, &x, sizeof(x));
  } else if (bytes == 2) {
    const std::uint16_t rounded = RoundBf16(x);
    std::memcpy(to, &rounded, sizeof(rounded));
  } else {
    const float q = std::nearbyint(x * inverse);
    const auto integer = static_cast<std::int8_t>(q >= -127 && q <= 127 ? q : q > 127 ? 127 : -127);
    std::memcpy(to, &integer, sizeof(integer));
    return integer;
  }
  return 0;
}

}  // namespace

Panels Pack(const GemmTable& table, std::span<const float> w, std::size_t n, std::size_t k) {
  const std::size_t columns = (n + 2 * kPanel - 1) / (2 * kPanel) * (2 * kPanel);
  const std::size_t multiple = table.step_multiple;
  Panels out;
  out.steps = ((k + table.unit - 1) / table.unit + multiple - 1) / multiple * multiple;
  out.panel_bytes = out.steps * kPanel * table.unit * table.weight_bytes;
  out.values = Buffer<std::uint8_t>(columns / kPanel * out.panel_bytes);
  if (table.weight_bytes == 1) {
    out.scales = Buffer<float>(columns);
    out.sums = Buffer<float>(columns);
  }
  const std::size_t unit_bytes = table.unit * table.weight_bytes;
  for (std::size_t c = 0; c < n; ++c) {
    const std::span<const float> column = w.subspan(c * k, k);
    const float scale = table.weight_bytes == 1 ? ColumnScale(column) : 0;
    const float inverse = scale > 0 ? 1 / scale : 0;
    std::uint8_t* to = out.values.data() + c / kPanel * out.panel_bytes + c % kPanel * unit_bytes;
    std::int64_t sum = 0;
    for (std::size_t i = 0; i < k; ++i) {
      sum +=
          PutValue(table.weight_bytes, column[i], inverse,
                   to + i / table.unit * kPanel * unit_bytes + i % table.unit * table.weight_bytes);
    }
    if (table.weight_bytes == 1) {
      out.scales[c] = scale;
      out.sums[c] = scale * static_cast<float>(sum);
    }
  }
  return out;
}

}  // namespace malmoi::kernels
