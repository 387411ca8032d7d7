#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "optim/optimizer.h"
#include "optim/rule.h"
#include "optim/torch_generator.h"
#include "os/thread_pool.h"

namespace malmoi::optim {

// The Optimizer of a registry rule: one Rule a group, states per tensor, passes over threads.
class Engine final : public Optimizer {
 public:
  static Result<std::unique_ptr<Optimizer>> Make(const RuleRow& row, std::vector<Group> groups,
                                                 const json::Value& options,
                                                 const EngineOptions& engine);

  std::span<Parameter* const> parameters() override { return pointers_; }
  std::size_t parameter_count() const override { return tensors_.size(); }
  Result<StepReport> Step(const StepInputs& inputs) override;
  Status BeginStep(const StepInputs& inputs) override;
  Status StepParam(std::size_t parameter) override;
  Status EndStep() override;
  bool Coupled() const override { return Phases() > 1; }
  std::size_t groups() const override { return rules_.size(); }
  Result<json::Value> Option(std::size_t group, std::string_view name) const override;
  Status SetOption(std::size_t group, std::string_view name, const json::Value& value) override;
  json::Value GroupState(std::size_t group) const override;
  Status SetGroupState(std::size_t group, const json::Value& values) override;
  Result<ParameterState> State(std::size_t parameter) const override;
  Status SetState(std::size_t parameter, const ParameterState& state) override;
  Status Eval() override;
  Status Train() override;

  // What the last step had to move, each stream as long as its parameter once, in bytes a
  // parameter. one_pass: no tensor was visited twice, nor summed over before its update.
  struct Traffic {
    double read = 0, written = 0;
    bool one_pass = true;
  };
  Traffic LastTraffic() const;

 private:
  struct Tensor {
    Parameter parameter;
    std::size_t group = 0;
    bool no_decay = false;
    TensorState state;
    Buffer<unsigned char> kahan;
    TensorStep step;
  };

  explicit Engine(const EngineOptions& options)
      : options_(options),
        pool_(options.threads, "optim"),
        workspaces_(options.threads),
        generator_(options.seed) {}
  Status CheckInputs(const StepInputs& inputs) const;
  double SumOverGradients(const Kernel& kernel);
  bool AllFinite();
  double GradientNorm();
  void FollowGradients();
  Status Prepare(const StepInputs& inputs, StepReport* report);
  void Open(Tensor& t, int phase);
  void InitState(Tensor& t);
  void Visit(const Rule& rule, Tensor& t, Workspace* workspace, os::ThreadPool* pool,
             std::vector<PassJob>* recorder);
  void VisitAll(int phase);
  void VisitEach(std::vector<Tensor*> tensors);
  // work(i, part) for i in [0, sizes.size()), each on one thread, the largest first.
  void Spread(std::span<const std::size_t> sizes,
              const std::function<void(std::size_t i, std::size_t part)>& work);
  void RunRecorded(const std::vector<PassJob>& jobs);
  void Between(int phase);
  void CentralizeGradient(Tensor& t, Workspace* workspace);
  int Phases() const;
  void SwitchAll(bool to_eval);
  static bool OneSweep(const Rule& rule);  // All its tensors in one sweep of recorded passes.

  EngineOptions options_;
  os::ThreadPool pool_;
  std::vector<Workspace> workspaces_;
  std::vector<std::unique_ptr<Rule>> rules_;
  std::vector<std::unique_ptr<Tensor>> tensors_;
  std::vector<Parameter*> pointers_;
  double scale_ = 1;  // Of gradients in this step: unscale and clip.
  const StepInputs* inputs_ = nullptr;
  TorchGenerator generator_;
  bool open_ = false;
  bool eval_ = false;
  std::vector<bool> visited_;
  Buffer<unsigned char> no_gradient_;
};

}  // namespace malmoi::optim
