// SafeFP16Optimizer of pytorch-optimizer 4.1.0: f32 master weights and a dynamic loss scale around
// an optimizer (fairseq's FP16 optimizer).
#include <algorithm>
#include <cmath>

#include "optim/wrappers/rows.h"
#include "optim/wrappers/wrapper.h"

namespace malmoi::optim {
namespace {

// The base trains f32 copies; parameters get them rounded after each step. Gradients are expected
// times loss_scale. As in the reference they are taken over only when needs_sync says so: at first,
// and whenever the caller sets it after a backward pass (with option needs_sync = true); otherwise
// a step repeats the last ones. A gradient that is not finite halves the scale and skips the step.
class SafeFp16 final : public WithBase {
 public:
  static Result<std::unique_ptr<Optimizer>> Make(std::vector<Group> groups,
                                                 const json::Value& options,
                                                 const EngineOptions& engine);
  std::span<Parameter* const> parameters() override { return pointers_; }
  std::size_t parameter_count() const override { return pointers_.size(); }
  Result<StepReport> Step(const StepInputs& inputs) override;
  Result<ParameterState> State(std::size_t parameter) const override;
  Status SetState(std::size_t parameter, const ParameterState& state) override;

 private:
  struct Item {
    Parameter parameter;
    Buffer<float> master, gradient;
  };
  void Bind(Fields& f) override {
    f("loss_scale", loss_scale_)("scale_factor", scale_factor_)("scale_window", scale_window_);
    f("min_loss_scale", min_loss_scale_)("needs_sync", needs_sync_);
  }
  void BindState(Fields& f) override { f("iter", iter_)("last_overflow_iter", last_overflow_); }
  Status Check() const override {
    if (loss_scale_ > 0 && scale_factor_ > 1 && scale_window_ > 0 && min_loss_scale_ > 0)
      return Ok();
    return Error(Code::kInvalidArgument,
                 "loss_scale, min_loss_scale and scale_window must be positive and scale_factor "
                 "above 1");
  }
  bool Sync(const StepInputs& inputs);
  Status Overflow();

  double loss_scale_ = 32768, scale_factor_ = 2, min_loss_scale_ = 0x1p-5;
  std::int64_t scale_window_ = 2000, iter_ = 0, last_overflow_ = -1;
  bool needs_sync_ = true;
  std::vector<std::unique_ptr<Item>> items_;
  std::vector<Parameter*> pointers_;
};

Result<std::unique_ptr<Optimizer>> SafeFp16::Make(std::vector<Group> groups,
                                                  const json::Value& options,
                                                  const EngineOptions& engine) {
  std::unique_ptr<SafeFp16> out(new SafeFp16);
  for (Group& group : groups) {
    for (Parameter& p : group.parameters) {
      if (p.storage == Storage::kQ8 || (p.data == nullptr && Elements(p.shape) > 0))
        return Error(Code::kInvalidArgument, "parameter '" + p.name + "' has no data or is 8-bit");
      auto item = std::make_unique<Item>();
      const std::size_t n = Elements(p.shape);
      item->master = Buffer<float>(n);
      item->gradient = Buffer<float>(n);
      StoreValues(LoadValues(p.data, p.storage, n), item->master.data(), Storage::kF32);
      item->parameter = p;
      p.storage = p.grad_storage = Storage::kF32;
      p.data = item->master.data();
      p.grad = nullptr;
      out->items_.push_back(std::move(item));
      out->pointers_.push_back(&out->items_.back()->parameter);
    }
  }
  MALMOI_TRY(out->OpenBase(std::move(groups), options, engine, "adamw"));
  return std::unique_ptr<Optimizer>(std::move(out));
}

// Gradients into the masters', unscaled; false where one is not finite.
bool SafeFp16::Sync(const StepInputs& inputs) {
  bool finite = true;
  for (std::size_t i = 0; i < items_.size(); ++i) {
    Item& item = *items_[i];
    const Parameter& p = item.parameter;
    base_->parameters()[i]->grad = p.grad == nullptr ? nullptr : item.gradient.data();
    if (p.grad == nullptr) continue;
    const Values g = LoadValues(p.grad, p.storage == Storage::kF64 ? Storage::kF64 : p.grad_storage,
                                item.gradient.size());
    const auto by = static_cast<float>(inputs.grad_scale / loss_scale_);
    for (std::size_t k = 0; k < g.size(); ++k) {
      item.gradient[k] = static_cast<float>(g[k]) * by;
      finite = finite && std::isfinite(item.gradient[k]);
    }
  }
  return finite;
}

Status SafeFp16::Overflow() {
  last_overflow_ = iter_++;
  if (loss_scale_ / scale_factor_ <= min_loss_scale_)
    return Error(Code::kInvalidArgument,
                 "gradients overflow at the smallest loss scale " +
                     std::to_string(min_loss_scale_) +
                     ": the loss is probably exploding; lower lr or clip gradients");
  loss_scale_ /= scale_factor_;
  return Ok();
}

Result<StepReport> SafeFp16::Step(const StepInputs& inputs) {
  if (needs_sync_) {
    if (!Sync(inputs)) {
      MALMOI_TRY(Overflow());
      StepReport report;
      report.skipped = true;
      return report;
    }
    if ((iter_ - last_overflow_) % scale_window_ == 0) loss_scale_ *= scale_factor_;
    ++iter_;
  }
  StepInputs plain = inputs;
  plain.grad_scale = 1;
  MALMOI_TRY(const StepReport report, base_->Step(plain));
  needs_sync_ = false;
  if (report.skipped) return report;
  for (const auto& item : items_) {
    const Parameter& p = item->parameter;
    StoreValues(LoadValues(item->master.data(), Storage::kF32, item->master.size()), p.data,
                p.storage);
  }
  return report;
}

Result<ParameterState> SafeFp16::State(std::size_t parameter) const {
  MALMOI_TRY(ParameterState state, base_->State(parameter));
  const Item& item = *items_[parameter];
  const auto add = [&](const char* name, const Buffer<float>& from) {
    state.tensors.push_back(
        {name,
         Storage::kF32,
         item.parameter.shape,
         {reinterpret_cast<const unsigned char*>(from.data()), from.size() * sizeof(float)}});
  };
  add("fp32_params", item.master);
  if (base_->parameters()[parameter]->grad != nullptr) add("fp32_grads", item.gradient);
  return state;
}

Status SafeFp16::SetState(std::size_t parameter, const ParameterState& state) {
  if (parameter >= items_.size())
    return Error(Code::kInvalidArgument, "no parameter " + std::to_string(parameter));
  Item& item = *items_[parameter];
  ParameterState rest;
  rest.scalars = state.scalars;
  const StateTensor* master = nullptr;
  const StateTensor* gradient = nullptr;
  for (const StateTensor& t : state.tensors) {
    if (t.name != "fp32_params" && t.name != "fp32_grads") {
      rest.tensors.push_back(t);
      continue;
    }
    if (t.storage != Storage::kF32 || t.bytes.size() != item.master.size() * sizeof(float))
      return Error(Code::kInvalidArgument, "parameter '" + item.parameter.name + "': state '" +
                                               t.name + "' does not fit it");
    (t.name == "fp32_params" ? master : gradient) = &t;
  }
  MALMOI_TRY(base_->SetState(parameter, rest));
  const auto copy = [&](const StateTensor& from, Buffer<float>* to) {
    const Values values = LoadValues(from.bytes.data(), Storage::kF32, to->size());
    StoreValues(values, to->data(), Storage::kF32);
  };
  if (master != nullptr) copy(*master, &item.master);
  if (gradient != nullptr) copy(*gradient, &item.gradient);
  base_->parameters()[parameter]->grad = gradient != nullptr ? item.gradient.data() : nullptr;
  return Ok();
}

}  // namespace

std::span<const FactoryRow> PrecisionRows() {
  static constexpr FactoryRow kRows[] = {
      {"safefp16optimizer", "SafeFP16Optimizer", SafeFp16::Make}};
  return kRows;
}

}  // namespace malmoi::optim
