#pragma once

#include <cstdint>
#include <vector>

#include "model/encoder.h"
#include "model/rounding.h"
#include "model/stack_internal.h"

namespace malmoi::model {

// Of a layer's products in post_norm_internal.h's stacks.
struct LayerInputs {
  InputSamples qkv, out, up, down;
};

// What goes into the products of `stack` (f32) for some texts as token ids, each cut at what the
// model takes; a text with an id that it has not, and one whose activations are no numbers, is left
// out. Empty for other stacks than IsPostNorm's and where no text is left. On the cores that the
// process may use, at most eight; the result does not depend on their number.
std::vector<LayerInputs> SampleInputs(const Stack& stack, const EncoderConfig& config,
                                      const std::vector<std::vector<std::int32_t>>& texts);

}  // namespace malmoi::model
