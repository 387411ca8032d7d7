#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/buffer.h"
#include "kernels/attention.h"
#include "model/activation.h"
#include "model/disentangled_internal.h"
#include "model/linear.h"
#include "model/norm.h"
#include "model/rope.h"
#include "tensor/safetensors.h"

namespace malmoi::model {

// What families have in common: a table lookup, then layers of attention and feed-forward part,
// each with a residual, and norms at the places that the family uses. A family's file fills this
// from its configuration and its names of tensors; forward.cc runs it. An absent norm or product
// is skipped.
struct InputEmbedding {
  const tensor::TensorView* words = nullptr;  // [vocabulary, width]; mapped, read row by row.
  float scale = 1;                            // Gemma's sqrt(hidden).
  Buffer<float> positions;                    // [positions, width]
  Buffer<float> types;                        // [types, width]
  std::int64_t position_offset = 0;
  std::int32_t padding_id = -1;  // Not counted in positions (RoBERTa); -1: no such rule.
  Norm norm;
  Linear projection;    // width to hidden, after the norm (ELECTRA), where they differ.
  Norm projected_norm;  // After the projection (DeBERTa).
  std::size_t width = 0;
};

struct AttentionLayer {
  Norm input;       // Before: pre-norm families.
  Linear qkv;       // Query heads, key heads, value heads as one product.
  Linear value;     // Where it is not absent, qkv has the first two only.
  Norm query, key;  // Each head by itself (Qwen3, Gemma3).
  int rope = -1;    // Index into Stack::ropes.
  std::size_t before = kernels::kAllTokens, after = kernels::kAllTokens;
  std::shared_ptr<const Disentangled> disentangled;
  Linear out;
  Norm branch;  // Before the residual is added (Gemma3).
  Norm result;  // After it: post-norm families.
};

struct FeedForwardLayer {
  Norm input;
  Linear up;  // Gated: the activated half, then the other: [2 width, hidden].
  Linear down;
  Norm branch, result;
};

struct Layer {
  AttentionLayer attention;
  FeedForwardLayer feed;
};

struct Stack {
  std::size_t hidden = 0, heads = 0, kv_heads = 0, head_dim = 0;
  float scale = 1;        // Of query times key.
  std::size_t width = 0;  // Of the feed-forward part.
  bool gated = false;
  Activation activation = Activation::kGelu;
  InputEmbedding input;
  std::vector<Rope> ropes;
  // Added to the scaled score of a head for distance = key - query (ALiBi, MPNet's buckets).
  std::function<float(std::size_t head, std::int64_t distance)> distance_bias;
  std::vector<Layer> layers;
  Norm final_norm;

  std::size_t qkv_width() const { return (heads + 2 * kv_heads) * head_dim; }
  os::CpuLevel level() const { return layers.front().attention.qkv.level(); }
  kernels::Precision precision() const { return layers.front().attention.qkv.precision(); }
};

}  // namespace malmoi::model
