#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "base/buffer.h"
#include "kernels/gemm.h"
#include "model/encoder.h"
#include "model/stack_internal.h"
#include "os/thread_pool.h"

namespace malmoi::model {

// Rows of activations that an arena owns, in the form that products of a precision read.
struct NarrowBuffer {
  Buffer<std::uint8_t> bytes;
  Buffer<kernels::RowScale> scales;
  std::size_t stride = 0;

  void Grow(kernels::Precision precision, os::CpuLevel level, std::size_t rows,
            std::size_t columns);
  kernels::Activations view() { return {bytes.data(), stride, scales.data()}; }
};

// Floats that rows of `middle` may lie further apart than they are wide.
constexpr std::size_t kMiddlePadding = 16;

// What post_norm_internal.h keeps beside x, context and middle; nothing in f32.
struct NarrowArena {
  NarrowBuffer x, context, middle;
  NarrowBuffer value;      // x again, for AttentionLayer::value.
  NarrowBuffer wide;       // Of middle, for FeedForwardLayer::down's wide inputs;
  Buffer<float> gathered;  // these as floats.
  void Grow(const Stack& stack, std::size_t tokens);
};

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
  NarrowArena narrow;
  std::vector<RopeTable> ropes;
  Buffer<float> distances;  // [heads, 2 longest - 1]

  void Grow(const Stack& stack, std::size_t new_tokens, std::size_t new_longest,
            std::size_t threads);
};

// The sum of token t's word, type and position, in BertModel's order.
void EmbedToken(const InputEmbedding& input, const PackedBatch& batch, std::size_t t,
                std::size_t place, std::span<float> x);

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
