#pragma once

#include <cstddef>
#include <vector>

#include "base/result.h"
#include "model/encoder.h"
#include "model/forward_internal.h"

namespace malmoi::model {

// Errors: kOutOfRange, kInvalidArgument; see Encoder::Run.
Status CheckBatch(const PackedBatch& batch, const EncoderConfig& config);

// Consecutive sequences of up to 512 tokens, fewer where that leaves threads without work.
std::vector<Chunk> Chunks(const PackedBatch& batch, std::size_t threads);

}  // namespace malmoi::model
