#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "optim/builtin_kernels.h"
#include "optim/fields.h"
#include "optim/lane_pass.h"
#include "optim/tensor_step.h"

namespace malmoi::optim {

// What a rule gets besides parameters and gradients; see Optimizer::Step.
struct StepInputs;

// An update rule with the options of one parameter group. To add an optimizer: derive from this in
// a file under rules/, with its kernels (lane_pass.h) on top, and add a row to rules/table.inc.
// Rules are used by one thread at a time, but for Step, which runs for several tensors at once and
// must write nothing but its tensor.
class Rule {
 public:
  virtual ~Rule() = default;

  // Options under the reference's names. The common ones below are added by the engine.
  virtual void Bind(Fields& f) = 0;
  // Values the reference keeps in the group beside options ("d", "k"); "step" is added.
  virtual void BindState(Fields&) {}
  // Option values that cannot work together: kInvalidArgument.
  virtual Status Check() const { return Ok(); }
  // The tensor's states, in slot order, with the reference's state_dict keys.
  virtual void Declare(StateList& states, const Shape& shape) const = 0;

  // Whether an element of betas may be null.
  virtual bool NullBeta() const { return false; }
  // The same for rules whose states depend on the parameter's name.
  virtual void DeclareNamed(StateList& states, const Shape& shape, std::string_view) const {
    Declare(states, shape);
  }

  // True when Step makes exactly one Apply or Update and looks at no result: the engine then runs
  // all tensors in one sweep. Reductions and Whole data need false.
  virtual bool OnePass() const { return false; }
  // False where the first visit of a tensor needs more than that one pass.
  virtual bool FreshOnePass() const { return true; }
  // Once, after the optimizer's options and before the group's own.
  virtual void Constructed() {}
  // True: visits tensors one after the other, in order, with numbers from t.random.
  virtual bool Draws() const { return false; }
  // Once after creation: what is drawn for all parameters of the optimizer, in order.
  virtual void Draw(TorchGenerator& /*random*/, std::span<const Shape* const> /*shapes*/) {}
  // True: bf16 parameters keep their rounding error whatever the engine's option says.
  virtual bool Kahan() const { return false; }
  // How often all tensors are visited; after each, Between sees the sums (global reductions).
  virtual int phases() const { return 1; }
  // Once a step, after step_count was raised: the group's scalars.
  virtual void Begin() {}
  // Then once on the first group's rule with all of them: what the groups share.
  virtual void Start(std::span<Rule* const> /*rules*/) {}
  // One tensor, in visit t.phase().
  virtual void Step(TensorStep& t) const = 0;
  // After a visit, for each tensor in order: what sums cannot say.
  virtual void Visited(const TensorStep& /*t*/) {}
  // With use_gc: gradients of at least this many dimensions are centred.
  virtual std::size_t CenterFrom() const { return 2; }
  // After a visit: totals() of each rule hold the sums of its tensors' t.out[], in order. Called
  // on the first group's rule with all of them (itself included), all of this class.
  virtual void Between(int /*phase*/, std::span<Rule* const> /*rules*/) {}
  // Called once before the first visit of a step when the caller gave inputs.
  virtual Status Accept(const StepInputs&) { return Ok(); }
  // Moves p between the point that is trained and the one that is used (schedule-free rules).
  virtual void Switch(TensorStep& /*t*/, bool /*to_eval*/) {}

  // Options that every rule accepts where they make sense.
  double lr = 1e-3;
  double weight_decay = 0;
  bool weight_decouple = true;
  bool fixed_decay = false;
  bool maximize = false;
  bool use_gc = false;
  bool adanorm = false;
  double adanorm_r = 0.95;
  bool adam_debias = false;
  bool cautious = false;
  bool stable_adamw = false;

  // Steps taken, this one included; the reference's group["step"].
  std::int64_t step_count = 0;
  std::array<double, 8>& totals() { return totals_; }

  void BindAll(Fields& f);       // Bind and the common ones.
  Status CheckAll();             // Ranges that hold for every rule, then Check.
  void BindStateAll(Fields& f);  // BindState and "step".

 protected:
  // 1 - beta^step.
  double Debias(double beta) const { return 1.0 - std::pow(beta, static_cast<double>(step_count)); }
  // beta (1 - beta^(step - 1)) / (1 - beta^step).
  double DebiasBeta(double beta) const {
    const double beta_n = std::pow(beta, static_cast<double>(step_count));
    return (beta_n - beta) / (beta_n - 1.0);
  }
  double AdamDebias(double step_size, double correction) const {
    return adam_debias ? step_size : step_size / correction;
  }
  // Weight decay as the group's options say: decoupled into t.decay, coupled into t.l2.
  void Decay(TensorStep& t, double ratio = 1.0) const {
    if (weight_decay == 0 || !t.decays()) return;
    if (weight_decouple) {
      t.decay = 1.0 - weight_decay * (fixed_decay ? 1.0 : lr) * ratio;
    } else if (weight_decay > 0) {
      t.l2 = weight_decay;
    }
  }

  // The same with another rate than lr.
  void DecayAt(TensorStep& t, double rate) const {
    if (weight_decay == 0 || !t.decays()) return;
    if (weight_decouple) {
      t.decay = 1.0 - weight_decay * (fixed_decay ? 1.0 : rate);
    } else {
      t.l2 = weight_decay;
    }
  }

 private:
  std::array<double, 8> totals_{};
  json::Value ignored_;
};

// max(1, x), but NaN where x is: as torch's clamp has it, and unlike std::max.
inline double AtLeastOne(double x) {
  return x < 1 ? 1.0 : x;
}

// One row of the registry.
struct RuleRow {
  const char* name;        // pytorch-optimizer's registry name: "adamw".
  const char* class_name;  // "AdamW".
  std::unique_ptr<Rule> (*make)();
};

}  // namespace malmoi::optim

// Defines the row that rules/table.inc names.
#define OPTIM_RULE(Class, registry_name) \
  extern const RuleRow k##Class##Row;    \
  const RuleRow k##Class##Row = {        \
      registry_name, #Class, []() -> std::unique_ptr<Rule> { return std::make_unique<Class>(); }}
