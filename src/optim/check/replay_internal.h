#pragma once

#include <functional>
#include <string>

#include "optim/check/golden.h"

namespace malmoi::optim {

// One parameter at one recorded moment.
struct Snapshot {
  std::string label;  // "s3", or "eval" for the averaged point after the last step.
  std::string parameter;
  Storage storage;
  Shape shape;
  std::string bytes;
};

struct Series {
  std::string optimizer;
  const json::Value& entry;    // manifest: optimizers/<name>
  const json::Value& variant;  // manifest: optimizers/<name>/variants/<variant>
  std::string dtype;           // "f32", "f64", "bf16"
  std::size_t threads;
  std::string variant_name;
};

// Runs one series and hands out every recorded moment. Errors: kNotFound where the optimizer is not
// there, those of Create and Step.
Status Replay(const GoldenDirectory& directory, const Series& series,
              const std::function<void(const Snapshot&)>& sink);

// How the recorder of the trajectories splits parameters into groups with options of their own.
struct PlannedGroup {
  std::vector<std::size_t> parameters;  // Indices; those in no group stay as they are.
  json::Value options;
};
std::vector<PlannedGroup> PlanGroups(const std::string& optimizer, const std::vector<Shape>& shapes,
                                     const std::vector<std::string>& names, json::Value* options);

}  // namespace malmoi::optim
