#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/buffer.h"
#include "kernels/gemm.h"
#include "model/encoder.h"
#include "model/weights_internal.h"
#include "os/thread_pool.h"

namespace malmoi::model {

// Rows of activations that an arena owns.
struct NarrowBuffer {
  Buffer<std::uint8_t> bytes;
  Buffer<kernels::RowScale> scales;
  std::size_t stride = 0;

  void Grow(kernels::Precision precision, os::CpuLevel level, std::size_t rows,
            std::size_t columns);
  kernels::Activations view() { return {bytes.data(), stride, scales.data()}; }
};

// Everything a forward pass writes, kept between calls: no allocation once it has grown.
struct Arena {
  std::size_t tokens = 0;
  Buffer<float> x;           // [tokens, hidden]: the residual stream; the result.
  NarrowBuffer x_narrow;     // What the products of x read; none in f32.
  Buffer<std::uint8_t> qkv;  // [tokens, 3 hidden], f32 or bfloat16.
  Buffer<float> context;     // [tokens, hidden]
  NarrowBuffer context_narrow;
  Buffer<float> middle;  // [row block, intermediate]
  NarrowBuffer middle_narrow;
  Buffer<float> scratch;  // Attention's, one for each thread.
  std::size_t scratch_size = 0;

  void Grow(const EncoderConfig& config, const BertWeights& weights, std::size_t new_tokens,
            std::size_t longest, std::size_t threads);
};

// Consecutive sequences begin .. end of a batch.
struct Chunk {
  std::size_t begin = 0;
  std::size_t end = 0;
};

// The whole encoder over the sequences of a chunk; hidden states are left in arena->x, tokens of
// the first sequence first. With `team` the columns of each product, the heads and the rows of the
// rest are split over its threads (one short text); without it everything runs on this thread.
// Same bits either way.
void Forward(const EncoderConfig& config, const BertWeights& weights, const PackedBatch& batch,
             Chunk chunk, os::ThreadPool* team, Arena* arena);

}  // namespace malmoi::model
