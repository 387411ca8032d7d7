#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "json/value.h"
#include "vec/point.h"

namespace malmoi::qdrant {

inline constexpr std::string_view kBm25Model = "qdrant/bm25";

// Qdrant's BM25 sparse embedding: a document's term has the value
// tf (k + 1) / (tf + k (1 - b + b |d| / avg_len)), a query's 1; the index is |murmur3_32(token)|.
// The IDF is the sparse vector's modifier. `options` are those of Document.options: k (1.2), b
// (0.75), avg_len (256), tokenizer, language ("english"), lowercase, ascii_folding, stopwords,
// stemmer, min_token_len, max_token_len; null: none. Korean, Japanese and Chinese want
// {"tokenizer": "multilingual"}.
//
// Errors: kInvalidArgument. `tokens`: how many were counted.
Result<vec::SparseVector> Bm25Embed(std::string_view text, const json::Value& options,
                                    bool is_query, std::uint64_t* tokens);

// MurmurHash3_x86_32 (Appleby, public domain), seed 0.
std::uint32_t Murmur3(std::string_view bytes);

}  // namespace malmoi::qdrant
