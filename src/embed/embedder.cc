#include "embed/embedder.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/hash.h"
#include "base/strings.h"
#include "embed/about_internal.h"
#include "embed/open_model_internal.h"
#include "embed/turns.h"
#include "json/value.h"
#include "model/encoder.h"
#include "os/cpu_info.h"
#include "os/paths.h"
#include "os/thread_pool.h"
#include "os/vfs.h"
#include "text/tokenizer.h"

namespace malmoi::embed {
namespace {

// Texts tokenised in parallel before their tokens are counted.
constexpr std::size_t kTextsAtOnce = 32;

struct Prompts {
  std::string query, passage;
};

// E5's model card demands its prompts, but its own repository does not carry them in a file.
Prompts PromptsOf(const std::string& id, const json::Value& config) {
  Prompts out;
  if (const json::Value* prompts = config.Find("prompts"); prompts != nullptr) {
    out.query = prompts->GetString("query");
    out.passage = prompts->GetString("passage", prompts->GetString("document"));
  }
  const std::string lower = AsciiLower(id);
  const bool e5 =
      lower.find("e5-") != std::string::npos && lower.find("instruct") == std::string::npos;
  if (e5 && out.query.empty() && out.passage.empty()) out = {"query: ", "passage: "};
  return out;
}

class ModelEmbedder final : public Embedder {
 public:
  ModelEmbedder(std::shared_ptr<const model::Encoder> encoder,
                std::shared_ptr<const text::Tokenizer> tokenizer, const EmbedderOptions& options)
      : encoder_(std::move(encoder)),
        tokenizer_(std::move(tokenizer)),
        batch_tokens_(std::max<std::size_t>(options.batch_tokens, 1)),
        pool_(options.threads == 0 ? os::UsableCores() : options.threads, "embed") {}

  void SetIdentity(std::string id, Prompts prompts, std::uint64_t tokenizer_hash) {
    id_ = std::move(id);
    prompts_ = std::move(prompts);
    fingerprint_ = Sha256Hex(encoder_->fingerprint() + '\0' + std::to_string(tokenizer_hash) +
                             '\0' + prompts_.query + '\0' + prompts_.passage);
  }

  Result<Embeddings> Embed(std::span<const std::string_view> texts, Prompt prompt,
                           const Cancel* cancel) override {
    Embeddings out{.dim = dim(), .values = Buffer<float>(texts.size() * dim())};
    std::uint64_t bytes = 0;
    for (const std::string_view text : texts) bytes += text.size();
    for (std::size_t done = 0; done < texts.size();) {
      if (cancel != nullptr && cancel->IsSet()) {
        return Error(Code::kCancelled, "embedding was cancelled after " + std::to_string(done) +
                                           " of " + std::to_string(texts.size()) + " texts");
      }
      const Turns::Turn turn(&turns_, bytes);
      const model::PackedBatch batch = NextBatch(texts.subspan(done), prompt);
      MALMOI_TRY(auto rows, encoder_->Encode(batch, pool_, cancel));
      std::copy_n(rows.data(), rows.size(), out.values.data() + done * dim());
      for (std::size_t i = 0; i < batch.count(); ++i) bytes -= texts[done + i].size();
      done += batch.count();
    }
    return out;
  }

  std::size_t dim() const override { return encoder_->config().dim; }
  std::size_t max_tokens() const override { return encoder_->config().max_tokens; }
  std::size_t CountTokens(std::string_view text) const override {
    return tokenizer_->Encode(text).size();
  }
  const std::string& id() const override { return id_; }
  const std::string& fingerprint() const override { return fingerprint_; }

 private:
  // The first texts, until they have batch_tokens_ tokens; at least one.
  model::PackedBatch NextBatch(std::span<const std::string_view> texts, Prompt prompt) {
    model::PackedBatch batch;
    batch.starts = {0};
    while (batch.count() < texts.size() && batch.ids.size() < batch_tokens_) {
      const auto some = texts.subspan(batch.count());
      for (const text::Encoding& encoding :
           Tokenize(some.first(std::min(some.size(), kTextsAtOnce)), prompt)) {
        batch.ids.insert(batch.ids.end(), encoding.ids.begin(), encoding.ids.end());
        batch.type_ids.insert(batch.type_ids.end(), encoding.type_ids.begin(),
                              encoding.type_ids.end());
        batch.starts.push_back(static_cast<std::uint32_t>(batch.ids.size()));
      }
    }
    return batch;
  }

  std::vector<text::Encoding> Tokenize(std::span<const std::string_view> texts, Prompt prompt) {
    std::vector<text::Encoding> out(texts.size());
    pool_.ParallelFor(texts.size(), [&](std::size_t, std::size_t begin, std::size_t end) {
      for (std::size_t i = begin; i < end; ++i) out[i] = EncodeText(texts[i], prompt);
    });
    return out;
  }

  text::Encoding EncodeText(std::string_view text, Prompt prompt) const {
    const text::EncodeOptions options{.add_special_tokens = encoder_->config().special_tokens,
                                      .max_tokens = max_tokens()};
    const std::string& prefix = prompt == Prompt::kQuery ? prompts_.query : prompts_.passage;
    if (prompt == Prompt::kNone || prefix.empty()) return tokenizer_->Encode(text, options);
    return tokenizer_->Encode(prefix + std::string(text), options);
  }

  const std::shared_ptr<const model::Encoder> encoder_;
  const std::shared_ptr<const text::Tokenizer> tokenizer_;
  const std::size_t batch_tokens_;
  os::ThreadPool pool_;  // Used by the call that has the turn.
  Turns turns_;
  std::string id_, fingerprint_;
  Prompts prompts_;
};

}  // namespace

Result<std::shared_ptr<Embedder>> Embedder::Open(const std::string& directory,
                                                 const EmbedderOptions& options) {
  const std::string where = "open embedding model '" + directory + "'";
  MALMOI_TRY(auto opened, OpenModel(directory, {.precision = options.precision}, where));
  MALMOI_TRY(auto about, ReadModelJson(directory, "malmoi.json"));
  MALMOI_TRY(auto config, ReadModelJson(directory, "config_sentence_transformers.json"));
  std::string id = ModelIdOf(directory, about);
  Prompts prompts = PromptsOf(id, config);
  auto out = std::make_shared<ModelEmbedder>(std::move(opened.encoder), std::move(opened.tokenizer),
                                             options);
  out->SetIdentity(std::move(id), std::move(prompts), opened.tokenizer_hash);
  return std::shared_ptr<Embedder>(std::move(out));
}

}  // namespace malmoi::embed
