#pragma once

#include <cstddef>
#include <span>

#include "base/buffer.h"

namespace malmoi::model {

// What is known of a product's inputs from some texts (samples_internal.h).
struct InputSamples {
  std::size_t count = 0;  // Texts.
  Buffer<float> means;    // [count, k]: each text's mean over its tokens.
  Buffer<float> spread;   // [k]: mean square of what tokens lie apart from their text's mean.
  Buffer<float> most;     // [k]: greatest magnitude.
  bool smooth = false;    // Whether Smooth does anything.

  bool empty() const { return count == 0; }
};

// Shares what the inputs' unequal sizes cost between them and their weights, as SmoothQuant does
// (Xiao et al. 2022, arXiv:2211.10438, alpha .5): multiplies column j of w [n, k] by
// sqrt(most of input j / greatest weight of column j) over the geometric mean of these, and returns
// the inverse, by which the input is to be multiplied (kernels::Narrow's factors). The paper folds
// it into the norm before; here the norm's result is also the residual. Empty where there is
// nothing to do.
Buffer<float> Smooth(const InputSamples& inputs, std::span<float> w, std::size_t n, std::size_t k);

// Moves the values of w [n, k] to the integers that packing for int8 gives them (times the row's
// scale, so that packing finds the same), such that the product of the sampled means changes as
// little as it can. `factors`: what Smooth gave for w, or empty. Without samples w stays.
//
// What rounding W to W' does to a token, (W' - W) x, is mostly the same for all tokens of a text,
// since their inputs have much in common: a mean over tokens does not take it away. So a row's
// values are rounded one after the other, each for the least sum of spread d^2 and of the squared
// errors of the sampled means, given the errors so far: GPTQ (Frantar et al. 2022,
// arXiv:2210.17323) with one spread for all inputs and a few means in place of a Hessian of all
// tokens, which takes O(count) a value and not O(k). Rows do not depend on each other. A row's
// greatest magnitude keeps its integer.
// Cost: some 4 count operations a value, on the calling thread.
void RoundForMeans(const InputSamples& inputs, const Buffer<float>& factors, std::span<float> w,
                   std::size_t n, std::size_t k);

}  // namespace malmoi::model
