#pragma once

#if !defined(MALMOI_OPTIM_LEVEL)
#include <cmath>
#include <cstdint>

#include "optim/fields.h"

namespace malmoi::optim {

// The warm-up of Liu et al. 2020 (arXiv:1908.03265), as several rules offer it.
struct Rectify {
  bool rectify = false;
  std::int64_t n_sma_threshold = 5;
  bool degenerated_to_sgd = true;

  void Bind(Fields& f) {
    f("rectify", rectify)("n_sma_threshold", n_sma_threshold);
    f("degenerated_to_sgd", degenerated_to_sgd);
  }
  // The step size, negative for "none yet", and the length of the approximated moving average.
  double StepSize(double lr, double beta2, std::int64_t step, double* n_sma) const {
    *n_sma = 0;
    if (!rectify) return lr;
    const double longest = 2.0 / (1.0 - beta2) - 1.0;
    const double beta2_t = std::pow(beta2, static_cast<double>(step));
    const double n = longest - 2.0 * static_cast<double>(step) * beta2_t / (1.0 - beta2_t);
    *n_sma = n;
    if (n >= static_cast<double>(n_sma_threshold)) {
      return lr * std::sqrt((1.0 - beta2_t) * (n - 4) / (longest - 4) * (n - 2) / n * longest /
                            (longest - 2));
    }
    return degenerated_to_sgd ? lr : -lr;
  }
};

}  // namespace malmoi::optim
#endif
