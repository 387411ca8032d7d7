#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "json/value.h"
#include "optim/tensor_step.h"

namespace malmoi::optim {

class TorchGenerator;  // optim/torch_generator.h

// One tensor to be trained. The caller owns data and grad, contiguous and row-major, both of
// `storage` (not kQ8), for as long as the optimizer lives; grad may change between steps and be
// null for a tensor that has none this time. No two may overlap.
struct Parameter {
  std::string name;
  Storage storage = Storage::kF32;
  Shape shape;
  void* data = nullptr;
  const void* grad = nullptr;
  Storage grad_storage = Storage::kF32;  // kF32 or kBf16; for kF64 parameters kF64.
};

// Parameters that share options.
struct Group {
  std::vector<Parameter> parameters;
  json::Value options;  // Object: overrides of the optimizer's options; null for none.
};

// What holds whatever the rule.
struct EngineOptions {
  std::size_t threads = 1;
  // How full-size states are kept; kF32 means "as the parameter", which is what the reference does.
  // kBf16 and kQ8 are rounded by random bits, which depend on seed, step and place only, so that
  // moments that move by less than a rounding are right on average; a bf16 parameter's states are
  // rounded to the nearest, as the reference's, unless kBf16 is asked for.
  Storage state_storage = Storage::kF32;
  bool f32_states = false;  // bf16 parameters with f32 states.
  double clip_norm = 0;     // > 0: gradients are scaled so that their norm is at most this.
  bool stochastic_rounding = false;  // bf16 parameters.
  bool kahan = false;                // bf16 parameters: the rounding error is kept and added.
  // SOAP and Shampoo on f32: products of matrices in bf16, where the processor has them. Factors
  // and results are rounded, decompositions are not.
  bool bf16_products = false;
  std::uint64_t seed = 0;             // Random rounding, and rules that draw numbers.
  std::vector<std::string> no_decay;  // Parameters whose name contains one of these: no decay.
};

struct StepInputs {
  // Evaluates the loss; rules that need more than one gradient call it again, after which the
  // parameters' grad arrays hold the gradient at the parameters as they are then.
  std::function<double()> closure;
  double loss = 0;  // Where has_loss; rules driven by the loss read it.
  bool has_loss = false;
  double grad_scale = 1;   // Gradients are multiplied by this (1 / loss scale).
  bool check_inf = false;  // Where a gradient is not finite nothing is changed and skipped is set.
  // Where has_seed: rules that draw random numbers start torch's CPU generator from it, as
  // torch.manual_seed(seed) before the step would.
  std::uint64_t seed = 0;
  bool has_seed = false;
  // Not null: they draw from this one instead, which moves on; it must live through the step.
  TorchGenerator* generator = nullptr;
  // Kron's number from numpy.random.random(), which decides on balancing; none: it draws one.
  std::optional<double> uniform;
  std::vector<const void*> hessian;  // One a parameter, its dtype and shape; empty: none.
};
struct StepReport {
  bool skipped = false;
  double grad_norm = 0;  // Where clip_norm asked for it.
};

// One entry of a parameter's state, under the reference's state_dict key.
struct StateTensor {
  std::string name;
  Storage storage = Storage::kF32;
  Shape shape;
  std::span<const unsigned char> bytes;
};
struct ParameterState {
  std::vector<StateTensor> tensors;          // kQ8 states are given as f32.
  json::Value scalars;                       // Object.
  std::vector<Buffer<unsigned char>> owned;  // Behind converted entries.
};

// The same with copies of everything, which outlives the optimizer's next step.
ParameterState Owned(ParameterState state);

// An optimizer over parameter groups: a rule of the registry run by the engine, or a wrapper around
// another optimizer. Not thread-safe; one step at a time.
class Optimizer {
 public:
  // `name` is a registry name in any case ("adamw", "AdamW"). Errors: kNotFound for the name;
  // kInvalidArgument for an unknown option, a value out of range, a parameter without data, of a
  // wrong dtype or overlapping another, each named.
  static Result<std::unique_ptr<Optimizer>> Create(std::string_view name, std::vector<Group> groups,
                                                   const json::Value& options,
                                                   const EngineOptions& engine = {});
  virtual ~Optimizer() = default;

  virtual std::span<Parameter* const> parameters() = 0;  // In group order.
  virtual std::size_t parameter_count() const = 0;

  // One step over all parameters that have a gradient. All or nothing: an error leaves parameters
  // and states as they were.
  virtual Result<StepReport> Step(const StepInputs& inputs = {}) = 0;

  // The same in pieces, for a backward pass that frees each gradient: BeginStep, StepParam once a
  // parameter as its gradient arrives, EndStep. For rules that couple tensors StepParam does the
  // first visit only and gradients must stay until EndStep. Errors: kUnsupported for optimizers
  // that cannot (closures), kInvalidArgument for wrong order or index.
  virtual Status BeginStep(const StepInputs& inputs = {}) = 0;
  virtual Status StepParam(std::size_t parameter) = 0;
  virtual Status EndStep() = 0;
  // Whether a step looks at all tensors together, so that gradients must stay until EndStep.
  virtual bool Coupled() const { return true; }

  virtual std::size_t groups() const = 0;
  virtual Result<json::Value> Option(std::size_t group, std::string_view name) const = 0;
  virtual Status SetOption(std::size_t group, std::string_view name, const json::Value& value) = 0;
  // Options and group-level state ("step", ...), as in the reference's param_groups.
  virtual json::Value GroupState(std::size_t group) const = 0;
  virtual Status SetGroupState(std::size_t group, const json::Value& values) = 0;

  // A parameter's state under the reference's keys; empty before its first step.
  virtual Result<ParameterState> State(std::size_t parameter) const = 0;
  // Replaces it. Errors: kInvalidArgument for a key, shape or dtype that the rule does not have.
  virtual Status SetState(std::size_t parameter, const ParameterState& state) = 0;

  // Schedule-free rules keep parameters at the training point between steps; Eval moves them to
  // the averaged point and Train back. Nothing for others.
  virtual Status Eval() { return Ok(); }
  virtual Status Train() { return Ok(); }
};

// Registry names, sorted, and what the options of one are by default (an object).
std::vector<std::string> OptimizerNames();
Result<json::Value> DefaultOptions(std::string_view name);

// Wrappers and other optimizers that are not rules register a factory in registry.cc.
using OptimizerFactory = Result<std::unique_ptr<Optimizer>> (*)(std::vector<Group> groups,
                                                                const json::Value& options,
                                                                const EngineOptions& engine);

// Everything that a step depends on, as one safetensors file: states under "<parameter>/<key>",
// group values as JSON in its metadata. Errors of Load: kCorruption, and those of SetState.
Status SaveState(const Optimizer& optimizer, const std::string& path);
Status LoadState(Optimizer& optimizer, const std::string& path);

}  // namespace malmoi::optim
