#pragma once

#include <cstddef>
#include <initializer_list>
#include <span>

#include "optim/rules/dense_kernels.h"
#include "optim/tensor_step.h"

namespace malmoi::optim::matrix {

// Runs one of the kernels of dense_kernels.h over n f32 numbers: s0 is read and written, s1, where
// the kernel has it, only read. They may be the same array, and of any alignment. Pure.
inline void RunDense(const Kernel& kernel, std::size_t n, std::initializer_list<double> constants,
                     float* s0, const float* s1 = nullptr) {
  PassJob job;
  job.kernel = &kernel;
  job.n = n;
  job.source[3] = {s0, Storage::kF32, nullptr, false};
  job.source[4] = {const_cast<float*>(s1), Storage::kF32, nullptr, false};
  std::size_t i = 0;
  for (const double c : constants) job.constant[i++] = c;
  PassSums unused;
  RunRange(job, 0, n, &unused);
}

}  // namespace malmoi::optim::matrix
