#include "base/strings.h"
#include "qdrant/bm25.h"
#include "qdrant/service.h"

namespace malmoi::qdrant {
namespace {

// A model that is not there is the request's mistake; the rest is the server's.
Error Failed(const Error& error) {
  if (error.code() == Code::kIo || error.code() == Code::kInternal) {
    return ServiceFailed(error.message());
  }
  return InferenceFailed("Inference error: " + error.message());
}

}  // namespace

Result<VectorData> Inference::Infer(const Document& document, bool sparse) const {
  if (AsciiLower(document.model) == kBm25Model) {
    if (!sparse) return BadInput("Conversion between sparse and regular vectors failed");
    std::uint64_t tokens = 0;
    MALMOI_TRY(auto vector, Bm25Embed(document.text, document.options, is_query_, &tokens));
    if (usage_ != nullptr) (*usage_)[document.model] += tokens;
    return VectorData(std::move(vector));
  }
  if (vectorizer_ == nullptr) {
    return InferenceFailed("Inference error: model `" + document.model +
                           "` is not served: start the server with that model");
  }
  const std::string_view text = document.text;
  if (usage_ != nullptr) {
    (*usage_)[document.model] += vectorizer_->CountTokens(document.model, document.text);
  }
  if (sparse) {
    auto vectors = vectorizer_->Sparse(document.model, {&text, 1}, is_query_);
    if (!vectors.ok()) return Failed(vectors.error());
    return VectorData(std::move(vectors.value().front()));
  }
  auto vectors = vectorizer_->Dense(document.model, {&text, 1}, is_query_);
  if (!vectors.ok()) return Failed(vectors.error());
  return VectorData(std::move(vectors.value().front()));
}

}  // namespace malmoi::qdrant
