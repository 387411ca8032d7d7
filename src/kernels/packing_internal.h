#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/buffer.h"
#include "kernels/gemm_internal.h"

namespace malmoi::kernels {

// Weights as gemm_internal.h lays them out, columns padded to 32.
struct Panels {
  Buffer<std::uint8_t> values;
  std::size_t panel_bytes = 0, steps = 0;
  Buffer<float> scales, sums;  // A column's, for bytes.
};
// `w` is [n, k], or [k, n] where `columns`.
Panels Pack(const GemmTable& table, std::span<const float> w, std::size_t n, std::size_t k,
            bool columns = false);

}  // namespace malmoi::kernels
