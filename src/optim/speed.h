#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/result.h"

namespace malmoi::optim {

// One measured step of an optimizer over a transformer's tensors, beside plain traffic of the same
// bytes in the same run.
struct SpeedFigure {
  std::string optimizer;
  std::string storage;  // "f32"; "bf16": gradients and states; "q8": bf16 gradients, 8-bit states.
  std::size_t threads = 1;
  std::size_t parameters = 0, tensors = 0;
  // What a step must move. One pass: every stream that it reads and writes. Otherwise two passes,
  // which both read every stream and write it once. 0 where nothing is known (wrappers).
  bool one_pass = true;
  double bytes_per_parameter = 0;
  double step_ms = 0;  // Median.
  double gb_per_s = 0;
  double traffic_gb_per_s = 0;  // The yardstick: as many bytes read and written in as many streams.
};

struct SpeedOptions {
  std::size_t parameters = 25'000'000;
  std::vector<std::size_t> threads = {1, 2};
  std::vector<std::string> optimizers;  // Registry names. Empty: a selection.
  std::vector<std::string> storages;    // As in SpeedFigure. Empty: all for the first optimizer,
                                        // f32 for the others.
  int runs = 7;
};
// Steps every optimizer on 145 tensors with made-up gradients (and a loss, a Hessian or a closure
// for those that need one). Errors: kNotFound for an optimizer's name, kInvalidArgument for a
// storage, and those of the optimizers. Needs the memory of parameters, gradients and states.
Result<std::vector<SpeedFigure>> MeasureSpeed(const SpeedOptions& options,
                                              const std::function<void(const SpeedFigure&)>& line);

}  // namespace malmoi::optim
