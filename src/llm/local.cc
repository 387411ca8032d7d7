// The embedded engine: one model, one context, one call at a time.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <mutex>
#include <random>
#include <thread>

#include "base/strings.h"
#include "llm/generator.h"
#include "llm/llama_internal.h"
#include "llm/text_stream_internal.h"
#include "os/paths.h"
#include "os/vfs.h"

namespace malmoi::llm {
namespace {

constexpr std::size_t kWaitersMax = 8;
constexpr std::int32_t kBatch = 512;  // Tokens between two looks at cancel.
constexpr const char* kChatMl =
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' + message['content'] "
    "+ '<|im_end|>' + '\\n'}}{% endfor %}";

// A turn in the queue for the engine; the queue is bounded.
class Turn {
 public:
  Turn(std::mutex* mutex, std::condition_variable* free, bool* busy)
      : mutex_(mutex), free_(free), busy_(busy) {}
  ~Turn() {
    const std::lock_guard lock(*mutex_);
    *busy_ = false;
    free_->notify_one();
  }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

 private:
  std::mutex* mutex_;
  std::condition_variable* free_;
  bool* busy_;
};

class Local : public Generator {
 public:
  Local(const Llama* api, llama_model* model, llama_context* context, std::string name,
        std::size_t context_tokens)
      : api_(api),
        model_(model),
        context_(context),
        vocab_(api->model_get_vocab(model)),
        name_(std::move(name)),
        context_tokens_(context_tokens) {}
  ~Local() override {
    api_->free(context_);
    api_->model_free(model_);
  }

  Result<Generation> Generate(const std::vector<Message>& messages, const GenerateOptions& options,
                              const std::function<bool(std::string_view)>& on_text) override {
    MALMOI_TRY(const std::string prompt, Prompt(messages));
    std::vector<std::int32_t> tokens = Tokenize(prompt, true);
    if (tokens.empty()) return Error(Code::kInvalidArgument, "the prompt is empty");
    if (tokens.size() >= context_tokens_) {
      return Error(Code::kOutOfRange, "the prompt has " + std::to_string(tokens.size()) +
                                          " tokens, the context holds " +
                                          std::to_string(context_tokens_) +
                                          ": ask for fewer passages or open a larger context");
    }
    MALMOI_TRY(Wait(options.cancel));
    const Turn turn(&mutex_, &free_, &busy_);
    return Run(&tokens, options, on_text);
  }

  std::string name() const override { return name_; }
  std::size_t context_tokens() const override { return context_tokens_; }
  std::size_t CountTokens(std::string_view text) const override {
    return Tokenize(text, false).size();
  }

 private:
  Status Wait(const Cancel* cancel) {
    std::unique_lock lock(mutex_);
    if (busy_ && waiters_ >= kWaitersMax) {
      return Error(Code::kOverloaded, "the model is busy and " + std::to_string(waiters_) +
                                          " calls wait already: retry later");
    }
    ++waiters_;
    while (busy_ && !(cancel != nullptr && cancel->IsSet())) {
      free_.wait_for(lock, std::chrono::milliseconds(100));
    }
    --waiters_;
    if (cancel != nullptr && cancel->IsSet()) {
      free_.notify_one();
      return Error(Code::kCancelled, "cancelled");
    }
    busy_ = true;
    return Ok();
  }

  Result<std::string> Prompt(const std::vector<Message>& messages) const {
    std::vector<LlamaChatMessage> chat;
    std::size_t bytes = 256;
    for (const Message& m : messages) {
      chat.push_back({m.role.c_str(), m.content.c_str()});
      bytes += 2 * (m.role.size() + m.content.size()) + 64;
    }
    const char* own = api_->model_chat_template(model_, nullptr);
    // The engine knows a fixed list of templates; ChatML is what most small models were tuned on.
    for (const char* form : {own, kChatMl}) {
      if (form == nullptr) continue;
      std::string out(bytes, '\0');
      for (int round = 0; round < 2; ++round) {
        const std::int32_t n =
            api_->chat_apply_template(form, chat.data(), chat.size(), true, out.data(),
                                      static_cast<std::int32_t>(out.size()));
        if (n < 0) break;
        const bool fits = static_cast<std::size_t>(n) <= out.size();
        out.resize(static_cast<std::size_t>(n));
        if (fits) return out;
      }
    }
    return Error(Code::kUnsupported, "no chat template of '" + name_ + "' can be applied");
  }

  std::vector<std::int32_t> Tokenize(std::string_view text, bool special) const {
    std::vector<std::int32_t> tokens(text.size() + 8);
    const std::int32_t n =
        api_->tokenize(vocab_, text.data(), static_cast<std::int32_t>(text.size()), tokens.data(),
                       static_cast<std::int32_t>(tokens.size()), special, special);
    tokens.resize(static_cast<std::size_t>(std::max(n, 0)));
    return tokens;
  }

  std::string Piece(std::int32_t token) const {
    std::string piece(64, '\0');
    std::int32_t n = api_->token_to_piece(vocab_, token, piece.data(), 64, 0, false);
    if (n < 0) {
      piece.resize(static_cast<std::size_t>(-n));
      n = api_->token_to_piece(vocab_, token, piece.data(), -n, 0, false);
    }
    piece.resize(static_cast<std::size_t>(std::max(n, 0)));
    return piece;
  }

  Status Decode(std::int32_t* tokens, std::size_t count, const Cancel* cancel) {
    for (std::size_t at = 0; at < count; at += kBatch) {
      if (cancel != nullptr && cancel->IsSet()) return Error(Code::kCancelled, "cancelled");
      const auto n = static_cast<std::int32_t>(std::min<std::size_t>(kBatch, count - at));
      const std::int32_t rc = api_->decode(context_, api_->batch_get_one(tokens + at, n));
      if (rc != 0) {
        return Error(Code::kInternal, "llama.cpp: decode returned " + std::to_string(rc));
      }
    }
    return Ok();
  }

  Result<Generation> Run(std::vector<std::int32_t>* prompt, const GenerateOptions& options,
                         const std::function<bool(std::string_view)>& on_text) {
    api_->memory_clear(api_->get_memory(context_), true);
    MALMOI_TRY(Decode(prompt->data(), prompt->size(), options.cancel));
    Generation out;
    out.prompt_tokens = prompt->size();
    out.finish_reason = "length";
    TextStream stream(options.stop, on_text);
    std::mt19937_64 random(std::random_device{}());
    const std::size_t room = context_tokens_ - prompt->size();
    const std::size_t limit = std::min(options.max_tokens, room);
    while (out.completion_tokens < limit) {
      std::int32_t token = Choose(options.temperature, &random);
      if (api_->vocab_is_eog(vocab_, token)) {
        out.finish_reason = "stop";
        break;
      }
      ++out.completion_tokens;
      const TextStream::State state = stream.Add(Piece(token));
      if (state == TextStream::State::kCancelled) return Error(Code::kCancelled, "cancelled");
      if (state == TextStream::State::kStopped) {
        out.finish_reason = "stop";
        break;
      }
      if (out.completion_tokens < limit) MALMOI_TRY(Decode(&token, 1, options.cancel));
    }
    if (stream.Finish() == TextStream::State::kCancelled) {
      return Error(Code::kCancelled, "cancelled");
    }
    out.text = stream.text();
    return out;
  }

  // The likeliest token, or one drawn by the softmax of logits / temperature. Double, so that a
  // vocabulary of 256 k does not lose its tail.
  std::int32_t Choose(double temperature, std::mt19937_64* random) const {
    const float* logits = api_->get_logits_ith(context_, -1);
    const std::int32_t n = api_->vocab_n_tokens(vocab_);
    const auto best = std::max_element(logits, logits + n);
    if (temperature <= 0) return static_cast<std::int32_t>(best - logits);
    std::vector<double> weights(static_cast<std::size_t>(n));
    for (std::int32_t i = 0; i < n; ++i) {
      weights[static_cast<std::size_t>(i)] = std::exp((logits[i] - *best) / temperature);
    }
    std::discrete_distribution<std::int32_t> draw(weights.begin(), weights.end());
    return draw(*random);
  }

  const Llama* const api_;
  llama_model* const model_;
  llama_context* const context_;
  const llama_vocab* const vocab_;
  const std::string name_;
  const std::size_t context_tokens_;
  std::mutex mutex_;  // guards: busy_, waiters_
  std::condition_variable free_;
  bool busy_ = false;
  std::size_t waiters_ = 0;
};

Result<std::string> FindGguf(const std::string& given) {
  if (!given.empty()) {
    if (os::PosixVfs().Stat(given).ok()) return given;
    return Error(Code::kUnavailable, "model '" + given + "' does not exist");
  }
  if (const auto folder = os::FindAsset("llm")) {
    MALMOI_TRY(const auto names, os::PosixVfs().List(*folder));
    for (const std::string& name : names) {
      if (name.ends_with(".gguf")) return os::JoinPath(*folder, name);
    }
  }
  return Error(Code::kUnavailable,
               "no language model: the asset llm/*.gguf is missing; run the set-up with the "
               "language model, or name a .gguf file");
}

}  // namespace

Result<std::unique_ptr<Generator>> OpenLocal(const LocalOptions& options) {
  MALMOI_TRY(const std::string gguf, FindGguf(options.gguf));
  MALMOI_TRY(const Llama* api, LoadLlama());
  LlamaModelParams model_params = api->model_default_params();
  llama_model* model = api->model_load_from_file(gguf.c_str(), model_params);
  if (model == nullptr) {
    return Error(Code::kCorruption, "model '" + gguf + "': llama.cpp " + api->version() +
                                        " cannot load it; is it a complete GGUF file?");
  }
  const auto trained = static_cast<std::size_t>(std::max(api->model_n_ctx_train(model), 1));
  LlamaContextParams params = api->context_default_params();
  params.n_ctx = static_cast<std::uint32_t>(std::min(options.context, trained));
  params.n_batch = kBatch;
  params.n_ubatch = kBatch;
  const std::size_t cores = std::max<std::size_t>(std::thread::hardware_concurrency(), 1);
  params.n_threads = static_cast<std::int32_t>(options.threads != 0 ? options.threads : cores);
  params.n_threads_batch = params.n_threads;
  llama_context* context = api->init_from_model(model, params);
  if (context == nullptr) {
    api->model_free(model);
    return Error(Code::kUnavailable, "model '" + gguf + "': no context of " +
                                         std::to_string(params.n_ctx) +
                                         " tokens; is there enough memory?");
  }
  std::string name = AsciiLower(os::BaseName(gguf));
  name = ReplaceAll(name, ".gguf", "");
  return std::unique_ptr<Generator>(
      std::make_unique<Local>(api, model, context, std::move(name), params.n_ctx));
}

}  // namespace malmoi::llm
