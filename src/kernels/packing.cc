#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "kernels/packing_internal.h"
#include "os/cpu_info.h"

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

void PackColumn(const GemmTable& table, const float* w, std::size_t stride, std::size_t k,
                std::size_t c, Panels* out) {
  std::vector<float> column(k);
  for (std::size_t i = 0; i < k; ++i) column[i] = w[i * stride];
  const std::size_t unit_bytes = table.unit * table.weight_bytes;
  const float scale = table.weight_bytes == 1 ? ColumnScale(column) : 0;
  const float inverse = scale > 0 ? 1 / scale : 0;
  std::uint8_t* to = out->values.data() + c / kPanel * out->panel_bytes + c % kPanel * unit_bytes;
  std::int64_t sum = 0;
  for (std::size_t i = 0; i < k; ++i) {
    sum +=
        PutValue(table.weight_bytes, column[i], inverse,
                 to + i / table.unit * kPanel * unit_bytes + i % table.unit * table.weight_bytes);
  }
  if (table.weight_bytes == 1) {
    out->scales[c] = scale;
    out->sums[c] = scale * static_cast<float>(sum);
  }
}

// The same for pairs of bfloat16, whose matrices optimizers make anew for every product: rows are
// rounded by the level's own lanes and pairs moved as one.
void RoundRows(const float* x, std::size_t ldx, std::size_t rows, std::size_t n, std::size_t stride,
               void* out) {
  RawNarrow r{};
  r.x = const_cast<float*>(x);  // Written only where there is a gamma.
  r.ldx = ldx;
  r.rows = rows;
  r.n = n;
  r.form = kBf16Form;
  r.out = out;
  r.stride = stride;
  RowsOfLevel(static_cast<int>(os::ActiveCpuLevel())).narrow(r);
}

std::size_t RoundedStride(std::size_t n) {
  return (2 * n + 63) / 64 * 64;
}

void PackRowPairs(std::span<const float> w, std::size_t n, std::size_t k, Panels* out) {
  const std::size_t stride = RoundedStride(k), pairs = (k + 1) / 2;
  Buffer<std::uint32_t> rounded(kPanel * stride / 4);
  for (std::size_t c = 0; c < n; c += kPanel) {
    const std::size_t columns = std::min(kPanel, n - c);
    RoundRows(w.data() + c * k, k, columns, k, stride, rounded.data());
    auto* to = reinterpret_cast<std::uint32_t*>(out->values.data() + c / kPanel * out->panel_bytes);
    for (std::size_t s = 0; s < pairs; ++s) {
      for (std::size_t j = 0; j < columns; ++j) {
        to[s * kPanel + j] = rounded[j * stride / 4 + s];
      }
    }
  }
}

void PackColumnPairs(std::span<const float> w, std::size_t n, std::size_t k, Panels* out) {
  const std::size_t stride = RoundedStride(n), half = stride / 2;
  Buffer<std::uint16_t> rounded(2 * half);
  for (std::size_t i = 0; i < k; i += 2) {
    RoundRows(w.data() + i * n, n, std::min<std::size_t>(2, k - i), n, stride, rounded.data());
    if (i + 1 == k) std::fill_n(rounded.data() + half, half, std::uint16_t{0});
    for (std::size_t c = 0; c < n; c += kPanel) {
      auto* to = reinterpret_cast<std::uint32_t*>(
          out->values.data() + c / kPanel * out->panel_bytes + i / 2 * 4 * kPanel);
      const std::uint16_t *even = rounded.data() + c, *odd = even + half;
      for (std::size_t j = 0; j < kPanel; ++j) {
        to[j] = even[j] | static_cast<std::uint32_t>(odd[j]) << 16;
      }
    }
  }
}

}  // namespace

Panels Pack(const GemmTable& table, std::span<const float> w, std::size_t n, std::size_t k,
            bool columns) {
  const std::size_t padded = (n + 2 * kPanel - 1) / (2 * kPanel) * (2 * kPanel);
  const std::size_t multiple = table.step_multiple;
  Panels out;
  out.steps = ((k + table.unit - 1) / table.unit + multiple - 1) / multiple * multiple;
  out.panel_bytes = out.steps * kPanel * table.unit * table.weight_bytes;
  out.values = Buffer<std::uint8_t>(padded / kPanel * out.panel_bytes);
  if (table.weight_bytes == 1) {
    out.scales = Buffer<float>(padded);
    out.sums = Buffer<float>(padded);
  }
  if (table.weight_bytes == 2 && table.unit == 2) {
    if (columns) {
      PackColumnPairs(w, n, k, &out);
    } else {
      PackRowPairs(w, n, k, &out);
    }
    return out;
  }
  for (std::size_t c = 0; c < n; ++c) {
    PackColumn(table, w.data() + (columns ? c : c * k), columns ? n : 1, k, c, &out);
  }
  return out;
}

}  // namespace malmoi::kernels
