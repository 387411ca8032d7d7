#pragma once
// Whole-array arithmetic of the rules over matrices (matrix/lanes.h), of which each operation
// rounds as torch's vector loops do.
#include "optim/lane_pass.h"

namespace malmoi::optim {

// s0 = bf16(c0 s0 + c1 s1): what becomes of a product's sums s1.
OPTIM_KERNEL(RoundedCombination, kS0 | kS1, kS0) {
  x.s0 = RoundHalf(Fma(x.c(0), x.s0, x.c(1) * x.s1));
}
OPTIM_KERNEL(RoundedQuotient, kS0, kS0) {
  x.s0 = RoundHalf(x.s0 / x.c(0));
}
OPTIM_KERNEL(RoundedToHalf, kS0, kS0) {
  x.s0 = RoundHalf(x.s0);
}
// s0 towards s1 by the part c0 < 1/2; by 1 + c0 otherwise.
OPTIM_KERNEL(LerpFromNear, kS0 | kS1, kS0) {
  x.s0 = Fma(x.c(0), x.s1 - x.s0, x.s0);
}
OPTIM_KERNEL(LerpFromFar, kS0 | kS1, kS0) {
  x.s0 = Fma(x.c(0), x.s1 - x.s0, x.s1);
}
OPTIM_KERNEL(AddMultiple, kS0 | kS1, kS0) {
  x.s0 = Fma(x.c(0), x.s1, x.s0);
}
OPTIM_KERNEL(MultiplyBy, kS0, kS0) {
  x.s0 = x.s0 * x.c(0);
}
// s0 = c1 s0 + c0 s1^2.
OPTIM_KERNEL(AverageSquare, kS0 | kS1, kS0) {
  x.s0 = Fma(x.c(0) * x.s1, x.s1, x.c(1) * x.s0);
}

}  // namespace malmoi::optim
