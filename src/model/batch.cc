#include <algorithm>

#include "model/batch_internal.h"

namespace malmoi::model {
namespace {

// Tokens a worker takes through all layers at a time: 256 rows of the widest buffer of the small
// models (3 x 384 floats) are 1.2 MB, about what L2 holds, and a chunk is 30 ms of work at most, so
// cancelling is prompt.
constexpr std::size_t kChunkTokens = 256;

Error OutOfRange(std::size_t sequence, const std::string& what) {
  return Error(Code::kOutOfRange, "sequence " + std::to_string(sequence) + ": " + what);
}

Status CheckSequence(const PackedBatch& batch, std::size_t s, const EncoderConfig& config) {
  const std::size_t length = batch.starts[s + 1] - batch.starts[s];
  if (length == 0 && config.special_tokens) return OutOfRange(s, "no tokens");
  if (length > config.max_tokens) {
    return OutOfRange(s, std::to_string(length) + " tokens, the model takes " +
                             std::to_string(config.max_tokens) + ": cut the text");
  }
  const bool types = !batch.type_ids.empty() && config.type_vocabulary > 0;
  for (std::size_t t = batch.starts[s]; t < batch.starts[s + 1]; ++t) {
    if (batch.ids[t] < 0 || batch.ids[t] >= config.vocabulary) {
      return OutOfRange(s, "token id " + std::to_string(batch.ids[t]) +
                               " is outside the vocabulary of " +
                               std::to_string(config.vocabulary));
    }
    if (types && (batch.type_ids[t] < 0 || batch.type_ids[t] >= config.type_vocabulary)) {
      return OutOfRange(s, "type id " + std::to_string(batch.type_ids[t]) + " is not below " +
                               std::to_string(config.type_vocabulary));
    }
  }
  return Ok();
}

}  // namespace

Status CheckBatch(const PackedBatch& batch, const EncoderConfig& config) {
  if (batch.count() == 0) return Ok();
  const bool types_fit = batch.type_ids.empty() || batch.type_ids.size() == batch.ids.size();
  const bool prompts_fit =
      batch.prompt_tokens.empty() || batch.prompt_tokens.size() == batch.count();
  if (batch.starts.front() != 0 || batch.starts.back() != batch.ids.size() || !types_fit ||
      !prompts_fit || !std::is_sorted(batch.starts.begin(), batch.starts.end())) {
    return Error(Code::kInvalidArgument,
                 "batch: starts do not rise from 0 to the number of ids, or type_ids or "
                 "prompt_tokens differ in number");
  }
  for (std::size_t s = 0; s < batch.count(); ++s) MALMOI_TRY(CheckSequence(batch, s, config));
  return Ok();
}

std::vector<Chunk> Chunks(const PackedBatch& batch, std::size_t threads) {
  const std::size_t share = (batch.ids.size() + threads - 1) / threads;
  const std::size_t limit = std::min(share, kChunkTokens);
  std::vector<Chunk> chunks;
  for (std::size_t s = 0; s < batch.count(); ++s) {
    if (chunks.empty() || batch.starts[s + 1] - batch.starts[chunks.back().begin] > limit) {
      chunks.push_back({s, s});
    }
    chunks.back().end = s + 1;
  }
  return chunks;
}

}  // namespace malmoi::model
