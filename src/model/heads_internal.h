#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "model/activation.h"
#include "model/encoder.h"
#include "model/linear.h"
#include "model/norm.h"

namespace malmoi::model {

// pool, dense, activation, norm, out: every family's classification head is this with parts
// absent. BERT: pooler (cls, tanh), classifier. RoBERTa: dense (cls, tanh), out_proj. ModernBERT:
// dense, activation, norm, classifier.
struct ClassifierHead {
  Pooling pooling = Pooling::kCls;
  Linear dense;
  Activation activation = Activation::kLinear;
  Norm norm;
  Linear out;

  bool empty() const { return out.empty(); }
  void Apply(const float* x, std::size_t tokens, std::span<float> logits) const;
};

// transform, activation, norm, decoder over the vocabulary: masked-language-model heads, of which
// SPLADE takes max (or sum) over tokens of log(1 + relu(logit)).
struct VocabularyHead {
  Linear dense;
  Activation activation = Activation::kLinear;
  Norm norm;
  Linear decoder;
  bool sum = false;        // SpladePooling's pooling_strategy "sum", else "max".
  bool twice_log = false;  // activation_function "log1p_relu": log1p once more.

  bool empty() const { return decoder.empty(); }
  SparseRow Apply(const float* x, std::size_t tokens, os::ThreadPool* team) const;
};

// bge-m3 beside its dense vector: a weight for each token, and ColBERT vectors of all but the
// first.
struct TokenHeads {
  Linear sparse;                     // [1, hidden]
  std::vector<std::int32_t> unused;  // Ids that have no sparse weight.
  Linear vectors;                    // [token_dim, hidden]
  bool skip_first = false;

  SparseRow ApplySparse(const float* x, std::span<const std::int32_t> ids) const;
  // [tokens - skip_first, token_dim], L2-normalised.
  void ApplyVectors(const float* x, std::size_t tokens, float* out) const;
};

// What follows pooling, in the order of modules.json.
struct PostModule {
  Linear dense;  // Empty: normalises to length 1.
  Activation activation = Activation::kLinear;
  Norm norm;  // Not empty: a LayerNorm module.
};

}  // namespace malmoi::model
