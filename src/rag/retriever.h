#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/cancel.h"
#include "base/result.h"
#include "rag/fusion.h"
#include "rag/ports.h"
#include "vec/filter.h"

namespace malmoi::rag {

enum class SearchMode : std::uint8_t { kHybrid, kDense, kLexical };
Result<SearchMode> ParseMode(std::string_view name);  // "hybrid", "dense", "lexical".
std::string_view ModeName(SearchMode mode);

struct RetrieveOptions {
  SearchMode mode = SearchMode::kHybrid;
  FusionMethod fusion = FusionMethod::kMinMax;
  std::optional<float> dense_share = {};  // Empty: by language.
  std::size_t top = 10;
  std::size_t candidates = 100;  // Taken from each leg.
  const vec::Filter* filter = nullptr;
  text::Language corpus_language = text::Language::kOther;
};

struct Retrieval {
  std::vector<Candidate> candidates;  // Best first, at most `top`, with payload.
  text::Language query_language = text::Language::kOther;
  float dense_share = 0;
  bool dense_used = false;  // False too when the collection has no vectors yet.
  double embed_seconds = 0, search_seconds = 0;
};

// Hybrid retrieval: both legs in one batch, then one exact batch with has_id for the candidates
// that the other leg lacks, then fusion. Works on any vec::Collection.
// Errors: kUnavailable if `mode` needs an embedder and there is none; the store's and the model's.
Result<Retrieval> Retrieve(const Ports& ports, std::string_view query,
                           const RetrieveOptions& options, const Cancel* cancel = nullptr);

}  // namespace malmoi::rag
