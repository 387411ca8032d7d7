#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "optim/fields.h"
#include "optim/optimizer.h"
#include "optim/wrappers/with_base.h"

namespace malmoi::optim {

using Values = std::vector<double>;

// A parameter's or gradient's numbers, and back, rounded to its storage.
Values LoadValues(const void* data, Storage storage, std::size_t n);
void StoreValues(const Values& values, void* data, Storage storage);

// What optimizers that work between the caller's gradients and the base's step share: gradients of
// their own that the base can be pointed to, and named values a parameter that are saved with the
// base's state.
//
// Arithmetic is in double with results rounded to the parameter's storage.
class Wrapper : public WithBase {
 public:
  std::span<Parameter* const> parameters() override { return base_->parameters(); }
  std::size_t parameter_count() const override { return items_.size(); }
  Result<StepReport> Step(const StepInputs& inputs) final;
  Result<ParameterState> State(std::size_t parameter) const override;
  Status SetState(std::size_t parameter, const ParameterState& state) override;

 protected:
  // Everything that a Step may change of a parameter, and its gradient.
  struct Item {
    Parameter* parameter = nullptr;
    std::size_t group = 0;
    std::size_t n = 0;
    Buffer<unsigned char> gradient;  // Ours, in the gradient's storage.
    const void* given = nullptr;     // The caller's, while the base looks at ours.
    std::vector<std::pair<std::string, Values>> kept;

    bool active() const { return parameter->grad != nullptr; }
    Values P() const { return LoadValues(parameter->data, parameter->storage, n); }
    void SetP(const Values& v) { StoreValues(v, parameter->data, parameter->storage); }
    Values G() const { return LoadValues(parameter->grad, parameter->grad_storage, n); }
    void SetG(const Values& v);  // Into our buffer, where the base finds it.
    Values* Find(std::string_view name);
    Values& Keep(const std::string& name, Values v);
    void Drop(std::string_view name);
  };

  void BindState(Fields& f) override { f("wrapper_step", steps_); }
  virtual Status Opened() { return Ok(); }  // After the base and items_ are there.
  virtual Result<StepReport> Wrap(const StepInputs& inputs) = 0;

  Status Open(std::vector<Group> groups, const json::Value& options, const EngineOptions& engine,
              std::string_view default_base);
  Result<StepReport> StepBase(const StepInputs& inputs);
  // The gradients at the parameters as they are, from the caller's closure.
  Status Evaluate(const StepInputs& inputs);
  // sqrt of the sum of |g|^2, or |p g|^2, over all parameters with a gradient.
  double GlobalNorm(bool adaptive) const;
  double Number(std::size_t group, std::string_view name, double fallback) const;

  std::vector<Item> items_;
  std::int64_t steps_ = 0;

  template <class W>
  friend Result<std::unique_ptr<Optimizer>> MakeWrapper(std::vector<Group> groups,
                                                        const json::Value& options,
                                                        const EngineOptions& engine);

 private:
  void RestoreGradients();
};

template <class W>
Result<std::unique_ptr<Optimizer>> MakeWrapper(std::vector<Group> groups,
                                               const json::Value& options,
                                               const EngineOptions& engine) {
  auto w = std::make_unique<W>();
  MALMOI_TRY(w->Open(std::move(groups), options, engine, W::kDefaultBase));
  return std::unique_ptr<Optimizer>(std::move(w));
}

// a + w (b - a), element by element, from the nearer end.
void LerpValues(Values* a, const Values& b, double w);
double DotValues(const Values& a, const Values& b);
double NormValues(const Values& a);

}  // namespace malmoi::optim
