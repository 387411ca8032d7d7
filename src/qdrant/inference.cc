#include "qdrant/service.h"

namespace malmoi::qdrant {

Result<VectorData> Inference::Infer(const Document& document, bool sparse) const {
  if (vectorizer_ == nullptr) {
    return ServiceFailed("model `" + document.model +
                         "` is not served: start the server with that model");
  }
  const std::string_view text = document.text;
  if (usage_ != nullptr) {
    (*usage_)[document.model] += vectorizer_->CountTokens(document.model, document.text);
  }
  if (sparse) {
    auto vectors = vectorizer_->Sparse(document.model, {&text, 1}, is_query_);
    if (!vectors.ok()) return ServiceFailed(vectors.error().message());
    return VectorData(std::move(vectors.value().front()));
  }
  auto vectors = vectorizer_->Dense(document.model, {&text, 1}, is_query_);
  if (!vectors.ok()) return ServiceFailed(vectors.error().message());
  return VectorData(std::move(vectors.value().front()));
}

}  // namespace malmoi::qdrant
