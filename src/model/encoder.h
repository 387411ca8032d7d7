#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/buffer.h"
#include "base/cancel.h"
#include "base/result.h"
#include "kernels/gemm.h"
#include "os/cpu_info.h"
#include "os/thread_pool.h"

namespace malmoi::model {

// Sequences laid end to end without padding: sequence i is ids[starts[i] .. starts[i + 1]).
struct PackedBatch {
  std::vector<std::int32_t> ids;
  std::vector<std::int32_t> type_ids;  // Empty: all 0.
  std::vector<std::uint32_t> starts;   // count + 1 entries.

  std::size_t count() const { return starts.empty() ? 0 : starts.size() - 1; }
};

enum class Pooling : std::uint8_t { kMean, kCls, kMax, kLast };

struct EncoderConfig {
  std::string family;  // "bert" (BERT, XLM-R and RoBERTa are one forward with other positions).
  std::int64_t hidden = 0, layers = 0, heads = 0, intermediate = 0, vocabulary = 0, positions = 0;
  std::int64_t type_vocabulary = 0;
  std::int64_t position_offset = 0;  // RoBERTa/XLM-R count positions from padding id + 1,
  std::int32_t padding_id = -1;      // and do not count padding tokens. -1: no such rule.
  float layer_norm_eps = 1e-12f;
  bool gelu_tanh = false;
  std::size_t max_tokens = 512;  // sentence_bert_config.json's, else positions - position_offset.
  Pooling pooling = Pooling::kMean;
  bool normalize = true;
};

struct EncoderOptions {
  // What products multiply. Layer norms, residuals, softmax sums and pooling stay f32.
  kernels::Precision precision = kernels::Precision::kFloat32;
};

// A text encoder from a model directory: config.json, model.safetensors (mapped),
// sentence-transformers' modules.json, 1_Pooling/config.json, sentence_bert_config.json.
// Reference implementation: transformers' BertModel / XLMRobertaModel.
//
// Bit-exact: a sequence's vector does not depend on what else is in the batch, on the order or on
// the number of threads. In f32 AVX2 and AVX-512 give the same bits, the scalar level differs by
// rounding; see kernels/gemm.h for the other precisions.
// The vocabulary's table stays mapped, all other weights are packed at opening for the CPU level
// that is active then. Thread safety: Encode may run concurrently; each call uses `pool` for
// parallelism over sequences (bulk) or over output columns (one short query).
class Encoder {
 public:
  // Errors: kNotFound (file missing), kUnsupported (model_type or activation unknown, naming it),
  // kCorruption.
  static Result<std::shared_ptr<const Encoder>> Open(const std::string& directory,
                                                     const EncoderOptions& options = {});
  virtual ~Encoder() = default;

  virtual const EncoderConfig& config() const = 0;
  virtual os::CpuLevel level() const = 0;         // The level that was active at opening.
  virtual os::CpuLevel kernel_level() const = 0;  // Of the products' code: at most level().
  virtual kernels::Precision precision() const = 0;
  // SHA-256 (hexadecimal) of what decides the vectors but for the tokenizer: configuration,
  // precision, every tensor's name, type, shape and first 4 KiB. Two checkpoints of one architecture differ in it.
  virtual const std::string& fingerprint() const = 0;
  // Pooled (and normalised, if the model says so) vectors, row-major [count, hidden]. `cancel`, if
  // given, is polled between groups of sequences: kCancelled.
  // Errors: kOutOfRange for an id outside the vocabulary or a sequence over max_tokens or empty;
  // kInvalidArgument for a batch whose parts do not fit together.
  virtual Result<Buffer<float>> Encode(const PackedBatch& batch, os::ThreadPool& pool,
                                       const Cancel* cancel = nullptr) const = 0;
  // Last hidden states, [tokens, hidden], for tests and late interaction.
  virtual Result<Buffer<float>> HiddenStates(const PackedBatch& batch,
                                             os::ThreadPool& pool) const = 0;
};

}  // namespace malmoi::model
