#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace malmoi::rag {

// Relevance judgements and a ranked run, by query id, as trec_eval reads them.
using Qrels = std::map<std::string, std::map<std::string, int>>;
using Run = std::map<std::string, std::vector<std::pair<std::string, double>>>;

struct QueryMetrics {
  double ndcg_10 = 0, mrr_10 = 0, map = 0, recall_10 = 0, recall_100 = 0;
};

// trec_eval's arithmetic: documents sorted by score descending, ties by document id descending;
// ndcg_cut with gains rel / log2(rank + 1); a relevant document has rel >= 1. Queries with
// judgements but without a run count as 0 (trec_eval -c); queries whose judgements are all 0 are
// left out.
std::map<std::string, QueryMetrics> Evaluate(const Qrels& qrels, const Run& run);

struct Interval {
  double mean = 0, low = 0, high = 0;
};
// Mean with a 95 % percentile bootstrap interval over queries, 1,000 resamples, fixed seed.
Interval Bootstrap(const std::vector<double>& values, std::uint64_t seed = 1);

// A collection in BEIR form.
struct BeirSet {
  struct Text {
    std::string id, title, text;
    std::vector<std::string> answers;  // Queries only: metadata.answers.
  };
  std::string name;
  std::vector<Text> corpus, queries;  // Queries that the judgements name.
  Qrels qrels;
};
// Errors: kNotFound naming the file; kInvalidArgument naming file and line.
Result<BeirSet> LoadBeir(const std::string& directory);

}  // namespace malmoi::rag
