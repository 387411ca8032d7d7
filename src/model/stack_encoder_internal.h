#pragma once

#include <memory>
#include <string>

#include "model/encoder.h"
#include "model/family_internal.h"
#include "model/modules_internal.h"

namespace malmoi::model {

struct StackEncoderParts {
  std::shared_ptr<const tensor::SafeTensors> file;  // Owns the bytes of the table of words.
  FamilyModel model;
  TokenHeads token_heads;
  std::vector<PostModule> post;
  std::string fingerprint;
};
std::shared_ptr<const Encoder> MakeStackEncoder(StackEncoderParts parts);

// Applies `post` to a pooled vector, cuts it, normalises it.
void Finish(const std::vector<PostModule>& post, bool normalize, Buffer<float> pooled,
            std::span<float> out);

// Features after `post` where `dim` go in. Errors: kCorruption where a module takes another number.
Result<std::size_t> DimensionAfter(const std::vector<PostModule>& post, std::size_t dim);

// Of configuration and weights, and `more`; see Encoder::fingerprint.
std::string Fingerprint(const EncoderConfig& config, const std::string& more, Activation activation,
                        const tensor::SafeTensors& file);

}  // namespace malmoi::model
