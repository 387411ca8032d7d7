#pragma once

#include <cstddef>
#include <cstdint>

#include "base/buffer.h"

namespace malmoi::model {

enum class NormKind : std::uint8_t { kNone, kLayer, kRms };

// LayerNorm: (x - mean) / sqrt(var + eps) * gamma + beta. RMSNorm: x / sqrt(mean(x^2) + eps) *
// gamma. Gemma's weight w is loaded as gamma = 1 + w.
struct Norm {
  NormKind kind = NormKind::kNone;
  float eps = 0;
  Buffer<float> gamma, beta;  // beta of a LayerNorm without bias is zero; RMSNorm has none.

  bool empty() const { return kind == NormKind::kNone; }
  // Rows of gamma.size() values, dense; y may be x. A row's bits depend on the row alone.
  void Apply(const float* x, float* y, std::size_t rows) const;
};

}  // namespace malmoi::model
