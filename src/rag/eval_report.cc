// The evaluation's figures as JSON, as a table, and against gates.
#include <algorithm>

#include "base/strings.h"
#include "json/writer.h"
#include "rag/eval_runner.h"

namespace malmoi::rag {
namespace {

struct Metric {
  const char* name;
  Interval ModeReport::*field;
};
constexpr Metric kMetrics[] = {{"ndcg@10", &ModeReport::ndcg_10},
                               {"mrr@10", &ModeReport::mrr_10},
                               {"map", &ModeReport::map},
                               {"recall@10", &ModeReport::recall_10},
                               {"recall@100", &ModeReport::recall_100}};

std::string Pad(std::string s, std::size_t width) {
  if (s.size() < width) s.insert(0, width - s.size(), ' ');
  return s;
}

double Mean(const std::vector<double>& values) {
  double sum = 0;
  for (const double v : values) sum += v;
  return values.empty() ? 0 : sum / static_cast<double>(values.size());
}

// The area under the ROC curve of telling answerable from unanswerable questions by evidence.
double Auroc(const AnswerReport& report) {
  std::vector<std::pair<double, bool>> all;
  for (const double v : report.evidence_with) all.emplace_back(v, true);
  for (const double v : report.evidence_without) all.emplace_back(v, false);
  std::sort(all.begin(), all.end());
  double wins = 0;
  double below = 0;
  for (std::size_t i = 0; i < all.size();) {
    double positive = 0;
    double negative = 0;
    const double value = all[i].first;
    for (; i < all.size() && all[i].first == value; ++i) (all[i].second ? positive : negative) += 1;
    wins += positive * (below + negative / 2);
    below += negative;
  }
  const double pairs = static_cast<double>(report.evidence_with.size()) *
                       static_cast<double>(report.evidence_without.size());
  return pairs > 0 ? wins / pairs : 0;
}

double ShareAbove(const std::vector<double>& values, double least) {
  const auto n = std::count_if(values.begin(), values.end(), [&](double v) { return v >= least; });
  return values.empty() ? 0 : static_cast<double>(n) / static_cast<double>(values.size());
}

// What a threshold of evidence would answer, with the gold document and without it.
struct Threshold {
  double least = 0, with = 0, without = 0;
};
std::vector<Threshold> Thresholds(const AnswerReport& report) {
  std::vector<Threshold> out;
  for (int percent = 30; percent <= 80; percent += 2) {
    const double least = percent / 100.0;
    out.push_back({least, ShareAbove(report.evidence_with, least),
                   ShareAbove(report.evidence_without, least)});
  }
  return out;
}
// The one that tells them apart best (Youden's index).
Threshold BestThreshold(const AnswerReport& report) {
  const auto all = Thresholds(report);
  return *std::max_element(all.begin(), all.end(), [](const Threshold& a, const Threshold& b) {
    return a.with - a.without < b.with - b.without;
  });
}

}  // namespace

std::string ToJson(const EvalReport& report) {
  json::Writer w;
  w.BeginObject().Field("set", report.set).Field("model", report.model);
  w.Field("documents", report.documents).Field("queries", report.queries);
  w.Field("language", text::LanguageCode(report.corpus_language));
  w.Field("index_seconds", report.index_seconds).Field("index_cached", report.index_cached);
  w.Key("modes").BeginObject();
  for (const auto& [name, mode] : report.modes) {
    w.Key(name).BeginObject();
    for (const Metric& metric : kMetrics) {
      const Interval& v = mode.*metric.field;
      w.Key(metric.name).BeginObject().Field("mean", v.mean);
      w.Field("low", v.low).Field("high", v.high).EndObject();
    }
    w.Key("latency_ms").BeginObject().Field("p50", mode.p50_ms).Field("p99", mode.p99_ms);
    w.EndObject().EndObject();
  }
  w.EndObject();
  if (report.answer) {
    const AnswerReport& a = *report.answer;
    w.Key("answers").BeginObject().Field("questions", a.questions).Field("answered", a.answered);
    w.Field("gold_in_first_citation", a.gold_in_first);
    w.Field("answered_without_gold", a.answered_without).Field("evidence_auroc", Auroc(a));
    w.Field("evidence_mean_with", Mean(a.evidence_with));
    w.Field("evidence_mean_without", Mean(a.evidence_without));
    w.Key("by_evidence_min").BeginArray();
    for (const Threshold& t : Thresholds(a)) {
      w.BeginObject().Field("evidence_min", t.least).Field("answered", t.with);
      w.Field("answered_without_gold", t.without).EndObject();
    }
    w.EndArray().EndObject();
  }
  return std::move(w.EndObject()).Take();
}

std::string ToTable(const EvalReport& report) {
  std::string out = report.set + ": " + std::to_string(report.documents) + " documents, " +
                    std::to_string(report.queries) + " queries, model " + report.model +
                    (report.index_cached ? ", index cached\n" : ", indexed in ") +
                    (report.index_cached ? "" : FormatDuration(report.index_seconds) + "\n");
  constexpr std::size_t kWidth = 24;
  out += "            ";
  for (const auto& [name, mode] : report.modes) out += Pad(name, kWidth);
  out += "\n";
  for (const Metric& metric : kMetrics) {
    std::string row = metric.name;
    row.resize(12, ' ');
    for (const auto& [name, mode] : report.modes) {
      const Interval& v = mode.*metric.field;
      row += Pad(FormatFixed(v.mean, 4) + " [" + FormatFixed(v.low, 3) + ", " +
                     FormatFixed(v.high, 3) + "]",
                 kWidth);
    }
    out += row + "\n";
  }
  out += "p50/p99 ms  ";
  for (const auto& [name, mode] : report.modes) {
    out += Pad(FormatFixed(mode.p50_ms, 1) + " / " + FormatFixed(mode.p99_ms, 1), kWidth);
  }
  out += "\n";
  if (report.answer) {
    const AnswerReport& a = *report.answer;
    out += "answers: " + std::to_string(a.questions) + " questions, answered " +
           FormatFixed(a.answered, 3) + ", gold answer in the first citation " +
           FormatFixed(a.gold_in_first, 3) + ", answered without the gold document " +
           FormatFixed(a.answered_without, 3) + ", evidence AUROC " + FormatFixed(Auroc(a), 3) +
           "\n";
    const Threshold best = BestThreshold(a);
    out += "         told apart best by --evidence-min " + FormatFixed(best.least, 2) +
           ": answered " + FormatFixed(best.with, 3) + ", without the gold document " +
           FormatFixed(best.without, 3) + "\n";
  }
  return out;
}

Result<Gate> ParseGate(std::string_view text) {
  Gate gate;
  std::string_view rest = text;
  if (const std::size_t colon = rest.find(':'); colon != std::string_view::npos) {
    gate.mode = rest.substr(0, colon);
    rest.remove_prefix(colon + 1);
    MALMOI_TRY(ParseMode(gate.mode));
  }
  const std::size_t at = rest.find_first_of("<>");
  const std::string wanted = "'" + std::string(text) +
                             "' is no gate; write METRIC>=NUMBER or MODE:METRIC>=NUMBER with a "
                             "metric of ndcg@10, mrr@10, map, recall@10, recall@100";
  if (at == std::string_view::npos || rest.substr(at + 1, 1) != "=") {
    return Error(Code::kInvalidArgument, wanted);
  }
  gate.metric = rest.substr(0, at);
  gate.at_least = rest[at] == '>';
  const auto bound = ParseDouble(rest.substr(at + 2));
  const bool known = std::any_of(std::begin(kMetrics), std::end(kMetrics),
                                 [&](const Metric& m) { return gate.metric == m.name; });
  if (!bound || !known) return Error(Code::kInvalidArgument, wanted);
  gate.bound = *bound;
  return gate;
}

std::vector<std::string> CheckGate(const Gate& gate, const EvalReport& report) {
  std::vector<std::string> out;
  if (!gate.mode.empty() && report.modes.count(gate.mode) == 0) {
    out.push_back("gate names mode " + gate.mode + ", which was not measured");
  }
  for (const auto& [name, mode] : report.modes) {
    if (!gate.mode.empty() && gate.mode != name) continue;
    for (const Metric& metric : kMetrics) {
      if (gate.metric != metric.name) continue;
      const double mean = (mode.*metric.field).mean;
      if (gate.at_least ? mean >= gate.bound : mean <= gate.bound) continue;
      out.push_back(name + " " + gate.metric + " is " + FormatFixed(mean, 4) + ", not " +
                    (gate.at_least ? ">= " : "<= ") + FormatFixed(gate.bound, 4));
    }
  }
  return out;
}

}  // namespace malmoi::rag
