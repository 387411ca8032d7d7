#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "base/result.h"

namespace malmoi::serve::tei {

float Sigmoid(float v);
// Logits to probabilities: softmax, or a sigmoid where there is one.
void Squash(std::vector<float>* logits);

struct Score {
  std::size_t index;
  float value;
};
// Highest first; of equal ones the later first, as the imitated tool's sort leaves them.
std::vector<Score> Sorted(std::span<const float> values);
// Errors: kInternal, "score is NaN".
Status CheckNumbers(std::span<const float> values);

}  // namespace malmoi::serve::tei
