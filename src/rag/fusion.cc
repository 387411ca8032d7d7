#include "rag/fusion.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

namespace malmoi::rag {
namespace {

constexpr float kRrfK = 60;

// A leg's scores in the candidates' order, missing ones filled in: 0 for the lexical leg (no query
// term in the text), the lowest present score for the dense one (no vector yet).
std::vector<float> LegScores(const std::vector<Candidate>& candidates, bool dense) {
  float lowest = std::numeric_limits<float>::max();
  for (const Candidate& c : candidates) {
    if (dense && c.has_dense) lowest = std::min(lowest, c.dense);
  }
  if (!dense || lowest == std::numeric_limits<float>::max()) lowest = 0;
  std::vector<float> out;
  out.reserve(candidates.size());
  for (const Candidate& c : candidates) {
    const bool has = dense ? c.has_dense : c.has_lexical;
    out.push_back(has ? (dense ? c.dense : c.lexical) : lowest);
  }
  return out;
}

void ToMinMax(std::vector<float>* scores) {
  const auto [low, high] = std::minmax_element(scores->begin(), scores->end());
  if (low == scores->end()) return;
  const float base = *low;
  const float width = *high - base;
  for (float& s : *scores) s = width > 0 ? (s - base) / width : 0.0f;
}

void ToZScore(std::vector<float>* scores) {
  const auto n = static_cast<double>(scores->size());
  const double mean = std::accumulate(scores->begin(), scores->end(), 0.0) / n;
  double square = 0;
  for (const float s : *scores) square += (s - mean) * (s - mean);
  const double deviation = std::sqrt(square / n);
  for (float& s : *scores) s = deviation > 0 ? static_cast<float>((s - mean) / deviation) : 0.0f;
}

// 1 / (k + rank) by position in the leg; candidates that the leg lacks get 0.
void ToReciprocalRank(const std::vector<Candidate>& candidates, bool dense,
                      std::vector<float>* scores) {
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    if (dense ? candidates[i].has_dense : candidates[i].has_lexical) order.push_back(i);
  }
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    if ((*scores)[a] != (*scores)[b]) return (*scores)[a] > (*scores)[b];
    return candidates[a].id < candidates[b].id;
  });
  std::fill(scores->begin(), scores->end(), 0.0f);
  for (std::size_t rank = 0; rank < order.size(); ++rank) {
    (*scores)[order[rank]] = 1.0f / (kRrfK + static_cast<float>(rank + 1));
  }
}

bool AnyLexical(const std::vector<Candidate>& candidates) {
  return std::any_of(candidates.begin(), candidates.end(),
                     [](const Candidate& c) { return c.has_lexical && c.lexical > 0; });
}

bool AnyDense(const std::vector<Candidate>& candidates) {
  return std::any_of(candidates.begin(), candidates.end(),
                     [](const Candidate& c) { return c.has_dense; });
}

}  // namespace

Result<FusionMethod> ParseFusion(std::string_view name) {
  if (name == "minmax") return FusionMethod::kMinMax;
  if (name == "rrf") return FusionMethod::kRrf;
  if (name == "zscore") return FusionMethod::kZScore;
  return Error(Code::kInvalidArgument,
               "unknown fusion '" + std::string(name) + "': use minmax, rrf or zscore");
}

float DenseShare(text::Language query, text::Language corpus) {
  if (query == text::Language::kOther || corpus == text::Language::kOther || query == corpus) {
    return kDenseShareSame;
  }
  return kDenseShareAcross;
}

void Fuse(FusionMethod method, float dense_share, std::vector<Candidate>* candidates) {
  std::vector<float> dense = LegScores(*candidates, true);
  std::vector<float> lexical = LegScores(*candidates, false);
  switch (method) {
    case FusionMethod::kMinMax:
      ToMinMax(&dense);
      ToMinMax(&lexical);
      break;
    case FusionMethod::kZScore:
      ToZScore(&dense);
      ToZScore(&lexical);
      break;
    case FusionMethod::kRrf:
      ToReciprocalRank(*candidates, true, &dense);
      ToReciprocalRank(*candidates, false, &lexical);
      dense_share = 0.5f;
      break;
    case FusionMethod::kDense:
      dense_share = 1;
      break;
    case FusionMethod::kLexical:
      dense_share = 0;
      break;
  }
  if (method == FusionMethod::kMinMax || method == FusionMethod::kZScore) {
    if (!AnyLexical(*candidates)) dense_share = 1;
    if (!AnyDense(*candidates)) dense_share = 0;
  }
  for (std::size_t i = 0; i < candidates->size(); ++i) {
    (*candidates)[i].fused = dense_share * dense[i] + (1 - dense_share) * lexical[i];
  }
  std::sort(candidates->begin(), candidates->end(), [](const Candidate& a, const Candidate& b) {
    if (a.fused != b.fused) return a.fused > b.fused;
    return a.id < b.id;
  });
}

}  // namespace malmoi::rag
