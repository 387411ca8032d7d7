// Schedule-free rules (Defazio et al. 2024, arXiv:2405.15682).
#include "optim/lane_pass.h"

namespace malmoi::optim {

// s0 z. c: 0 weight of z, 1 of g in p, 2 lr, 3 coupled decay after the normalisation.
OPTIM_KERNEL(FreeSgdUpdate, kP | kG | kS0, kP | kS0) {
  const auto g = Fma(x.c(3), x.p, x.g);
  x.p = Fma(x.c(1), g, Lerp(x.p, x.s0, x.c(0)));
  x.s0 = Fma(x.Num(0) - x.c(2), g, x.s0);
}
// s1 v. c: 4 beta2, 5 1-beta2, 6 1/bc2, 7 eps, 8 added under the root.
OPTIM_KERNEL(FreeAdamUpdate, kP | kG | kS0 | kS1, kP | kS0 | kS1) {
  x.s1 = Fma(x.c(5) * x.g, x.g, x.s1 * x.c(4));
  const auto g = Fma(x.c(3), x.p, x.g / (Sqrt(x.s1 * x.c(6) + x.c(8)) + x.c(7)));
  x.p = Fma(x.c(1), g, Lerp(x.p, x.s0, x.c(0)));
  x.s0 = Fma(x.Num(0) - x.c(2), g, x.s0);
}
OPTIM_KERNEL(FreeAmsgradUpdate, kP | kG | kS0 | kS1 | kS2, kP | kS0 | kS1 | kS2) {
  x.s1 = Fma(x.c(5) * x.g, x.g, x.s1 * x.c(4));
  x.s2 = Max(x.s2, x.s1 * x.c(6));
  const auto g = Fma(x.c(3), x.p, x.g / (Sqrt(x.s2 + x.c(8)) + x.c(7)));
  x.p = Fma(x.c(1), g, Lerp(x.p, x.s0, x.c(0)));
  x.s0 = Fma(x.Num(0) - x.c(2), g, x.s0);
}
// Second moment kept, gradient used as it is: RAdam before it is rectified.
OPTIM_KERNEL(FreeWarmUpdate, kP | kG | kS0 | kS1, kP | kS0 | kS1) {
  x.s1 = Fma(x.c(5) * x.g, x.g, x.s1 * x.c(4));
  const auto g = Fma(x.c(3), x.p, x.g);
  x.p = Fma(x.c(1), g, Lerp(x.p, x.s0, x.c(0)));
  x.s0 = Fma(x.Num(0) - x.c(2), g, x.s0);
}
OPTIM_KERNEL(LerpToState, kP | kS0, kP) {
  x.p = Lerp(x.p, x.s0, x.c(0));
}

}  // namespace malmoi::optim

#if !defined(MALMOI_OPTIM_LEVEL)
#include "optim/rule.h"
#include "optim/rules/rectify.h"

namespace malmoi::optim {

struct ScheduleFree : Rule {
  double r = 0, weight_lr_power = 2, eps = 1e-8, lr_max = -1, weight_sum = 0;
  double rate = 0, checkpoint = 0;
  bool train_mode = true;
  std::int64_t warmup_steps = 0;
  bool OnePass() const override { return true; }
  bool FreshOnePass() const override { return false; }
  void BindState(Fields& f) override {
    f("train_mode", train_mode)("lr_max", lr_max)("weight_sum", weight_sum);
  }
  virtual double Momentum() const = 0;
  void SetRate(double new_rate) {
    rate = new_rate;
    lr_max = std::max(rate, lr_max);
    const double weight =
        std::pow(static_cast<double>(step_count), r) * std::pow(lr_max, weight_lr_power);
    weight_sum += weight;
    checkpoint = weight_sum != 0 ? weight / weight_sum : 0.0;
  }
  double Warm() const {
    const auto k = static_cast<double>(step_count), w = static_cast<double>(warmup_steps);
    return lr * (k < w ? k / w : 1.0);
  }
  double OfGradient() const { return rate * (Momentum() * (1.0 - checkpoint) - 1.0); }
  double Coupled(const TensorStep& t) const { return t.decays() ? weight_decay : 0.0; }
  void Switch(TensorStep& t, bool to_eval) override {
    t.Reduce(LerpToState, {to_eval ? 1.0 - 1.0 / Momentum() : 1.0 - Momentum()});
    train_mode = !to_eval;
  }
};

struct ScheduleFreeSGD : ScheduleFree {
  double momentum = 0.9;
  ScheduleFreeSGD() { lr = 1.0, weight_decouple = false; }
  void Bind(Fields& f) override {
    f("lr", lr)("momentum", momentum)("weight_decay", weight_decay)("r", r);
    f("weight_lr_power", weight_lr_power)("warmup_steps", warmup_steps)("eps", eps);
    f("maximize", maximize);
  }
  double Momentum() const override { return momentum; }
  void Declare(StateList& s, const Shape&) const override { s.Point("z"); }
  void Begin() override { SetRate(Warm()); }
  void Step(TensorStep& t) const override {
    if (t.first()) t.CopyP(0);
    t.Apply(FreeSgdUpdate, {checkpoint, OfGradient(), rate, Coupled(t)});
  }
};
OPTIM_RULE(ScheduleFreeSGD, "schedulefreesgd");

struct ScheduleFreeAdamW : ScheduleFree {
  std::vector<double> betas{0.9, 0.999};
  double decoupling_c = 0;
  bool ams_bound = false, use_palm = false;  // use_palm: accepted, without effect, as there.
  ScheduleFreeAdamW() { lr = 2.5e-3, weight_decouple = false; }
  void Bind(Fields& f) override {
    f("lr", lr)("betas", betas)("weight_decay", weight_decay)("r", r);
    f("weight_lr_power", weight_lr_power)("warmup_steps", warmup_steps);
    f("decoupling_c", decoupling_c)("ams_bound", ams_bound)("eps", eps)("maximize", maximize);
    f("use_palm", use_palm);
  }
  double Momentum() const override { return betas[0]; }
  void Declare(StateList& s, const Shape&) const override {
    s.Point("z");
    s.Square("exp_avg_sq");
    if (ams_bound) s.Square("max_exp_avg_sq");
  }
  void Begin() override {
    SetRate(Warm());
    if (decoupling_c > 0) {
      checkpoint = std::min(1.0, checkpoint * (1.0 - betas[0]) * decoupling_c);
    }
  }
  void Step(TensorStep& t) const override {
    if (t.first()) t.CopyP(0);
    t.Apply(ams_bound ? FreeAmsgradUpdate : FreeAdamUpdate,
            {checkpoint, OfGradient(), rate, Coupled(t), betas[1], 1.0 - betas[1],
             1.0 / Debias(betas[1]), eps, 1e-15});
  }
};
OPTIM_RULE(ScheduleFreeAdamW, "schedulefreeadamw");

struct ScheduleFreeRAdam : ScheduleFree {
  std::vector<double> betas{0.9, 0.999};
  bool silent_sgd_phase = true;
  double n_sma = 0;
  ScheduleFreeRAdam() { lr = 2.5e-3, weight_decouple = false; }
  void Bind(Fields& f) override {
    f("lr", lr)("betas", betas)("weight_decay", weight_decay)("r", r);
    f("weight_lr_power", weight_lr_power)("silent_sgd_phase", silent_sgd_phase)("eps", eps);
    f("maximize", maximize);
  }
  double Momentum() const override { return betas[0]; }
  void Declare(StateList& s, const Shape&) const override {
    s.Point("z");
    s.Square("exp_avg_sq");
  }
  void Begin() override {
    const Rectify rectify{true, 4, false};
    double step = rectify.StepSize(lr, betas[1], step_count, &n_sma);
    if (step < 0) {
      step = silent_sgd_phase ? 0.0 : 1.0;
    } else if (n_sma > 4) {
      step /= std::sqrt(Debias(betas[1]));
    }
    SetRate(step);
  }
  void Step(TensorStep& t) const override {
    if (t.first()) t.CopyP(0);
    t.Apply(n_sma > 4 ? FreeAdamUpdate : FreeWarmUpdate,
            {checkpoint, OfGradient(), rate, Coupled(t), betas[1], 1.0 - betas[1],
             1.0 / Debias(betas[1]), eps, 0.0});
  }
};
OPTIM_RULE(ScheduleFreeRAdam, "schedulefreeradam");

}  // namespace malmoi::optim
#endif
