#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"
#include "model/encoder.h"
#include "text/tokenizer.h"

namespace malmoi::embed {

// A model directory's encoder and tokenizer.
struct OpenedModel {
  std::shared_ptr<const model::Encoder> encoder;
  std::shared_ptr<const text::Tokenizer> tokenizer;
  std::uint64_t tokenizer_hash = 0;  // Of tokenizer.json.
};

// For int8 the weights are rounded for the sample texts (OpenOptions::samples), whatever `options`
// has there. Errors: the encoder's, then the tokenizer's with `where` before them.
Result<OpenedModel> OpenModel(const std::string& directory, model::OpenOptions options,
                              const std::string& where);

}  // namespace malmoi::embed
