#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "vec/point.h"

namespace malmoi::vec {

// Text to vectors on behalf of a collection, so that clients may send text where a vector stands
// (Qdrant's inference). `vec` knows no model: the composition root injects an implementation over
// embed::Embedder and text::Analyzer. Thread-safe.
class Vectorizer {
 public:
  virtual ~Vectorizer() = default;
  // Errors: kNotFound for a model that is not loaded, kOverloaded.
  virtual Result<std::vector<std::vector<float>>> Dense(const std::string& model,
                                                        std::span<const std::string_view> texts,
                                                        bool is_query) = 0;
  virtual Result<std::vector<SparseVector>> Sparse(const std::string& model,
                                                   std::span<const std::string_view> texts,
                                                   bool is_query) = 0;
  // Tokens of `text` for that model, for reports of use; 0 where that is not known.
  virtual std::uint64_t CountTokens(const std::string&, std::string_view) { return 0; }
};

}  // namespace malmoi::vec
