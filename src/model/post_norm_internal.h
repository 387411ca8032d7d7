#pragma once

#include <cstddef>
#include <functional>

#include "model/forward_internal.h"

namespace malmoi::model {

// Whether a stack is the one that BERT, RoBERTa, XLM-R and DistilBERT share: absolute positions,
// full attention, layer norms after each residual, GELU between two products.
bool IsPostNorm(const Stack& stack);

// Sees the rows that go into a product, in f32: for stacks of that precision, without a team.
using InputProbe =
    std::function<void(const Linear& product, const float* x, std::size_t ldx, std::size_t rows)>;

// Forward for such a stack, made for speed: activations stay in the form that products read, rows
// go from attention's result to the end of the layer in blocks that L2 holds, and a team's threads
// take the same steps side by side and meet after each.
void PostNormForward(const Stack& stack, const PackedBatch& batch, Chunk chunk,
                     os::ThreadPool* team, Arena* arena, const Probe* probe,
                     const InputProbe* inputs = nullptr);

}  // namespace malmoi::model
