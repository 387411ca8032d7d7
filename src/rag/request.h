#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "json/value.h"
#include "rag/library.h"

namespace malmoi::rag {

// A search or a question as the HTTP API takes it and the command line sends it:
// {"query": "...", "collection": "default", "mode": "hybrid", "fusion": "minmax", "top": 10,
//  "filter": {...}, "dense_share": 0.6, "evidence_min": 0.5, "extractive": false}
// All but the query are optional; "question" is taken for "query".
struct SearchRequest {
  std::string query;
  std::string collection;  // Empty: the server's default.
  SearchMode mode = SearchMode::kHybrid;
  std::string fusion = "minmax";
  std::optional<double> dense_share;
  std::size_t top = 10;
  vec::Filter filter;
  std::string filter_json;  // The filter's source, for sending on; empty: none.
  std::optional<double> evidence_min;
  bool extractive = false;
};

// Errors: kInvalidArgument naming the member; kOutOfRange for top past 1,000 or a query past
// 32 KiB.
Result<SearchRequest> ParseSearchRequest(const json::Value& json);
std::string ToJson(const SearchRequest& request);
// `request` must outlive the options, which point at its filter.
Result<RetrieveOptions> ToRetrieveOptions(const SearchRequest& request);
Result<Library::AskOptions> ToAskOptions(const SearchRequest& request);

}  // namespace malmoi::rag
