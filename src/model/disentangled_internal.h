#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "kernels/attention.h"
#include "model/linear.h"
#include "os/cpu_info.h"

namespace malmoi::model {

// DeBERTa's attention of one layer (He et al. 2020, arXiv:2006.03654): scores also take what the
// query says about the key's distance (c2p), and the key about the query's (p2c).
class Disentangled {
 public:
  // Rows of the tables of relative positions by distance = query - key, from -(n - 1) to n - 1 for
  // n tokens at most; shared by the layers.
  using Index = std::vector<std::uint32_t>;
  static std::shared_ptr<const Index> MakeIndex(std::size_t tokens_max, std::int64_t buckets,
                                                std::int64_t distance_max);

  // For each head the projected relative positions [2 span, head_dim], or nothing where the model
  // has no such term.
  Disentangled(std::vector<Linear> c2p, std::vector<Linear> p2c, std::shared_ptr<const Index> index)
      : c2p_(std::move(c2p)), p2c_(std::move(p2c)), index_(std::move(index)) {}

  // Floats that Attend needs beyond kernels::AttentionScratch.
  std::size_t Scratch(std::size_t tokens) const;
  void Attend(os::CpuLevel level, kernels::AttentionArgs args, std::size_t head,
              float* scratch) const;

 private:
  std::size_t rows() const { return c2p_.empty() ? p2c_.front().n() : c2p_.front().n(); }

  const std::vector<Linear> c2p_, p2c_;
  const std::shared_ptr<const Index> index_;
};

}  // namespace malmoi::model
