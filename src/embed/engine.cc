#include "embed/engine.h"

#include <algorithm>

#include "base/utf8.h"
#include "embed/about_internal.h"
#include "embed/open_model_internal.h"
#include "json/value.h"
#include "kernels/gemm.h"
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
    case model::Pooling::kMeanSqrt:
      return "mean_sqrt_len";
    case model::Pooling::kWeightedMean:
      return "weighted_mean";
  }
  return "mean";
}

ModelKind KindOf(model::Task task) {
  switch (task) {
    case model::Task::kClassification:
      return ModelKind::kClassifier;
    case model::Task::kReranker:
      return ModelKind::kReranker;
    case model::Task::kSparse:
      return ModelKind::kSparse;
    case model::Task::kEmbedding:
    case model::Task::kTokenVectors:
      break;
  }
  return ModelKind::kEmbedding;
}

Result<model::OpenOptions> OpenOptionsOf(const EngineOptions& options) {
  model::OpenOptions out;
  // No processor here multiplies float16 faster than float32, which holds all its values.
  if (options.dtype != "float16") {
    MALMOI_TRY(out.precision, kernels::ParsePrecision(options.dtype));
  }
  if (options.pooling == "splade") {
    out.task = model::Task::kSparse;
  } else if (options.pooling == "cls") {
    out.pooling = model::Pooling::kCls;
  } else if (options.pooling == "mean") {
    out.pooling = model::Pooling::kMean;
  } else if (options.pooling == "last-token") {
    out.pooling = model::Pooling::kLast;
  } else if (!options.pooling.empty()) {
    return Error(Code::kInvalidArgument,
                 "pooling '" + options.pooling + "' is not one of cls, mean, splade, last-token");
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
    batch.prompt_tokens.push_back(job->prompt_tokens);
  }
  return batch;
}

// Rows of a batch to its jobs: row i, or rows starts[i] to starts[i + 1] where there are starts.
void HandOut(std::span<const float> rows, std::size_t width, std::span<const std::uint32_t> starts,
             std::span<Job* const> jobs) {
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    const std::size_t begin = starts.empty() ? i : starts[i];
    const std::size_t end = starts.empty() ? i + 1 : starts[i + 1];
    const auto part = rows.subspan(begin * width, (end - begin) * width);
    jobs[i]->width = width;
    jobs[i]->values.assign(part.begin(), part.end());
  }
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

  Result<Job> Prepare(const Input& input, const PrepareOptions& options) const override {
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
    const text::EncodeOptions encode = {.add_special_tokens = encoder_->config().special_tokens,
                                        .max_tokens = options.truncate ? info_.max_tokens : 0,
                                        .cut_left = options.cut_left};
    MALMOI_TRY(text::Encoding encoding, Encode(cut, prompt, encode));
    if (encoding.size() > info_.max_tokens) {
      return Error(Code::kOutOfRange, "`inputs` must have less than " +
                                          std::to_string(info_.max_tokens) +
                                          " tokens. Given: " + std::to_string(encoding.size()));
    }
    return Job{.encoding = std::move(encoding), .prompt_tokens = PromptTokens(prompt)};
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

  // Those that pooling leaves out, counted as sentence-transformers does: the prompt alone, without
  // the template's last token.
  std::uint32_t PromptTokens(const std::string& prompt) const {
    if (info_.include_prompt || prompt.empty()) return 0;
    const std::size_t tokens = tokenizer_->Encode(prompt).size();
    return static_cast<std::uint32_t>(tokens - std::min<std::size_t>(tokens, 1));
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
    Status status = RunOutput(jobs);
    if (status.ok() || status.error().code() != Code::kCorruption) return status;
    return Error(Code::kInternal, status.error().message());  // A result that is no number.
  }

  Status RunOutput(std::span<Job* const> jobs) {
    const model::PackedBatch batch = Pack(jobs);
    switch (jobs.front()->output) {
      case Output::kPooled: {
        MALMOI_TRY(const auto rows, encoder_->Encode(batch, pool_, nullptr, {.normalize = false}));
        HandOut(rows.span(), info_.dim, {}, jobs);
        break;
      }
      case Output::kTokens: {
        MALMOI_TRY(const auto rows, encoder_->HiddenStates(batch, pool_));
        HandOut(rows.span(), static_cast<std::size_t>(encoder_->config().hidden), batch.starts,
                jobs);
        break;
      }
      case Output::kScores: {
        MALMOI_TRY(const auto rows, encoder_->Logits(batch, pool_));
        HandOut(rows.span(), rows.size() / jobs.size(), {}, jobs);
        break;
      }
      case Output::kSparse: {
        MALMOI_TRY(const auto rows, encoder_->SparseRows(batch, pool_));
        for (std::size_t i = 0; i < jobs.size(); ++i) {
          for (std::size_t k = 0; k < rows[i].ids.size(); ++k) {
            jobs[i]->sparse.push_back({rows[i].ids[k], rows[i].weights[k]});
          }
        }
        break;
      }
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

void Describe(const model::EncoderConfig& config, const json::Value& file, EngineInfo* info) {
  info->kind = KindOf(config.task);
  info->dim = config.dim;
  info->has_sparse = config.has_sparse;
  info->include_prompt = config.include_prompt;
  for (const model::Pooling pooling : config.poolings) {
    info->pooling += (info->pooling.empty() ? "" : "+") + std::string(PoolingName(pooling));
  }
  if (info->kind == ModelKind::kSparse) info->pooling = "splade";
  info->labels = config.labels;
  if (const json::Value* ids = file.Find("label2id"); ids != nullptr) {
    for (const auto& [label, id] : ids->members()) {
      info->label_ids.emplace_back(label, id.AsInt().value_or(0));
    }
  }
  for (std::size_t i = 0; info->label_ids.size() < info->labels.size(); ++i) {
    info->label_ids.emplace_back(info->labels[i], static_cast<std::int64_t>(i));
  }
}

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
  std::string known;
  for (const auto& [name, text] : info->prompts) {
    if (name == *options->default_prompt_name) options->default_prompt = text;
    known += (known.empty() ? "" : ", ") + name;
  }
  if (options->default_prompt) return Ok();
  return Error(Code::kInvalidArgument,
               "--default-prompt-name '" + *options->default_prompt_name +
                   "' is not among the prompts of config_sentence_transformers.json (" +
                   (known.empty() ? "it has none" : known) +
                   "); give one of these, or the text itself with --default-prompt");
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
  MALMOI_TRY(const auto open, OpenOptionsOf(options));
  MALMOI_TRY(auto opened, OpenModel(directory, open, where));
  auto encoder = std::move(opened.encoder);
  MALMOI_TRY(const auto about, ReadModelJson(directory, "malmoi.json"));
  MALMOI_TRY(const auto config, ReadModelJson(directory, "config_sentence_transformers.json"));
  MALMOI_TRY(const auto model_config, ReadModelJson(directory, "config.json"));
  EngineInfo info;
  info.id = ModelIdOf(directory, about);
  info.directory = directory;
  info.dtype = kernels::PrecisionName(encoder->precision());
  Describe(encoder->config(), model_config, &info);
  MALMOI_TRY(SetMaxTokens(encoder->config().max_tokens, options, &info).With(where));
  MALMOI_TRY(SetPrompts(config, &options, &info).With(where));
  return std::shared_ptr<Engine>(std::make_shared<ModelEngine>(
      std::move(encoder), std::move(opened.tokenizer), std::move(info), options));
}

}  // namespace malmoi::embed
