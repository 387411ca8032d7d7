#include "model/norm.h"

#include <cmath>
#include <span>

#include "kernels/vector.h"

namespace malmoi::model {

void Norm::Apply(const float* x, float* y, std::size_t rows) const {
  const std::size_t dim = gamma.size();
  if (kind == NormKind::kLayer) {
    kernels::LayerNorm(x, y, rows, dim, gamma.data(), beta.data(), eps);
    return;
  }
  for (std::size_t r = 0; r < rows; ++r, x += dim, y += dim) {
    const float squares = kernels::Dot({x, dim}, {x, dim});
    const float scale = 1.0f / std::sqrt(squares / static_cast<float>(dim) + eps);
    for (std::size_t i = 0; i < dim; ++i) y[i] = x[i] * scale * gamma[i];
  }
}

}  // namespace malmoi::model
