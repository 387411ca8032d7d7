#pragma once

#if !defined(MALMOI_OPTIM_LEVEL)
#include <cmath>
#include <cstdint>
#include <numbers>

namespace malmoi::optim {

// The warm-up of SPAM: a cosine from the start rate to eta_min over t_max steps, stepped the way
// torch's CosineAnnealingLR does, from the rate before.
struct CosineDecay {
  double rate = 0;
  std::int64_t t_max = 0;
  double eta_min = 0;

  double Rate(std::int64_t step) {
    if (step >= t_max) return eta_min;
    const auto period = static_cast<double>(t_max + 1);
    const auto at = [&](double epoch) { return 1.0 + std::cos(std::numbers::pi * epoch / period); };
    const auto epoch = static_cast<double>(step + 1);
    rate = at(epoch) / at(epoch - 1) * (rate - eta_min) + eta_min;
    return rate;
  }
};

}  // namespace malmoi::optim
#endif
