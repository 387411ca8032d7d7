#include "embed/engine.h"

#include <algorithm>

#include "base/utf8.h"
#include "embed/about_internal.h"
#include "json/value.h"
#include "model/encoder.h"
#include "os/cpu_info.h"
#include "os/paths.h"
#include "os/thread_pool.h"
#include "os/vfs.h"

namespace malmoi::embed {
namespace {

const char* PoolingName(model::Pooling pooling) {
  switch (pooling) {
    case model::Pooling::kMean:
      return "mean";
    case model::Pooling::kCls:
      return "cls";
    case model::Pooling::kMax:
      return "max";
    case model::Pooling::kLast:
      return "last_token";
  }
  return "mean";
}

// One vector of the rows of a sequence, as the encoder pools, without its norm.
std::vector<float> Pooled(model::Pooling pooling, std::span<const float> rows, std::size_t dim) {
  const std::size_t tokens = rows.size() / dim;
  if (pooling == model::Pooling::kLast) rows = rows.last(dim);
  std::vector<float> out(rows.begin(), rows.begin() + static_cast<std::ptrdiff_t>(dim));
  if (pooling == model::Pooling::kCls || pooling == model::Pooling::kLast) return out;
  for (std::size_t t = 1; t < tokens; ++t) {
    for (std::size_t i = 0; i < dim; ++i) {
      const float v = rows[t * dim + i];
      out[i] = pooling == model::Pooling::kMax ? std::max(out[i], v) : out[i] + v;
    }
  }
  if (pooling == model::Pooling::kMean) {
    for (float& v : out) v /= static_cast<float>(tokens);
  }
  return out;
}

model::PackedBatch Pack(std::span<Job* const> jobs) {
  model::PackedBatch batch;
  batch.starts.push_back(0);
  for (const Job* job : jobs) {
    const text::Encoding& e = job->encoding;
    batch.ids.insert(batch.ids.end(), e.ids.begin(), e.ids.end());
    batch.type_ids.insert(batch.type_ids.end(), e.type_ids.begin(), e.type_ids.end());
    batch.starts.push_back(static_cast<std::uint32_t>(batch.ids.size()));
  }
  return batch;
}

class ModelEngine final : public Engine {
 public:
  ModelEngine(std::shared_ptr<const model::Encoder> encoder,
              std::shared_ptr<const text::Tokenizer> tokenizer, EngineInfo info,
              const EngineOptions& options)
      : encoder_(std::move(encoder)),
        tokenizer_(std::move(tokenizer)),
        info_(std::move(info)),
        default_prompt_(options.default_prompt),
        pool_(options.threads == 0 ? os::UsableCores() : options.threads, "embed"),
        scheduler_(
            {.batch_tokens_max = options.batch_tokens_max,
             .batch_jobs_max = options.batch_jobs_max,
             .jobs_max = options.jobs_max,
             .tokens_max = options.jobs_max * info_.max_tokens},
            [this](std::span<Job* const> batch) { return Run(batch); }, options.on_batch) {}

  const EngineInfo& info() const override { return info_; }
  const text::Tokenizer& tokenizer() const override { return *tokenizer_; }
  Status Submit(std::span<Job> jobs, const Cancel* cancel) override {
    return scheduler_.Submit(jobs, cancel);
  }
  std::size_t waiting() const override { return scheduler_.waiting(); }

  Result<std::string> PromptOf(const std::optional<std::string>& name) const override {
    if (!name) return default_prompt_.value_or("");
    if (info_.prompts.empty()) {
      return Error(Code::kInvalidArgument,
                   "`default-prompt-name` is set to `" + *name +
                       "` but no prompts were found in the Sentence Transformers configuration");
    }
    std::string known;
    for (const auto& [key, value] : info_.prompts) {
      if (key == *name) return value;
      known += (known.empty() ? "\"" : ", \"") + key + "\"";
    }
    return Error(Code::kInvalidArgument,
                 "`default-prompt-name` is set to `" + *name +
                     "` but it was not found in the Sentence Transformers prompts. Available "
                     "prompts: [" +
                     known + "]");
  }

  Result<text::Encoding> Prepare(const Input& input, const PrepareOptions& options) const override {
    MALMOI_TRY(const std::string prompt, PromptOf(options.prompt_name));
    const std::size_t limit = info_.max_tokens * kCharactersPerToken;
    Input cut = input;
    if (const std::size_t given = input.characters(); given > limit) {
      if (!options.truncate) {
        return Error(Code::kOutOfRange, "`inputs` must have less than " + std::to_string(limit) +
                                            " characters. Given: " + std::to_string(given));
      }
      CutTo(limit, &cut);
    }
    const text::EncodeOptions encode = {.add_special_tokens = true,
                                        .max_tokens = options.truncate ? info_.max_tokens : 0,
                                        .cut_left = options.cut_left};
    MALMOI_TRY(text::Encoding encoding, Encode(cut, prompt, encode));
    if (encoding.size() > info_.max_tokens) {
      return Error(Code::kOutOfRange, "`inputs` must have less than " +
                                          std::to_string(info_.max_tokens) +
                                          " tokens. Given: " + std::to_string(encoding.size()));
    }
    return encoding;
  }

 private:
  // In bytes, and only where that does not cut a character, as the tool does that this follows.
  static void CutTo(std::size_t limit, Input* input) {
    const auto cut = [](std::string_view text, std::size_t at) {
      return at < text.size() && FloorRune(text, at) == at ? text.substr(0, at) : text;
    };
    if (input->second) {
      input->text = cut(input->text, limit / 2);
      input->second = cut(*input->second, limit / 2);
    } else {
      input->text = cut(input->text, limit);
    }
  }

  Result<text::Encoding> Encode(const Input& input, const std::string& prompt,
                                text::EncodeOptions options) const {
    if (input.second) {
      if (!prompt.empty()) {
        return Error(Code::kInvalidArgument, "`prompt_name` cannot be set with dual inputs");
      }
      return tokenizer_->EncodePair(input.text, *input.second, options);
    }
    if (input.ids) {
      options.add_special_tokens = !prompt.empty();
      return tokenizer_->Encode(prompt + tokenizer_->Decode(*input.ids, !prompt.empty()), options);
    }
    if (prompt.empty()) return tokenizer_->Encode(input.text, options);
    return tokenizer_->Encode(prompt + std::string(input.text), options);
  }

  Status Run(std::span<Job* const> jobs) {
    const model::PackedBatch batch = Pack(jobs);
    MALMOI_TRY(const Buffer<float> rows, encoder_->HiddenStates(batch, pool_));
    for (std::size_t i = 0; i < jobs.size(); ++i) {
      const float* begin = rows.data() + batch.starts[i] * info_.dim;
      const float* end = rows.data() + batch.starts[i + 1] * info_.dim;
      jobs[i]->width = info_.dim;
      jobs[i]->values = jobs[i]->output == Output::kTokens
                            ? std::vector<float>(begin, end)
                            : Pooled(encoder_->config().pooling, {begin, end}, info_.dim);
    }
    return Ok();
  }

  const std::shared_ptr<const model::Encoder> encoder_;
  const std::shared_ptr<const text::Tokenizer> tokenizer_;
  const EngineInfo info_;
  const std::optional<std::string> default_prompt_;
  os::ThreadPool pool_;  // Used by the scheduler's batch, one at a time.
  Scheduler scheduler_;
};

Status SetMaxTokens(std::size_t model_max, const EngineOptions& options, EngineInfo* info) {
  info->max_tokens = model_max;
  if (model_max <= options.batch_tokens_max) return Ok();
  if (!options.auto_truncate) {
    return Error(Code::kInvalidArgument,
                 "the model takes inputs of " + std::to_string(model_max) +
                     " tokens, which exceeds --max-batch-tokens " +
                     std::to_string(options.batch_tokens_max) +
                     ": raise it, or let inputs be cut with --auto-truncate true");
  }
  info->max_tokens = options.batch_tokens_max;
  return Ok();
}

Status SetPrompts(const json::Value& config, EngineOptions* options, EngineInfo* info) {
  if (const json::Value* prompts = config.Find("prompts"); prompts != nullptr) {
    for (const auto& [name, text] : prompts->members()) {
      if (const auto value = text.AsString()) info->prompts.emplace_back(name, *value);
    }
  }
  if (!options->default_prompt_name) return Ok();
  if (options->default_prompt) {
    return Error(Code::kInvalidArgument,
                 "--default-prompt and --default-prompt-name cannot be given together");
  }
  for (const auto& [name, text] : info->prompts) {
    if (name == *options->default_prompt_name) options->default_prompt = text;
  }
  if (options->default_prompt) return Ok();
  return Error(Code::kInvalidArgument,
               "--default-prompt-name '" + *options->default_prompt_name +
                   "' is not among the prompts of config_sentence_transformers.json");
}

}  // namespace

bool Input::empty() const {
  if (ids) return ids->empty();
  return text.empty() && (!second || second->empty());
}

std::size_t Input::characters() const {
  if (ids) return ids->size();
  return CountRunes(text) + (second ? CountRunes(*second) : 0);
}

Result<std::shared_ptr<Engine>> Engine::Open(const std::string& directory,
                                             const EngineOptions& given) {
  const std::string where = "open model '" + directory + "'";
  EngineOptions options = given;
  MALMOI_TRY(auto encoder, model::Encoder::Open(directory));
  MALMOI_TRY(auto tokenizer_json,
             os::ReadFile(os::PosixVfs(), os::JoinPath(directory, "tokenizer.json")).With(where));
  MALMOI_TRY(auto tokenizer, text::Tokenizer::FromJson(tokenizer_json).With(where));
  MALMOI_TRY(const auto about, ReadModelJson(directory, "malmoi.json"));
  MALMOI_TRY(const auto config, ReadModelJson(directory, "config_sentence_transformers.json"));
  EngineInfo info;
  info.id = ModelIdOf(directory, about);
  info.directory = directory;
  info.pooling = PoolingName(encoder->config().pooling);
  info.dtype = options.dtype;
  info.dim = static_cast<std::size_t>(encoder->config().hidden);
  MALMOI_TRY(SetMaxTokens(encoder->config().max_tokens, options, &info).With(where));
  MALMOI_TRY(SetPrompts(config, &options, &info).With(where));
  return std::shared_ptr<Engine>(std::make_shared<ModelEngine>(
      std::move(encoder), std::move(tokenizer), std::move(info), options));
}

}  // namespace malmoi::embed
