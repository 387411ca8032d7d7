#include "serve/store_models.h"

#include <map>
#include <mutex>

#include "embed/embedder.h"
#include "embed/model_store.h"

namespace malmoi::serve {
namespace {

constexpr std::size_t kModelsMax = 4;  // Each holds its weights in memory.

class StoreModels final : public vec::Vectorizer {
 public:
  explicit StoreModels(std::size_t threads) : threads_(threads) {}

  Result<std::vector<std::vector<float>>> Dense(const std::string& model,
                                                std::span<const std::string_view> texts,
                                                bool is_query) override {
    MALMOI_TRY(const auto embedder, Find(model));
    MALMOI_TRY(const auto embeddings,
               embedder->Embed(texts, is_query ? embed::Prompt::kQuery : embed::Prompt::kPassage));
    std::vector<std::vector<float>> rows;
    for (std::size_t i = 0; i < texts.size(); ++i) {
      const auto row = embeddings.row(i);
      rows.emplace_back(row.begin(), row.end());
    }
    return rows;
  }

  Result<std::vector<vec::SparseVector>> Sparse(const std::string& model,
                                                std::span<const std::string_view>, bool) override {
    return Error(Code::kNotFound, "model '" + model + "' makes no sparse vectors; use qdrant/bm25");
  }

  std::uint64_t CountTokens(const std::string& model, std::string_view text) override {
    const auto embedder = Find(model);
    return embedder.ok() ? embedder.value()->CountTokens(text) : 0;
  }

 private:
  Result<std::shared_ptr<embed::Embedder>> Find(const std::string& model) {
    const std::lock_guard lock(mutex_);
    const auto found = open_.find(model);
    if (found != open_.end()) return found->second;
    if (open_.size() == kModelsMax) {
      return Error(Code::kOutOfRange, "open model '" + model + "': " + std::to_string(kModelsMax) +
                                          " models are open already; restart to use others");
    }
    MALMOI_TRY(const auto directory, embed::FindModel(model));
    MALMOI_TRY(auto embedder, embed::Embedder::Open(directory, {.threads = threads_}));
    open_[model] = embedder;
    return embedder;
  }

  std::size_t threads_;
  std::mutex mutex_;  // guards: open_; held while a model is read, which others then wait for
  std::map<std::string, std::shared_ptr<embed::Embedder>> open_;
};

}  // namespace

std::unique_ptr<vec::Vectorizer> MakeStoreModels(std::size_t threads) {
  return std::make_unique<StoreModels>(threads);
}

}  // namespace malmoi::serve
