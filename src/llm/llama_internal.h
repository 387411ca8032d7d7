#pragma once

#include <cstddef>
#include <cstdint>

#include "base/result.h"

// llama.cpp's own opaque types, so that the engine's pointers cannot be mixed up.
struct llama_model;
struct llama_context;
struct llama_vocab;
struct llama_memory_i;

namespace malmoi::llm {

// The parts of llama.cpp's C interface (tag v0.5.0) that are used here, written down again because
// its parameter structs are passed by value: field order and sizes are facts of that tag. LoadLlama
// compares the library's defaults with those of the tag, field by field, before anything is passed
// back; another version is refused rather than guessed at.
struct LlamaModelParams {
  void* devices;
  const void* tensor_buft_overrides;
  std::int32_t n_gpu_layers;
  std::int32_t split_mode;
  std::int32_t load_mode;
  std::int32_t lazy_mode;
  std::int32_t main_gpu;
  const float* tensor_split;
  void* progress_callback;
  void* progress_callback_user_data;
  const void* kv_overrides;
  bool vocab_only;
  bool check_tensors;
  bool use_extra_bufts;
  bool no_host;
  bool no_alloc;
  bool load_mtp;
};
static_assert(sizeof(LlamaModelParams) == 80);

struct LlamaContextParams {
  std::uint32_t n_ctx;
  std::uint32_t n_batch;
  std::uint32_t n_ubatch;
  std::uint32_t n_seq_max;
  std::uint32_t n_rs_seq;
  std::uint32_t n_outputs_max;
  std::uint32_t n_outputs_max_per_seq;
  std::int32_t n_threads;
  std::int32_t n_threads_batch;
  std::int32_t ctx_type;
  std::int32_t rope_scaling_type;
  std::int32_t pooling_type;
  std::int32_t attention_type;
  std::int32_t flash_attn_type;
  float rope_freq_base;
  float rope_freq_scale;
  float yarn_ext_factor;
  float yarn_attn_factor;
  float yarn_beta_fast;
  float yarn_beta_slow;
  std::uint32_t yarn_orig_ctx;
  float defrag_thold;
  void* cb_eval;
  void* cb_eval_user_data;
  std::int32_t type_k;
  std::int32_t type_v;
  void* abort_callback;
  void* abort_callback_data;
  bool embeddings;
  bool offload_kqv;
  bool no_perf;
  bool op_offload;
  bool swa_full;
  bool kv_unified;
  void* samplers;
  std::size_t n_samplers;
  llama_context* ctx_other;
};
static_assert(sizeof(LlamaContextParams) == 160);

struct LlamaBatch {
  std::int32_t n_tokens;
  std::int32_t* token;
  float* embd;
  std::int32_t* pos;
  std::int32_t* n_seq_id;
  std::int32_t** seq_id;
  std::int8_t* logits;
};

struct LlamaChatMessage {
  const char* role;
  const char* content;
};

struct Llama {
  const char* (*version)();
  void (*log_set)(void (*)(int, const char*, void*), void*);
  void (*backend_init)();
  void (*load_all_from_path)(const char*);
  LlamaModelParams (*model_default_params)();
  LlamaContextParams (*context_default_params)();
  llama_model* (*model_load_from_file)(const char*, LlamaModelParams);
  void (*model_free)(llama_model*);
  llama_context* (*init_from_model)(llama_model*, LlamaContextParams);
  void (*free)(llama_context*);
  const llama_vocab* (*model_get_vocab)(const llama_model*);
  const char* (*model_chat_template)(const llama_model*, const char*);
  std::int32_t (*model_n_ctx_train)(const llama_model*);
  std::int32_t (*vocab_n_tokens)(const llama_vocab*);
  bool (*vocab_is_eog)(const llama_vocab*, std::int32_t);
  std::int32_t (*tokenize)(const llama_vocab*, const char*, std::int32_t, std::int32_t*,
                           std::int32_t, bool, bool);
  std::int32_t (*token_to_piece)(const llama_vocab*, std::int32_t, char*, std::int32_t,
                                 std::int32_t, bool);
  std::int32_t (*chat_apply_template)(const char*, const LlamaChatMessage*, std::size_t, bool,
                                      char*, std::int32_t);
  LlamaBatch (*batch_get_one)(std::int32_t*, std::int32_t);
  std::int32_t (*decode)(llama_context*, LlamaBatch);
  llama_memory_i* (*get_memory)(const llama_context*);
  void (*memory_clear)(llama_memory_i*, bool);
  float* (*get_logits_ith)(llama_context*, std::int32_t);
};

// Loads the asset llama/ at the first call and keeps it for the process. Thread-safe.
// Errors: kUnavailable naming the missing file or symbol, or the wrong version.
Result<const Llama*> LoadLlama();

}  // namespace malmoi::llm
