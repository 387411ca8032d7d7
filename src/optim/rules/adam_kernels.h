#pragma once
// Kernels that several rules of the Adam family share.
#include "optim/lane_pass.h"

namespace malmoi::optim {

// c: 0 1-beta1, 1 beta2, 2 1-beta2, 3 scale of the root, 4 eps, 5 factor of g in the first moment,
// 6 added under the root.
OPTIM_KERNEL(AdamDirection, kG | kS0 | kS1, kS0 | kS1 | kU) {
  x.s0 = Lerp(x.s0, x.Times(x.g, 5), x.c(0));
  x.s1 = Fma(x.c(2) * x.g, x.g, x.s1 * x.c(1));
  x.u = x.s0 / Fma(Sqrt(x.s1 + x.c(6)), x.c(3), x.c(4));
}
OPTIM_KERNEL(AmsgradDirection, kG | kS0 | kS1 | kS2, kS0 | kS1 | kS2 | kU) {
  x.s0 = Lerp(x.s0, x.Times(x.g, 5), x.c(0));
  x.s1 = Fma(x.c(2) * x.g, x.g, x.s1 * x.c(1));
  x.s2 = Max(x.s2, x.s1);
  x.u = x.s0 / Fma(Sqrt(x.s2 + x.c(6)), x.c(3), x.c(4));
}
// The moments alone, and with the first as direction.
OPTIM_KERNEL(AdamMoments, kG | kS0 | kS1, kS0 | kS1) {
  x.s0 = Lerp(x.s0, x.Times(x.g, 5), x.c(0));
  x.s1 = Fma(x.c(2) * x.g, x.g, x.s1 * x.c(1));
}
OPTIM_KERNEL(AdamMomentumDirection, kG | kS0 | kS1, kS0 | kS1 | kU) {
  x.s0 = Lerp(x.s0, x.Times(x.g, 5), x.c(0));
  x.s1 = Fma(x.c(2) * x.g, x.g, x.s1 * x.c(1));
  x.u = x.s0;
}

}  // namespace malmoi::optim
