#pragma once

#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "json/value.h"
#include "optim/optimizer.h"
#include "tensor/safetensors.h"

namespace malmoi::optim {

// A directory of recorded trajectories: problem.safetensors (initial parameters, gradients of each
// step, coefficients of a quadratic, Hessian diagonals), manifest.json (optimizers, variants, their
// options and tolerances) and opt/<name>.safetensors (parameters after each step). Names, shapes,
// steps and options are taken from the files. See docs/formats/trajectories.md.
struct GoldenDirectory {
  std::string path;
  json::Value manifest;
  std::shared_ptr<const tensor::SafeTensors> problem;
  std::vector<std::int64_t> f64_steps;
  std::int64_t steps = 0;
};
// Errors: kNotFound, kCorruption naming the file.
Result<GoldenDirectory> OpenGolden(const std::string& path);

// One series: a variant of an optimizer in one dtype.
struct SeriesResult {
  std::string optimizer, variant, dtype;
  enum class State : std::uint8_t {
    kPassed,
    kByProperties,  // Passed, but for degenerate parameters by what is defined (compare.h).
    kFailed,
    kMissing,
    kError
  } state = State::kPassed;
  double worst = 0;      // Largest |ours - theirs| / max |theirs| over parameters and steps.
  double tolerance = 0;  // Of the parameter where worst / tolerance was largest.
  std::string where;     // That parameter and step, what was checked instead, or the error.
  bool compared = false;
};

struct CheckOptions {
  std::string directory;
  std::string dump;               // A file for our parameters; empty: none.
  std::vector<std::string> only;  // Registry names; empty: all.
  std::size_t threads = 1;
};
// Replays every variant in f32, f64 and bf16 as the manifest has them; `line` hears each result.
Result<std::vector<SeriesResult>> CheckGolden(const CheckOptions& options,
                                              const std::function<void(const SeriesResult&)>& line);

}  // namespace malmoi::optim
