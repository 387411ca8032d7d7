#include "serve/tei/scores.h"

#include <algorithm>
#include <cmath>

namespace malmoi::serve::tei {

float Sigmoid(float v) {
  return 1.0f / (1.0f + std::exp(-v));
}

void Squash(std::vector<float>* logits) {
  if (logits->size() == 1) {
    logits->front() = Sigmoid(logits->front());
    return;
  }
  const float top = *std::max_element(logits->begin(), logits->end());
  float sum = 0;
  for (float& v : *logits) sum += v = std::exp(v - top);
  for (float& v : *logits) v /= sum;
}

std::vector<Score> Sorted(std::span<const float> values) {
  std::vector<Score> out;
  for (std::size_t i = 0; i < values.size(); ++i) out.push_back({i, values[i]});
  std::stable_sort(out.begin(), out.end(),
                   [](const Score& a, const Score& b) { return a.value < b.value; });
  std::reverse(out.begin(), out.end());
  return out;
}

Status CheckNumbers(std::span<const float> values) {
  for (const float v : values) {
    if (std::isnan(v)) return Error(Code::kInternal, "score is NaN");
  }
  return Ok();
}

}  // namespace malmoi::serve::tei
