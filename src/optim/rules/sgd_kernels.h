#pragma once
// Kernels that several rules of the SGD family share.
#include "optim/lane_pass.h"

namespace malmoi::optim {

OPTIM_KERNEL(GradientDirection, kG, kU) {
  x.u = x.g;
}
// c: 0 momentum, 1 weight of g.
OPTIM_KERNEL(MomentumDirection, kG | kS0, kS0 | kU) {
  x.s0 = Fma(x.s0, x.c(0), x.g * x.c(1));
  x.u = x.s0;
}
OPTIM_KERNEL(NesterovDirection, kG | kS0, kS0 | kU) {
  x.s0 = Fma(x.s0, x.c(0), x.g * x.c(1));
  x.u = Fma(x.c(0), x.s0, x.g);
}

}  // namespace malmoi::optim
