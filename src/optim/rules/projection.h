#pragma once

#if !defined(MALMOI_OPTIM_LEVEL)
#include "optim/tensor_step.h"

namespace malmoi::optim {

// AdamP's projection (Heo et al. 2021, arXiv:2006.08217, algorithm 1) of the kept direction of a
// tensor with two or more dimensions: where gradient and weights are nearly orthogonal, by channel
// or else as a whole, the direction's part along the weights is removed. True if it was.
bool ProjectKept(TensorStep& t, double delta, double eps);

}  // namespace malmoi::optim
#endif
