#pragma once

#include <cstddef>
#include <span>

#include "base/buffer.h"
#include "model/encoder.h"
#include "model/weights_internal.h"
#include "os/thread_pool.h"

namespace malmoi::model {

// Everything a forward pass writes, kept between calls: no allocation once it has grown.
struct Arena {
  std::size_t tokens = 0;
  Buffer<float> x;        // [tokens, hidden]: the residual stream; the result.
  Buffer<float> qkv;      // [tokens, 3 hidden]
  Buffer<float> context;  // [tokens, hidden]
  Buffer<float> middle;   // [kRowBlock, intermediate]
  Buffer<float> scratch;  // Attention's, one for each thread.
  std::size_t scratch_size = 0;

  void Grow(const EncoderConfig& config, std::size_t new_tokens, std::size_t longest,
            std::size_t threads);
};

// Consecutive sequences begin .. end of a batch.
struct Chunk {
  std::size_t begin = 0;
  std::size_t end = 0;
};

// The whole encoder over the sequences of a chunk; hidden states are left in arena->x, tokens of
// the first sequence first. With `team` the columns of each product and the heads are split over
// its threads (one short text); without it everything runs on this thread. Same bits either way.
void Forward(const EncoderConfig& config, const BertWeights& weights, const PackedBatch& batch,
             Chunk chunk, os::ThreadPool* team, Arena* arena);

}  // namespace malmoi::model
