#include <algorithm>
#include <cmath>
#include <map>

#include "qdrant/query_run_internal.h"

namespace malmoi::qdrant {
namespace {

Ranked BestFirst(const std::map<PointId, float>& scores) {
  Ranked ranked;
  ranked.reserve(scores.size());
  for (const auto& [id, score] : scores) ranked.push_back({.id = id, .score = score});
  std::ranges::stable_sort(ranked,
                           [](const ScoredId& a, const ScoredId& b) { return a.score > b.score; });
  return ranked;
}

// Into 0..1 by mean +- 3 sample standard deviations (Welford's one-pass sums, in float as Qdrant).
Ranked NormalizeByDistribution(Ranked list) {
  if (list.size() < 2) {
    for (ScoredId& hit : list) hit.score = 0.5f;
    return list;
  }
  float mean = 0, aggregate = 0;
  std::size_t k = 0;
  for (const ScoredId& hit : list) {
    const float before = hit.score - mean;
    mean += before / static_cast<float>(++k);
    aggregate += before * (hit.score - mean);
  }
  const float deviation = std::sqrt(aggregate / (static_cast<float>(list.size()) - 1.0f));
  const float min = mean - 3.0f * deviation;
  const float max = mean + 3.0f * deviation;
  for (ScoredId& hit : list) hit.score = min == max ? 0.5f : (hit.score - min) / (max - min);
  return list;
}

float FastSigmoid(float x) {
  return x / (1.0f + std::fabs(x));
}
float ScaledSigmoid(float x) {
  return 0.5f * (FastSigmoid(x) + 1.0f);
}

}  // namespace

// Cormack et al. 2009, with rank from 0 and k = 2: 1 / (rank + k); a weight w stretches the ranks:
// 1 / ((rank + 1) / w + k - 1).
Result<Ranked> FuseRrf(const std::vector<Ranked>& lists, const RrfQuery& query) {
  if (query.weights && query.weights->size() != lists.size()) {
    return BadInput("Validation failed: RRF weights length (" +
                    std::to_string(query.weights->size()) +
                    ") does not match number of prefetches (" + std::to_string(lists.size()) + ")");
  }
  std::map<PointId, float> scores;
  for (std::size_t i = 0; i < lists.size(); ++i) {
    const float weight = query.weights ? (*query.weights)[i] : 1.0f;
    for (std::size_t rank = 0; rank < lists[i].size(); ++rank) {
      const float score =
          weight <= 0
              ? 0.0f
              : 1.0f / (static_cast<float>(rank + 1) / weight + static_cast<float>(query.k) - 1.0f);
      scores[lists[i][rank].id] += score;
    }
  }
  return BestFirst(scores);
}

Ranked FuseDbsf(const std::vector<Ranked>& lists) {
  std::map<PointId, float> scores;
  for (const Ranked& list : lists) {
    for (const ScoredId& hit : NormalizeByDistribution(list)) scores[hit.id] += hit.score;
  }
  return BestFirst(scores);
}

vec::Combine CombineBestScore(std::size_t positives) {
  return [positives](std::span<const float> similarities) {
    float best[2] = {-INFINITY, -INFINITY};
    for (std::size_t i = 0; i < similarities.size(); ++i) {
      float& side = best[i < positives ? 0 : 1];
      side = std::max(side, similarities[i]);
    }
    return best[0] > best[1] ? ScaledSigmoid(best[0]) : -ScaledSigmoid(best[1]);
  };
}

vec::Combine CombineSumScores(std::size_t positives) {
  return [positives](std::span<const float> similarities) {
    float sums[2] = {0, 0};
    for (std::size_t i = 0; i < similarities.size(); ++i) {
      sums[i < positives ? 0 : 1] += similarities[i];
    }
    return sums[0] - sums[1];
  };
}

// The number of pairs whose positive is closer, less those whose negative is, plus the target's
// similarity squeezed into 0..1.
vec::Combine CombineDiscover() {
  return [](std::span<const float> similarities) {
    int rank = 0;
    for (std::size_t i = 1; i + 1 < similarities.size(); i += 2) {
      rank += similarities[i] > similarities[i + 1]   ? 1
              : similarities[i] < similarities[i + 1] ? -1
                                                      : 0;
    }
    return static_cast<float>(rank) + ScaledSigmoid(similarities[0]);
  };
}

// 0 for points on the positive side of every pair, else how far they are from it.
vec::Combine CombineContext() {
  return [](std::span<const float> similarities) {
    float loss = 0;
    for (std::size_t i = 0; i + 1 < similarities.size(); i += 2) {
      const float difference = similarities[i] - similarities[i + 1] - 1.1920929e-7f;
      loss += FastSigmoid(std::min(difference, 0.0f));
    }
    return loss;
  };
}

// a * similarity(target) + the sum over pairs of examples with differing feedback of
// c * difference^b * (similarity to the better - similarity to the worse).
vec::Combine CombineFeedback(const FeedbackQuery& query) {
  struct Pair {
    std::size_t better, worse;
    float factor;
  };
  std::vector<Pair> pairs;
  for (std::size_t i = 0; i < query.feedback.size(); ++i) {
    for (std::size_t j = 0; j < query.feedback.size(); ++j) {
      const float difference = query.feedback[i].score - query.feedback[j].score;
      if (i == j || difference <= 0) continue;
      pairs.push_back({i + 1, j + 1, std::pow(difference, query.b) * query.c});
    }
  }
  return [pairs = std::move(pairs), a = query.a](std::span<const float> similarities) {
    float score = a * similarities[0];
    for (const Pair& pair : pairs) {
      score += pair.factor * (similarities[pair.better] - similarities[pair.worse]);
    }
    return score;
  };
}

}  // namespace malmoi::qdrant
