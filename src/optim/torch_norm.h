#pragma once

#include <cstddef>
#include <span>

// Norms and sums in f32 with the bits of torch's CPU build (2.15, found by comparing all bits of
// thousands of random ones), where a rule's rate hangs on their last digits. Thread safety: pure.
namespace malmoi::optim {

// Longer arrays are summed in double: the order would cost too much.
inline constexpr std::size_t kTorchNormMax = 4096;
// torch.norm of a contiguous f32 tensor of at most kTorchNormMax elements.
float TorchNorm(std::span<const float> x);
// torch.sum of a contiguous f32 vector of at most 512 elements, in double beyond.
float TorchSum(std::span<const float> x);
// torch.sum of a contiguous bf16 vector of at most 1,024 elements, before it is rounded; in double
// beyond.
float TorchSumOfLow(std::span<const float> x);

}  // namespace malmoi::optim
