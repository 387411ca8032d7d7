#pragma once

#include <cstddef>
#include <functional>
#include <vector>

#include "base/buffer.h"
#include "model/encoder.h"
#include "model/stack_internal.h"
#include "os/thread_pool.h"

namespace malmoi::model {

// Everything a forward pass writes, kept between calls: no allocation once it has grown.
struct Arena {
  std::size_t tokens = 0, longest = 0;
  Buffer<float> x;        // [tokens, hidden]: the residual stream; the result.
  Buffer<float> normed;   // [tokens, hidden]: input of a product in pre-norm families; branches.
  Buffer<float> qkv;      // [tokens, qkv_width]
  Buffer<float> context;  // [tokens, heads * head_dim]
  Buffer<float> middle;   // [kRowBlock, width], twice as wide where gated
  Buffer<float> scratch;  // Attention's, one for each thread.
  std::size_t scratch_size = 0;
  std::vector<RopeTable> ropes;
  Buffer<float> distances;  // [heads, 2 longest - 1]

  void Grow(const Stack& stack, std::size_t new_tokens, std::size_t new_longest,
            std::size_t threads);
};

// Consecutive sequences begin .. end of a batch.
struct Chunk {
  std::size_t begin = 0;
  std::size_t end = 0;
};

// Sees the residual stream [tokens, hidden] after the embeddings (0) and after each layer (i + 1).
using Probe = std::function<void(std::size_t state, const float* x)>;

// The whole encoder over the sequences of a chunk; hidden states are left in arena->x, tokens of
// the first sequence first. With `team` the columns of each product and the heads are split over
// its threads (one short text); without it everything runs on this thread. Same bits either way.
void Forward(const Stack& stack, const PackedBatch& batch, Chunk chunk, os::ThreadPool* team,
             Arena* arena, const Probe* probe = nullptr);

}  // namespace malmoi::model
