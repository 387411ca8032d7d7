#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/result.h"

namespace malmoi::optim {

// U V^T of a matrix [rows, cols] from its singular value decomposition, in double. The library over
// BLAS provides it when it registers; until then ProvidedPolar() is null.
using PolarFactor = Result<std::vector<double>> (*)(const std::vector<double>& matrix,
                                                    std::size_t rows, std::size_t cols);
PolarFactor ProvidedPolar();
void ProvidePolar(PolarFactor polar);  // Before any optimizer is made.

// Index in [0, n) that Python's random.choice takes first after random.seed(seed); n > 0.
class PythonChoice {
 public:
  explicit PythonChoice(std::uint64_t seed);
  std::size_t operator()(std::size_t n);

 private:
  std::uint32_t Next();
  std::uint32_t state_[624];
  int next_ = 624;
};

}  // namespace malmoi::optim
