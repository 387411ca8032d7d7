#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/cancel.h"
#include "base/result.h"
#include "embed/scheduler.h"
#include "text/tokenizer.h"

namespace malmoi::embed {

enum class ModelKind : std::uint8_t { kEmbedding, kSparse, kClassifier, kReranker };

struct EngineOptions {
  std::size_t threads = 0;  // 0: os::UsableCores().
  std::size_t batch_tokens_max = 16384;
  std::size_t batch_jobs_max = 0;  // 0: no limit.
  std::size_t jobs_max = 512;      // Sequences admitted at a time.
  bool auto_truncate = true;
  std::string pooling;            // "cls", "mean", "splade", "last-token"; empty: the model's.
  std::string dtype = "float32";  // Or "bfloat16", "int8"; "float16" runs as float32.
  std::optional<std::string> default_prompt;       // At most one of the two.
  std::optional<std::string> default_prompt_name;  // A name of the model's prompts.
  Scheduler::OnBatch on_batch = nullptr;
};

// A text, two texts that a cross-encoder compares, or token ids. Views outlive the call.
struct Input {
  std::string_view text = {};
  std::optional<std::string_view> second = std::nullopt;
  std::optional<std::vector<std::int32_t>> ids = std::nullopt;

  bool empty() const;
  std::size_t characters() const;  // Code points; ids count one each.
};

struct PrepareOptions {
  bool truncate = true;
  bool cut_left = false;
  std::optional<std::string> prompt_name = std::nullopt;
};

struct EngineInfo {
  std::string id;
  std::string directory;
  ModelKind kind = ModelKind::kEmbedding;
  std::string pooling;                                          // "mean", "cls", ...
  std::string dtype;                                            // "float32"
  std::vector<std::string> labels;                              // Of a classifier, by logit.
  std::vector<std::pair<std::string, std::int64_t>> label_ids;  // label2id as the model has it.
  std::size_t max_tokens = 0;                                   // A sequence's limit.
  std::size_t dim = 0;                                          // Of a pooled vector.
  bool has_sparse = false;     // Output::kSparse works, also where it is not the kind.
  bool include_prompt = true;  // Pooling takes in the tokens of the prompt.
  std::vector<std::pair<std::string, std::string>> prompts;
};

// One model being served: tokenizer, prompts, encoder with its head, and the scheduler that shares
// it between callers. The same input gives bit-identical results whatever runs beside it.
// Thread-safe.
//
// Inputs are prepared as text-embeddings-inference does: ids are decoded and encoded again, a
// prompt goes before the text, a text longer than 250 characters a token is cut (truncate) or
// refused before it is tokenised, and pairs are cut longest first.
class Engine {
 public:
  // Errors: those of Encoder and Tokenizer; kInvalidArgument for a default prompt that the model
  // does not have, or a batch that is too small for the model's longest input when auto_truncate is
  // off.
  static Result<std::shared_ptr<Engine>> Open(const std::string& directory,
                                              const EngineOptions& options);
  virtual ~Engine() = default;

  virtual const EngineInfo& info() const = 0;
  virtual const text::Tokenizer& tokenizer() const = 0;
  // The prompt of that name, the default one without a name. Errors: kInvalidArgument.
  virtual Result<std::string> PromptOf(const std::optional<std::string>& name) const = 0;
  // A job whose `output` is left to the caller.
  // Errors: kInvalidArgument (prompt unknown, or with a pair), kOutOfRange (too long).
  virtual Result<Job> Prepare(const Input& input, const PrepareOptions& options) const = 0;
  // As Scheduler::Submit.
  virtual Status Submit(std::span<Job> jobs, const Cancel* cancel) = 0;
  virtual std::size_t waiting() const = 0;
};

// More characters a token of the model's limit than any text has.
inline constexpr std::size_t kCharactersPerToken = 250;

}  // namespace malmoi::embed
