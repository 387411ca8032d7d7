#pragma once

#include "optim/lane_pass.h"

namespace malmoi::optim {

// Over grids: products of weights, gradient and kept direction along rows; and the direction
// without c(19) times the weights.
OPTIM_GRID_KERNEL(ProjectionSums, kP | kG | kU, 0) {
  x.Sum(0, x.p * x.g);
  x.Sum(1, x.p * x.p);
  x.Sum(2, x.g * x.g);
  x.Sum(3, x.p * x.u);
}
OPTIM_GRID_KERNEL(RemoveRadial, kP | kU, kU) {
  x.u = x.u - x.c(19) * x.p;
}

}  // namespace malmoi::optim

#if !defined(MALMOI_OPTIM_LEVEL)
#include "optim/tensor_step.h"

namespace malmoi::optim {

// AdamP's projection (Heo et al. 2021, arXiv:2006.08217, algorithm 1) of the kept direction of a
// tensor with two or more dimensions: where gradient and weights are nearly orthogonal, by channel
// or else as a whole, the direction's part along the weights is removed. True if it was.
bool ProjectKept(TensorStep& t, double delta, double eps);

}  // namespace malmoi::optim
#endif
