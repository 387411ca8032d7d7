#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/buffer.h"
#include "kernels/gemm.h"
#include "model/encoder.h"
#include "tensor/safetensors.h"

namespace malmoi::model {

struct Linear {
  std::unique_ptr<kernels::PackedWeights> w;
  Buffer<float> bias;
};
struct Norm {
  Buffer<float> gamma, beta;
};

struct BertLayer {
  Linear qkv;  // Query, key and value as one product: [3 hidden, hidden].
  Linear out;
  Norm attention_norm;
  Linear up, down;
  Norm norm;
};

struct BertWeights {
  std::shared_ptr<const tensor::SafeTensors> file;  // Owns words' bytes.
  const tensor::TensorView* words = nullptr;        // Stays mapped: a row is read when used.
  Buffer<float> positions, types;
  Norm norm;
  std::vector<BertLayer> layers;
};

// Loads and packs for the active CPU level. Errors: kNotFound (no file), kCorruption.
Result<BertWeights> LoadBert(const std::string& directory, const EncoderConfig& config,
                             kernels::Precision precision);

}  // namespace malmoi::model
