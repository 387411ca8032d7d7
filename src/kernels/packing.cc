#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <vector>

#include "base/check.h"
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

// Symmetric: the column's greatest magnitude becomes 127. Several maxima, since one would wait for
// itself.
float ColumnScale(std::span<const float> column) {
  float most[kPanel] = {};
  const std::size_t whole = column.size() / kPanel * kPanel;
  for (std::size_t i = 0; i < whole; i += kPanel) {
    for (std::size_t j = 0; j < kPanel; ++j) {
      const float x = std::fabs(column[i + j]);
      most[j] = x > most[j] ? x : most[j];
    }
  }
  for (std::size_t i = whole; i < column.size(); ++i) {
    most[0] = std::max(most[0], std::fabs(column[i]));
  }
  return *std::max_element(most, most + kPanel) / 127;
}

// round(x * inverse), ties to even, of -127..127, in the low bits of a float; NaN becomes -127.
std::uint32_t RoundedBits(float x, float inverse) {
  float q = x * inverse;
  q = q > 127 ? 127 : q;
  q = q >= -127 ? q : -127;
  return std::bit_cast<std::uint32_t>(q + 12582912.0f);  // 1.5 * 2^23
}

// A column [k] as integers; returns their sum.
std::int64_t ConvertBytes(std::span<const float> column, float inverse, std::uint8_t* to) {
  std::int64_t sum = 0;
  const auto put = [&](std::uint32_t bits, std::uint8_t* at) {
    *at = static_cast<std::uint8_t>(bits);
    sum += static_cast<std::int8_t>(bits);
  };
  const std::size_t whole = column.size() / kPanel * kPanel;
  for (std::size_t i = 0; i < whole; i += kPanel) {
    std::uint32_t bits[kPanel];
    for (std::size_t j = 0; j < kPanel; ++j) bits[j] = RoundedBits(column[i + j], inverse);
    for (std::size_t j = 0; j < kPanel; ++j) put(bits[j], to + i + j);
  }
  for (std::size_t i = whole; i < column.size(); ++i) put(RoundedBits(column[i], inverse), to + i);
  return sum;
}

// A column [k] in the type of the weights, one value after the other; returns the sum of the
// integers, for bytes.
std::int64_t Convert(std::span<const float> column, std::size_t bytes, float inverse,
                     std::uint8_t* to) {
  if (bytes == 1) return ConvertBytes(column, inverse, to);
  if (bytes == 4) {
    std::memcpy(to, column.data(), column.size_bytes());
    return 0;
  }
  for (std::size_t i = 0; i < column.size(); ++i) {
    const std::uint16_t rounded = RoundBf16(column[i]);
    std::memcpy(to + 2 * i, &rounded, sizeof(rounded));
  }
  return 0;
}

// Units of a column to their places in its panel, which stays in a first-level cache meanwhile.
template <std::size_t kUnitBytes>
void Spread(const std::uint8_t* from, std::size_t units, std::uint8_t* to) {
  for (std::size_t i = 0; i < units; ++i) {
    std::memcpy(to + i * kPanel * kUnitBytes, from + i * kUnitBytes, kUnitBytes);
  }
}

// Column c of the panels from w[0], w[stride], ...; `column` has room for the padded column and is
// zero past k.
void PackColumn(const GemmTable& table, const float* w, std::size_t stride, std::size_t k,
                std::size_t c, std::span<std::uint8_t> column, Panels* out) {
  std::vector<float> gathered;
  if (stride != 1) {
    gathered.resize(k);
    for (std::size_t i = 0; i < k; ++i) gathered[i] = w[i * stride];
  }
  const std::span<const float> from =
      stride == 1 ? std::span(w, k) : std::span<const float>(gathered);
  const std::size_t unit_bytes = table.unit * table.weight_bytes;
  const std::size_t units = column.size() / unit_bytes;
  const float scale = table.weight_bytes == 1 ? ColumnScale(from) : 0;
  const float inverse = scale > 0 ? 1 / scale : 0;
  const std::int64_t sum = Convert(from, table.weight_bytes, inverse, column.data());
  std::uint8_t* to = out->values.data() + c / kPanel * out->panel_bytes + c % kPanel * unit_bytes;
  unit_bytes == 4 ? Spread<4>(column.data(), units, to) : Spread<2>(column.data(), units, to);
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
  const std::size_t units = (k + table.unit - 1) / table.unit;
  const std::size_t unit_bytes = table.unit * table.weight_bytes;
  MALMOI_CHECK(unit_bytes == 2 || unit_bytes == 4);
  Panels out;
  out.steps = (units + multiple - 1) / multiple * multiple;
  out.panel_bytes = out.steps * kPanel * unit_bytes;
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
  Buffer<std::uint8_t> column(units * unit_bytes);
  for (std::size_t c = 0; c < n; ++c) {
    PackColumn(table, w.data() + (columns ? c : c * k), columns ? n : 1, k, c, column.span(), &out);
  }
  return out;
}

}  // namespace malmoi::kernels
