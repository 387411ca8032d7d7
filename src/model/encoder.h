#pragma once

#include <cstdint>
#include <memory>
#include <optional>
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
  // Tokens at the start of each sequence that belong to a prompt; pooling leaves them out where
  // EncoderConfig::include_prompt is false. Empty: none.
  std::vector<std::uint32_t> prompt_tokens = {};

  std::size_t count() const { return starts.empty() ? 0 : starts.size() - 1; }
};

// sentence-transformers' modes. kMeanSqrt divides the sum by the square root of the number of
// tokens; kWeightedMean weighs token i (from 1) by i.
enum class Pooling : std::uint8_t { kMean, kCls, kMax, kLast, kMeanSqrt, kWeightedMean };

// What the model was trained to give; see the methods of Encoder.
enum class Task : std::uint8_t {
  kEmbedding,       // One vector a text.
  kClassification,  // A logit for each label.
  kReranker,        // One logit a pair of texts: a classifier with one label, or yes/no logits.
  kSparse,          // SPLADE: a weight for each entry of the vocabulary.
  kTokenVectors,    // ColBERT: a vector for each token.
};

struct EncoderConfig {
  std::string family;  // "bert" (BERT, XLM-R and RoBERTa are one forward), "modernbert", ...
  std::int64_t hidden = 0, layers = 0, heads = 0, intermediate = 0, vocabulary = 0, positions = 0;
  std::int64_t type_vocabulary = 0;
  std::int64_t position_offset = 0;  // RoBERTa/XLM-R count positions from padding id + 1,
  std::int32_t padding_id = -1;      // and do not count padding tokens. -1: no such rule.
  float layer_norm_eps = 1e-12f;
  std::size_t max_tokens = 512;  // sentence_bert_config.json's, else what positions leave.
  Task task = Task::kEmbedding;
  // Texts are encoded with the tokenizer's special tokens; static embeddings without.
  bool special_tokens = true;
  std::vector<Pooling> poolings = {Pooling::kMean};  // More than one: concatenated.
  bool include_prompt = true;                        // See PackedBatch::prompt_tokens.
  bool normalize = true;
  std::size_t dim = 0;        // Of Encode's vectors: after pooling, Dense modules and truncate_dim.
  std::size_t token_dim = 0;  // Of TokenVectors' rows.
  std::vector<std::string> labels;  // id2label in order of id; one for a reranker; else empty.
  bool multi_label = false;         // problem_type multi_label_classification: sigmoid each.
  bool has_sparse = false;          // SparseRows works: a masked-LM head or bge-m3's sparse layer.
  bool has_token_head = false;      // TokenVectors passes through a layer of its own and is
                                    // normalised (ColBERT, bge-m3), else they are hidden states.
};

// What the caller knows better than the files.
struct OpenOptions {
  std::optional<Task> task = std::nullopt;  // kSparse for a masked-LM model without modules.json.
  std::optional<Pooling> pooling = std::nullopt;
  // What the layers' products multiply; norms, residuals, softmax sums, heads and pooling are f32.
  // A static embedding has no products and stays f32.
  kernels::Precision precision = kernels::Precision::kFloat32;
  // For int8 of BERT's kind (BERT, RoBERTa, XLM-R, DistilBERT): some texts as token ids, in the
  // languages and of the kinds that will be embedded. Weights are then scaled and rounded for them,
  // which halves what int8 changes in a vector (docs/decisions/0016-rounding-for-texts.md), and no
  // product of a layer but a few inputs' has to stay in bfloat16. Vectors depend on these texts.
  // Opening takes a pass in f32 over them, with f32 weights in memory meanwhile: half a second with
  // 2,000 tokens and 10 million values, so models with more than 32 million in their layers are
  // opened as without.
  std::vector<std::vector<std::int32_t>> samples = {};
  // Where not empty: what the pass found is kept there, a few MB a model, and opening the same
  // model again reads it instead. Vectors are the same bits either way.
  std::string samples_folder = {};
};

struct EncodeOptions {
  std::optional<bool> normalize = std::nullopt;  // Unset: as the model's files say.
  std::size_t dimensions = 0;  // Matryoshka: keep the first so many, then normalise. 0: all.
};

// A text's terms: ids rise, weights are above 0.
struct SparseRow {
  std::vector<std::uint32_t> ids;
  std::vector<float> weights;
};

// Vectors of the tokens of all sequences: sequence i has rows starts[i] .. starts[i + 1].
struct TokenRows {
  std::size_t dim = 0;
  std::vector<std::uint32_t> starts;
  Buffer<float> values;  // [starts.back(), dim]
};

// Which of a model's outputs one pass should give.
struct Wanted {
  bool vectors = false, logits = false, sparse = false, tokens = false;
  EncodeOptions options = {};
};
struct Outputs {
  Buffer<float> vectors;          // [count, dim or options.dimensions]
  Buffer<float> logits;           // [count, labels]
  std::vector<SparseRow> sparse;  // count
  TokenRows tokens;
};

// A text encoder from a model directory: config.json, *.safetensors (mapped; shards too),
// sentence-transformers' modules.json, 1_Pooling and 2_Dense folders, sentence_bert_config.json.
// Reference implementation: transformers and sentence-transformers.
//
// Bit-exact: a sequence's results do not depend on what else is in the batch, on the order or on
// the number of threads. In f32 AVX2 and AVX-512 give the same bits, the scalar level differs by
// rounding; see kernels/gemm.h for the other precisions.
// The vocabulary's table stays mapped, all other weights are packed at opening for the CPU level
// that is active then. Memory: linear in the tokens of a chunk (512, or one longer sequence).
// Thread safety: all methods may run concurrently; each call uses `pool` for parallelism over
// sequences (bulk) or over output columns (one short query).
class Encoder {
 public:
  // Errors: kNotFound (file missing), kUnsupported (model_type, activation or another field of the
  // configuration that is not implemented, naming it), kCorruption (also weights that are no
  // numbers), kInvalidArgument (options ask for what the weights do not have).
  static Result<std::shared_ptr<const Encoder>> Open(const std::string& directory,
                                                     const OpenOptions& options = {});
  virtual ~Encoder() = default;

  virtual const EncoderConfig& config() const = 0;
  virtual os::CpuLevel level() const = 0;         // The level that was active at opening.
  virtual os::CpuLevel kernel_level() const = 0;  // Of the products' code: at most level().
  virtual kernels::Precision precision() const = 0;
  // SHA-256 (hexadecimal) of what decides the vectors but for the tokenizer: configuration,
  // precision (where it is not f32), every tensor's name, type, shape and first 4 KiB. Two
  // checkpoints of one architecture differ in it.
  virtual const std::string& fingerprint() const = 0;

  // All wanted outputs in one pass through the layers. `cancel`, if given, is polled between groups
  // of sequences: kCancelled.
  // Errors: kOutOfRange for an id outside the vocabulary, a sequence over max_tokens or empty, or
  // too many dimensions; kInvalidArgument for a batch whose parts do not fit together;
  // kUnsupported for an output that the model has not; kCorruption, naming the sequence, for a
  // result that is no number.
  virtual Result<Outputs> Run(const PackedBatch& batch, const Wanted& wanted, os::ThreadPool& pool,
                              const Cancel* cancel = nullptr) const = 0;

  // Pooled (and normalised, if the model says so) vectors, row-major [count, dim].
  Result<Buffer<float>> Encode(const PackedBatch& batch, os::ThreadPool& pool,
                               const Cancel* cancel = nullptr,
                               const EncodeOptions& options = {}) const;
  // Classifiers and rerankers: raw logits [count, labels]; the caller applies softmax or sigmoid.
  // A yes/no reranker gives logit(yes) - logit(no), whose sigmoid is the softmax of the two.
  Result<Buffer<float>> Logits(const PackedBatch& batch, os::ThreadPool& pool,
                               const Cancel* cancel = nullptr) const;
  // Needs has_sparse. SPLADE: max over tokens of log(1 + relu(logit)), all tokens, special ones
  // too, as the reference. bge-m3: relu(linear) per token, max over a token id's places, without
  // <s>, </s>, <pad> and <unk>.
  Result<std::vector<SparseRow>> SparseRows(const PackedBatch& batch, os::ThreadPool& pool,
                                            const Cancel* cancel = nullptr) const;
  // Rows of token_dim for every token; bge-m3 leaves out the first token of a sequence.
  Result<TokenRows> TokenVectors(const PackedBatch& batch, os::ThreadPool& pool,
                                 const Cancel* cancel = nullptr) const;
  // Last hidden states, [tokens, hidden]: TEI's embed_all, tests.
  virtual Result<Buffer<float>> HiddenStates(const PackedBatch& batch, os::ThreadPool& pool,
                                             const Cancel* cancel = nullptr) const = 0;
  // [layers + 1][tokens, hidden]: the embeddings, then what each layer leaves (before a final
  // norm). For comparing with other implementations.
  virtual Result<std::vector<Buffer<float>>> LayerStates(const PackedBatch& batch,
                                                         os::ThreadPool& pool) const = 0;
};

}  // namespace malmoi::model
