// The check of a processor's tiles before they are used: shapes with tails against the emulation.
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include "base/buffer.h"
#include "kernels/gemm_internal.h"
#include "kernels/packing_internal.h"

namespace malmoi::kernels {

#if defined(__x86_64__)
namespace {

constexpr std::size_t kN = 50, kK = 100, kStride = 256;  // Rows of A: 100 values and zeros.

// Values that bfloat16 holds exactly; with `whole`, integers whose sums are exact in any order.
float Value(std::uint32_t* state, bool whole) {
  *state = *state * 1664525u + 1013904223u;
  const auto integer = static_cast<int>(*state >> 24) - 128;
  return whole ? static_cast<float>(integer / 16) : static_cast<float>(integer) / 97;
}

// C of m rows by a table. A's elements are `size` bytes.
std::vector<float> Run(const GemmTable& table, std::size_t m, bool whole) {
  std::uint32_t state = 7;
  std::vector<float> w(kN * kK);
  for (float& x : w) x = Value(&state, whole);
  const Panels panels = Pack(table, w, kN, kK);
  Buffer<std::uint8_t> a(m * kStride);
  for (std::size_t i = 0; i < m * kK; ++i) {
    const float x = Value(&state, whole);
    std::uint8_t* to = a.data() + i / kK * kStride;
    std::uint32_t bits = 0;
    std::memcpy(&bits, &x, sizeof(bits));
    if (table.form == kByteForm) to[i % kK] = static_cast<std::uint8_t>(bits >> 13);
    if (table.form == kBf16Form)
      std::memcpy(to + 2 * (i % kK), reinterpret_cast<char*>(&bits) + 2, 2);
  }
  const std::vector<RowScale> scales(m, RowScale{.scale = 1, .least = 0});
  std::vector<float> c(m * kN);
  RawGemm g{};
  g.a = reinterpret_cast<const char*>(a.data());
  g.lda = kStride;
  g.row_scales = scales.data();
  g.m = m;
  g.packed = reinterpret_cast<const char*>(panels.values.data());
  g.panel_bytes = panels.panel_bytes;
  g.steps = panels.steps;
  g.column_end = kN;
  g.column_scales = panels.scales.data();
  g.column_sums = panels.sums.data();
  g.c = reinterpret_cast<char*>(c.data());
  g.ldc = kN * sizeof(float);
  table.gemm(g);
  return c;
}

bool Same(const GemmTable& real, const GemmTable& emulated, std::size_t m, bool whole,
          float bound) {
  const auto got = Run(real, m, whole), want = Run(emulated, m, whole);
  for (std::size_t i = 0; i < got.size(); ++i) {
    if (!(std::fabs(got[i] - want[i]) <= bound)) return false;
  }
  return true;
}

}  // namespace

const char* CheckTiles() {
  for (const std::size_t m : {1u, 15u, 16u, 17u, 31u, 32u, 33u, 70u}) {
    if (!Same(kTilesInt8, kEmulatedTilesInt8, m, true, 0)) return "tiles of bytes differ";
    if (!Same(kTilesBf16, kEmulatedTilesBf16, m, true, 0)) return "tiles of bfloat16 differ";
    // Sums whose rounding depends on the order of addition, which the manual leaves to read.
    if (!Same(kTilesBf16, kEmulatedTilesBf16, m, false, 1e-3f)) return "tiles of bfloat16 round";
  }
  return "";
}
#else
const char* CheckTiles() {
  return "";
}
#endif

}  // namespace malmoi::kernels
