#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/result.h"

namespace malmoi::optim {

// One measured step of an optimizer over a transformer's tensors, beside the plain traffic of the
// same bytes in the same run.
struct SpeedFigure {
  std::string optimizer;
  std::string storage;  // "f32", "bf16 grads and states", "8-bit states"
  std::size_t threads = 1;
  std::size_t parameters = 0, tensors = 0;
  double step_ms = 0;           // Median.
  double gb_per_s = 0;          // Of the bytes that one pass needs.
  double traffic_gb_per_s = 0;  // The yardstick: f32, as many states.
  double bytes_per_parameter = 0;
};

struct SpeedOptions {
  std::size_t parameters = 25'000'000;
  std::vector<std::size_t> threads = {1, 2};
  std::vector<std::string> optimizers;  // Empty: a selection.
  int runs = 7;
};
// Errors: kNotFound for an optimizer's name. Needs about 28 bytes a parameter of memory.
Result<std::vector<SpeedFigure>> MeasureSpeed(const SpeedOptions& options,
                                              const std::function<void(const SpeedFigure&)>& line);

}  // namespace malmoi::optim
