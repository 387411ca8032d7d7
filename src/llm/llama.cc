#include <dlfcn.h>

#include <mutex>

#include "llm/llama_internal.h"
#include "os/paths.h"
#include "os/vfs.h"

namespace malmoi::llm {
namespace {

constexpr const char* kLibrary = "libllama.v0.5.0.so";
constexpr const char* kGgml = "libggml.v0.5.0.so";

void Silent(int, const char*, void*) {}

Result<void*> Open(const std::string& directory, const char* name) {
  const std::string path = os::JoinPath(directory, name);
  // Local: its symbols must not meet those of another library in the process.
  void* handle = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    const char* why = ::dlerror();
    return Error(Code::kUnavailable, "load " + path + ": " + (why == nullptr ? "failed" : why));
  }
  return handle;
}

template <class F>
Status Bind(void* handle, const char* symbol, F* out) {
  *out = reinterpret_cast<F>(::dlsym(handle, symbol));
  if (*out != nullptr) return Ok();
  return Error(Code::kUnavailable, std::string(kLibrary) + " lacks " + symbol +
                                       ": it is not llama.cpp v0.5.0; run the set-up again");
}

Status BindModel(void* h, Llama* a) {
  MALMOI_TRY(Bind(h, "llama_version", &a->version));
  MALMOI_TRY(Bind(h, "llama_log_set", &a->log_set));
  MALMOI_TRY(Bind(h, "llama_backend_init", &a->backend_init));
  MALMOI_TRY(Bind(h, "llama_model_default_params", &a->model_default_params));
  MALMOI_TRY(Bind(h, "llama_context_default_params", &a->context_default_params));
  MALMOI_TRY(Bind(h, "llama_model_load_from_file", &a->model_load_from_file));
  MALMOI_TRY(Bind(h, "llama_model_free", &a->model_free));
  MALMOI_TRY(Bind(h, "llama_init_from_model", &a->init_from_model));
  MALMOI_TRY(Bind(h, "llama_free", &a->free));
  MALMOI_TRY(Bind(h, "llama_model_get_vocab", &a->model_get_vocab));
  MALMOI_TRY(Bind(h, "llama_model_chat_template", &a->model_chat_template));
  MALMOI_TRY(Bind(h, "llama_model_n_ctx_train", &a->model_n_ctx_train));
  return Ok();
}

Status BindUse(void* h, Llama* a) {
  MALMOI_TRY(Bind(h, "llama_vocab_n_tokens", &a->vocab_n_tokens));
  MALMOI_TRY(Bind(h, "llama_vocab_is_eog", &a->vocab_is_eog));
  MALMOI_TRY(Bind(h, "llama_tokenize", &a->tokenize));
  MALMOI_TRY(Bind(h, "llama_token_to_piece", &a->token_to_piece));
  MALMOI_TRY(Bind(h, "llama_chat_apply_template", &a->chat_apply_template));
  MALMOI_TRY(Bind(h, "llama_batch_get_one", &a->batch_get_one));
  MALMOI_TRY(Bind(h, "llama_decode", &a->decode));
  MALMOI_TRY(Bind(h, "llama_get_memory", &a->get_memory));
  MALMOI_TRY(Bind(h, "llama_memory_clear", &a->memory_clear));
  MALMOI_TRY(Bind(h, "llama_get_logits_ith", &a->get_logits_ith));
  return Ok();
}

// The defaults of tag v0.5.0 at every field next to a change of type or kind.
Status CheckLayout(const Llama& a) {
  const LlamaModelParams m = a.model_default_params();
  const LlamaContextParams c = a.context_default_params();
  const bool model = m.devices == nullptr && m.n_gpu_layers == -1 && m.split_mode == 1 &&
                     m.main_gpu == 0 && m.progress_callback == nullptr &&
                     m.kv_overrides == nullptr && !m.vocab_only && m.use_extra_bufts && !m.load_mtp;
  const bool context = c.n_ctx == 512 && c.n_batch == 2048 && c.n_ubatch == 512 &&
                       c.n_seq_max == 1 && c.n_outputs_max_per_seq == 1 && c.n_threads == 4 &&
                       c.n_threads_batch == 4 && c.pooling_type == -1 && c.attention_type == -1 &&
                       c.flash_attn_type == -1 && c.yarn_ext_factor == -1.0F &&
                       c.defrag_thold == -1.0F && c.type_k == 1 && c.type_v == 1 &&
                       c.abort_callback == nullptr && !c.embeddings && c.offload_kqv &&
                       c.swa_full && !c.kv_unified && c.n_samplers == 0 && c.ctx_other == nullptr;
  if (model && context) return Ok();
  return Error(Code::kUnavailable, std::string(kLibrary) + " says it is " + a.version() +
                                       ", but its parameters are not those of v0.5.0; run the "
                                       "set-up again");
}

Result<const Llama*> Load() {
  const auto directory = os::FindAsset("llama");
  if (!directory) {
    return Error(Code::kUnavailable,
                 "llama.cpp is missing (asset llama/): run the set-up with the language model, or "
                 "name an OpenAI-compatible endpoint");
  }
  static Llama api;
  MALMOI_TRY(void* const llama, Open(*directory, kLibrary));
  MALMOI_TRY(void* const ggml, Open(*directory, kGgml));
  MALMOI_TRY(BindModel(llama, &api));
  MALMOI_TRY(BindUse(llama, &api));
  MALMOI_TRY(Bind(ggml, "ggml_backend_load_all_from_path", &api.load_all_from_path));
  api.log_set(Silent, nullptr);
  MALMOI_TRY(CheckLayout(api));
  api.load_all_from_path(directory->c_str());  // Picks the CPU variant.
  api.backend_init();
  return &api;
}

}  // namespace

Result<const Llama*> LoadLlama() {
  static std::mutex mutex;
  static const Llama* loaded = nullptr;  // guarded by mutex; a failure is tried again.
  const std::lock_guard lock(mutex);
  if (loaded == nullptr) {
    MALMOI_TRY(loaded, Load());
  }
  return loaded;
}

}  // namespace malmoi::llm
