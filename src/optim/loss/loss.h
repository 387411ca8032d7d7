#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "json/value.h"

namespace malmoi::optim {

// Predictions and targets of one batch, row-major, as double; `single` says that they were f32, so
// that constants round as they do there (1 - eps). Targets are values of the predictions' shape, or
// class numbers (then `classes` is set and `target_shape` lacks the class axis).
struct LossInput {
  std::vector<std::int64_t> shape;
  std::span<const double> prediction;
  std::vector<std::int64_t> target_shape;
  std::span<const double> target;
  std::span<const std::int64_t> classes;
  bool single = false;
};

struct LossOutput {
  std::vector<std::int64_t> shape;  // Empty for a scalar; else of reduction "none".
  std::vector<double> value;
  std::vector<double> gradient;  // Of the sum of value, with respect to the predictions.
};

// The loss of that name (LossNames(), lower or any case) with the reference's option names, and its
// gradient in closed form. Sums are taken in double in a fixed order.
// Errors: kNotFound for the name; kInvalidArgument for options and shapes, naming them.
// Thread safety: pure. Cost: O(elements), lovaszhingeloss sorts.
Result<LossOutput> EvaluateLoss(std::string_view name, const json::Value& options,
                                const LossInput& input);

// Thirteen names, sorted.
const std::vector<std::string_view>& LossNames();

}  // namespace malmoi::optim
