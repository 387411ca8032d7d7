#pragma once

namespace malmoi::kernels {

// What the integers q of a quantized row stand for: scale * q + least.
struct RowScale {
  float scale = 0;
  float least = 0;
};

}  // namespace malmoi::kernels
