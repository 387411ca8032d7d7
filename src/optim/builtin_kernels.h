#pragma once

#include "optim/lane_pass.h"

// Kernels of the engine itself.
namespace malmoi::optim {

OPTIM_GRID_KERNEL(NormOfGradient, kG, 0) {
  x.Sum(0, x.g * x.g);
}
// NaN where any element is infinite or NaN, else 0.
OPTIM_KERNEL(SumOfZeroTimesGradient, kG, 0) {
  x.Sum(0, x.g * x.Num(0));
}
// Elements where the kept direction and the gradient agree.
OPTIM_KERNEL(CountAgreement, kG | kU, 0) {
  x.Sum(0, Select(Gt(x.u * x.g, x.Num(0)), x.Num(1), x.Num(0)));
}
OPTIM_KERNEL(SubtractAgreeing, kP | kG | kU, kP) {
  const auto masked = Select(Gt(x.u * x.g, x.Num(0)), x.u * x.c(1), x.Num(0));
  x.p = Fma(x.Num(0) - x.c(0), masked, x.p) * x.c(2);
}
// p -= c0 * u, with the kept direction.
OPTIM_KERNEL(SubtractKept, kP | kU, kP) {
  x.p = Fma(x.Num(0) - x.c(0), x.u, x.p);
}
// Rows of a gradient about their means, c(19), as the kept direction.
OPTIM_GRID_KERNEL(SumOfGradient, kG, 0) {
  x.Sum(0, x.g);
}
OPTIM_GRID_KERNEL(CenteredGradient, kG, kU) {
  x.u = x.g - x.c(19);
}
// p as passes see it: with the decay.
OPTIM_KERNEL(KeepDecayed, kP, kP) {
  x.p = x.p * x.c(0);
}
OPTIM_KERNEL(CopyParameter, kP, kS0) {
  x.s0 = x.p;
}
OPTIM_KERNEL(CopyGradient, kG, kS0) {
  x.s0 = x.g;
}
// Norms of p and of the kept direction: the trust ratios.
OPTIM_KERNEL(NormsOfPAndU, kP | kU, 0) {
  x.Sum(0, x.p * x.p);
  x.Sum(1, x.u * x.u);
}
OPTIM_KERNEL(NormsOfPAndG, kP | kG, 0) {
  x.Sum(0, x.p * x.p);
  x.Sum(1, x.g * x.g);
}

}  // namespace malmoi::optim
