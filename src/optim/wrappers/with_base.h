#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "optim/fields.h"
#include "optim/optimizer.h"

namespace malmoi::optim {

// An optimizer that is given another one by name, in option "base_optimizer" ({"name": "sgd",
// ...its options}): options and states of both, as one.
class WithBase : public Optimizer {
 public:
  Status BeginStep(const StepInputs&) override { return NotInPieces(); }
  Status StepParam(std::size_t) override { return NotInPieces(); }
  Status EndStep() override { return NotInPieces(); }
  std::size_t groups() const override { return base_->groups(); }
  // An own option where there is one of this name, else the base's.
  Result<json::Value> Option(std::size_t group, std::string_view name) const override;
  Status SetOption(std::size_t group, std::string_view name, const json::Value& value) override;
  json::Value GroupState(std::size_t group) const override;
  Status SetGroupState(std::size_t group, const json::Value& values) override;
  Status Eval() override { return base_->Eval(); }
  Status Train() override { return base_->Train(); }

 protected:
  virtual void Bind(Fields& f) = 0;              // Own options.
  virtual void BindState(Fields&) {}             // What is saved beside them.
  virtual Status Check() const { return Ok(); }  // Of the own options' values.

  // Takes the own options out of `options` and checks them, then makes the base of the rest.
  Status OpenBase(std::vector<Group> groups, const json::Value& options,
                  const EngineOptions& engine, std::string_view default_base);

  std::unique_ptr<Optimizer> base_;

 private:
  static Error NotInPieces();
};

}  // namespace malmoi::optim
