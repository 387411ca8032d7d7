#pragma once

#include <cstddef>

#include "kernels/attention.h"
#include "os/cpu_info.h"

namespace malmoi::model {

// DeBERTa's attention of one layer (He et al. 2020, arXiv:2006.03654): scores also take what the
// query says about the key's distance, and the key about the query's.
class Disentangled {
 public:
  virtual ~Disentangled() = default;
  // Floats that Attend needs beyond kernels::AttentionScratch.
  virtual std::size_t Scratch(std::size_t tokens) const = 0;
  virtual void Attend(os::CpuLevel level, kernels::AttentionArgs args, std::size_t head,
                      float* scratch) const = 0;
};

}  // namespace malmoi::model
