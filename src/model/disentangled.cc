#include <algorithm>
#include <cmath>

#include "model/disentangled_internal.h"

namespace malmoi::model {
namespace {

constexpr std::size_t kQueries = 16;  // Whose c2p scores are held at a time.

// The log buckets of the reference, in f32 so that a border falls on the same side.
std::int64_t Bucket(std::int64_t distance, std::int64_t buckets, std::int64_t distance_max) {
  if (buckets <= 0) return distance;
  const std::int64_t mid = buckets / 2;
  const std::int64_t absolute = distance < mid && distance > -mid ? mid - 1 : std::abs(distance);
  if (absolute <= mid) return distance;
  const auto middle = static_cast<float>(mid);
  const float far = std::log(
      static_cast<float>(static_cast<double>(distance_max - 1) / static_cast<double>(mid)));
  const float part = std::ceil(std::log(static_cast<float>(absolute) / middle) / far *
                               static_cast<float>(mid - 1));
  const auto bucket = static_cast<std::int64_t>(part + middle);
  return distance < 0 ? -bucket : bucket;
}

class Bias final : public kernels::ScoreBias {
 public:
  Bias(const Linear* c2p, const float* p2c, const std::uint32_t* index, std::size_t width,
       const kernels::AttentionArgs& args, float* block)
      : c2p_(c2p), p2c_(p2c), index_(index), width_(width), args_(args), block_(block) {}

  void Add(std::size_t row, std::size_t rows, std::size_t key, std::size_t keys, float* scores,
           std::size_t ld) const override {
    for (std::size_t first = 0; first < rows; first += kQueries) {
      const std::size_t count = std::min(kQueries, rows - first);
      if (c2p_ != nullptr) {
        c2p_->Apply({.x = args_.q + (row + first) * args_.ld,
                     .ldx = args_.ld,
                     .rows = count,
                     .y = block_,
                     .ldy = width_},
                    nullptr);
      }
      for (std::size_t r = 0; r < count; ++r) {
        AddRow(row + first + r, key, keys, block_ + r * width_, scores + (first + r) * ld);
      }
    }
  }

 private:
  void AddRow(std::size_t query, std::size_t key, std::size_t keys, const float* c2p,
              float* scores) const {
    const std::uint32_t* index = index_ + query;
    for (std::size_t j = 0; j < keys; ++j) {
      const std::uint32_t at = *(index - (key + j));
      float sum = c2p_ == nullptr ? 0.0f : c2p[at] * args_.scale;
      if (p2c_ != nullptr) sum += p2c_[(key + j) * width_ + at] * args_.scale;
      scores[j] += sum;
    }
  }

  const Linear* const c2p_;
  const float* const p2c_;
  const std::uint32_t* const index_;  // At distance 0.
  const std::size_t width_;
  const kernels::AttentionArgs& args_;
  float* const block_;
};

}  // namespace

std::shared_ptr<const Disentangled::Index> Disentangled::MakeIndex(std::size_t tokens_max,
                                                                   std::int64_t buckets,
                                                                   std::int64_t distance_max) {
  const std::int64_t span = buckets > 0 ? buckets : distance_max;
  const auto last = static_cast<std::int64_t>(tokens_max) - 1;
  Index index;
  index.reserve(2 * tokens_max - 1);
  for (std::int64_t d = -last; d <= last; ++d) {
    const std::int64_t row = Bucket(d, buckets, distance_max) + span;
    index.push_back(static_cast<std::uint32_t>(std::clamp<std::int64_t>(row, 0, 2 * span - 1)));
  }
  return std::make_shared<const Index>(std::move(index));
}

std::size_t Disentangled::Scratch(std::size_t tokens) const {
  return (tokens + kQueries) * rows();
}

void Disentangled::Attend(os::CpuLevel level, kernels::AttentionArgs args, std::size_t head,
                          float* scratch) const {
  const std::size_t width = rows();
  float* p2c = scratch + kernels::AttentionScratch(args.tokens, args.head_dim);
  float* block = p2c + args.tokens * width;
  if (!p2c_.empty()) {
    p2c_[head].Apply({.x = args.k, .ldx = args.ld, .rows = args.tokens, .y = p2c, .ldy = width},
                     nullptr);
  }
  const Bias bias(c2p_.empty() ? nullptr : &c2p_[head], p2c_.empty() ? nullptr : p2c,
                  index_->data() + index_->size() / 2, width, args, block);
  kernels::AttentionArgs biased = args;
  biased.bias = &bias;
  kernels::Attention(level, biased, scratch);
}

}  // namespace malmoi::model
