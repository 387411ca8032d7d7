#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/buffer.h"
#include "base/cancel.h"
#include "base/result.h"
#include "kernels/gemm.h"

namespace malmoi::embed {

enum class Prompt : std::uint8_t { kNone, kQuery, kPassage };

struct Embeddings {
  std::size_t dim = 0;
  Buffer<float> values;  // Row-major [texts, dim].
  std::span<const float> row(std::size_t i) const { return values.span().subspan(i * dim, dim); }
};

struct EmbedderOptions {
  std::size_t threads = 0;  // 0: os::UsableCores().
  // Tokens that one call handles before it looks at `cancel` and lets a shorter call go first:
  // about half a second of work for a small model on two cores.
  std::size_t batch_tokens = 4096;
  // What the model's products multiply. Vectors of different precisions are not comparable to the
  // last bits, so it is part of the fingerprint.
  kernels::Precision precision = kernels::Precision::kFloat32;
};

// Text to vectors with one model: prompt + tokenizer + encoder + pooling. Prompts are those of
// config_sentence_transformers.json ("query"; "passage" or "document"), else E5's own for an E5
// model, else none. Texts over the model's limit are cut on the right. The same text gives
// bit-identical vectors alone or in any batch. Thread-safe: calls take turns on the embedder's own
// threads, a batch at a time, short ones first (but no call is overtaken more than eight times in a
// row).
class Embedder {
 public:
  // `directory`: a model directory (see ModelStore). Errors: those of Encoder and Tokenizer.
  static Result<std::shared_ptr<Embedder>> Open(const std::string& directory,
                                                const EmbedderOptions& options = {});
  virtual ~Embedder() = default;

  virtual Result<Embeddings> Embed(std::span<const std::string_view> texts, Prompt prompt,
                                   const Cancel* cancel = nullptr) = 0;
  virtual std::size_t dim() const = 0;
  virtual std::size_t max_tokens() const = 0;
  // Model tokens of `text` with template tokens, before cutting.
  virtual std::size_t CountTokens(std::string_view text) const = 0;
  // "all-MiniLM-L6-v2": malmoi.json's id, else ORG/NAME of a hub cache, else the folder's name.
  virtual const std::string& id() const = 0;
  // Hash of configuration, weights (names, types, shapes and the start of each), tokenizer and
  // prompts: vectors with different fingerprints must never be compared.
  virtual const std::string& fingerprint() const = 0;
};

}  // namespace malmoi::embed
