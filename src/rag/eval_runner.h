#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/cancel.h"
#include "base/result.h"
#include "rag/answer.h"
#include "rag/evaluation.h"
#include "rag/ports.h"
#include "rag/retriever.h"
#include "vec/collection.h"

namespace malmoi::rag {

struct EvalOptions {
  std::vector<SearchMode> modes = {SearchMode::kLexical, SearchMode::kDense, SearchMode::kHybrid};
  FusionMethod fusion = FusionMethod::kMinMax;
  std::optional<float> dense_share;
  bool chunked = false;  // A document counts by its best chunk; else it is embedded whole, cut.
  bool answers = false;  // Also measure extractive answers and refusals.
  std::optional<double> evidence_min = {};  // As AnswerOptions has it.
};

struct ModeReport {
  Interval ndcg_10, mrr_10, map, recall_10, recall_100;
  double p50_ms = 0, p99_ms = 0;  // One query after the other, embedding included.
};

// Extractive answers over the hybrid retrieval, for sets whose queries carry gold answers.
struct AnswerReport {
  std::uint64_t questions = 0;
  double answered = 0;          // Share not refused, the gold document indexed.
  double gold_in_first = 0;     // Share of all questions whose gold answer is in citation 1.
  double answered_without = 0;  // Share answered although the gold documents were left out.
  std::vector<double> evidence_with, evidence_without;
};

struct EvalReport {
  std::string set, model;
  std::uint64_t documents = 0, queries = 0;
  text::Language corpus_language = text::Language::kOther;
  std::map<std::string, ModeReport> modes;  // By ModeName.
  std::optional<AnswerReport> answer;
  double index_seconds = 0;
  bool index_cached = false;
};

// Indexes the set once into `database` (a collection named by a hash of texts, model and analyser;
// found again later) and measures each mode. Errors: kUnavailable for a dense mode without model.
Result<EvalReport> RunEval(
    const BeirSet& set, const Ports& ports, vec::Database& database, const EvalOptions& options,
    const std::function<void(const char* phase, std::uint64_t done, std::uint64_t total)>& progress,
    const Cancel* cancel = nullptr);

std::string ToJson(const EvalReport& report);
// The table that a person reads, modes side by side.
std::string ToTable(const EvalReport& report);

// "ndcg@10>=0.67" or "hybrid:recall@100>=0.9": holds for every mode measured, or the one named.
struct Gate {
  std::string mode;    // Empty: all.
  std::string metric;  // "ndcg@10", "mrr@10", "map", "recall@10", "recall@100".
  bool at_least = true;
  double bound = 0;
};
Result<Gate> ParseGate(std::string_view text);
// What the report breaks, one line each; empty where the gate holds.
std::vector<std::string> CheckGate(const Gate& gate, const EvalReport& report);

}  // namespace malmoi::rag
