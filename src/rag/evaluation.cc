#include "rag/evaluation.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace malmoi::rag {
namespace {

// trec_eval reads scores as C floats and breaks ties by the larger document id.
std::vector<std::string_view> Ranked(const std::vector<std::pair<std::string, double>>& run) {
  std::vector<std::pair<float, std::string_view>> order;
  for (const auto& [id, score] : run) order.emplace_back(static_cast<float>(score), id);
  std::sort(order.begin(), order.end(), [](const auto& a, const auto& b) { return a > b; });
  std::vector<std::string_view> out;
  for (const auto& [score, id] : order) out.push_back(id);
  return out;
}

double Gain(int relevance, std::size_t rank) {
  return relevance > 0 ? relevance / std::log2(static_cast<double>(rank) + 1) : 0.0;
}

double IdealDcg(const std::map<std::string, int>& judged, std::size_t cut) {
  std::vector<int> gains;
  for (const auto& [id, relevance] : judged) gains.push_back(relevance);
  std::sort(gains.rbegin(), gains.rend());
  double sum = 0;
  for (std::size_t i = 0; i < gains.size() && i < cut; ++i) sum += Gain(gains[i], i + 1);
  return sum;
}

QueryMetrics EvaluateQuery(const std::map<std::string, int>& judged, std::size_t relevant,
                           const std::vector<std::string_view>& ranked) {
  QueryMetrics out;
  double dcg = 0;
  double precision_sum = 0;
  std::size_t found = 0;
  std::size_t found_10 = 0;
  std::size_t found_100 = 0;
  for (std::size_t i = 0; i < ranked.size(); ++i) {
    const std::size_t rank = i + 1;
    const auto it = judged.find(std::string(ranked[i]));
    const int relevance = it == judged.end() ? 0 : it->second;
    if (relevance < 1) continue;
    ++found;
    precision_sum += static_cast<double>(found) / static_cast<double>(rank);
    if (rank <= 10) dcg += Gain(relevance, rank);
    if (rank <= 10 && out.mrr_10 == 0) out.mrr_10 = 1.0 / static_cast<double>(rank);
    found_10 += rank <= 10;
    found_100 += rank <= 100;
  }
  const auto all = static_cast<double>(relevant);
  out.ndcg_10 = dcg / IdealDcg(judged, 10);
  out.map = precision_sum / all;
  out.recall_10 = static_cast<double>(found_10) / all;
  out.recall_100 = static_cast<double>(found_100) / all;
  return out;
}

// SplitMix64 (Steele, Lea & Flood 2014): the same resamples on every machine.
std::uint64_t NextRandom(std::uint64_t* state) {
  std::uint64_t z = (*state += 0x9E3779B97F4A7C15ull);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
  return z ^ (z >> 31);
}

}  // namespace

std::map<std::string, QueryMetrics> Evaluate(const Qrels& qrels, const Run& run) {
  std::map<std::string, QueryMetrics> out;
  for (const auto& [query, judged] : qrels) {
    const auto relevant = static_cast<std::size_t>(std::count_if(
        judged.begin(), judged.end(), [](const auto& entry) { return entry.second >= 1; }));
    if (relevant == 0) continue;
    const auto it = run.find(query);
    out[query] =
        it == run.end() ? QueryMetrics{} : EvaluateQuery(judged, relevant, Ranked(it->second));
  }
  return out;
}

Interval Bootstrap(const std::vector<double>& values, std::uint64_t seed) {
  constexpr std::size_t kResamples = 1000;
  Interval out;
  if (values.empty()) return out;
  const auto n = static_cast<double>(values.size());
  out.mean = std::accumulate(values.begin(), values.end(), 0.0) / n;
  std::vector<double> means(kResamples);
  for (double& mean : means) {
    double sum = 0;
    for (std::size_t i = 0; i < values.size(); ++i)
      sum += values[NextRandom(&seed) % values.size()];
    mean = sum / n;
  }
  std::sort(means.begin(), means.end());
  out.low = means[static_cast<std::size_t>(0.025 * kResamples)];
  out.high = means[static_cast<std::size_t>(0.975 * kResamples) - 1];
  return out;
}

}  // namespace malmoi::rag
