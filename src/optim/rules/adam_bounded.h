// Adam's relatives that bound or rectify the step: AdaBelief, AdaBound, AdaMax, AdaMod, AdamC,
// DiffGrad, RAdam, Yogi.
#include "optim/lane_pass.h"

namespace malmoi::optim {

// c: 0 1-beta1, 1 beta2, 2 1-beta2, 3 scale of the root, 4 eps, 5 factor of g in the momentum,
// 6 added to the variance.
OPTIM_KERNEL(BeliefDirection, kG | kS0 | kS1, kS0 | kS1 | kU) {
  x.s0 = Lerp(x.s0, x.g * x.c(5), x.c(0));
  const auto r = x.g - x.s0;
  x.s1 = Fma(x.c(2) * r, r, x.s1 * x.c(1)) + x.c(6);
  x.u = x.s0 / Fma(Sqrt(x.s1), x.c(3), x.c(4));
}
OPTIM_KERNEL(BeliefBoundDirection, kG | kS0 | kS1 | kS2, kS0 | kS1 | kS2 | kU) {
  x.s0 = Lerp(x.s0, x.g * x.c(5), x.c(0));
  const auto r = x.g - x.s0;
  x.s1 = Fma(x.c(2) * r, r, x.s1 * x.c(1)) + x.c(6);
  x.s2 = Max(x.s2, x.s1);
  x.u = x.s0 / Fma(Sqrt(x.s2), x.c(3), x.c(4));
}
// The same moments, and the first as direction, times c7 (0: no step).
OPTIM_KERNEL(BeliefMomentumDirection, kG | kS0 | kS1, kS0 | kS1 | kU) {
  x.s0 = Lerp(x.s0, x.g * x.c(5), x.c(0));
  const auto r = x.g - x.s0;
  x.s1 = Fma(x.c(2) * r, r, x.s1 * x.c(1)) + x.c(6);
  x.u = x.s0 * x.c(7);
}
OPTIM_KERNEL(BeliefBoundMomentumDirection, kG | kS0 | kS1 | kS2, kS0 | kS1 | kS2 | kU) {
  x.s0 = Lerp(x.s0, x.g * x.c(5), x.c(0));
  const auto r = x.g - x.s0;
  x.s1 = Fma(x.c(2) * r, r, x.s1 * x.c(1)) + x.c(6);
  x.s2 = Max(x.s2, x.s1);
  x.u = x.s0 * x.c(7);
}

// c: 0 1-beta1, 1 beta2, 2 1-beta2, 3 step, 4 eps, 5, 6 lower and upper bound.
OPTIM_KERNEL(BoundDirection, kG | kS0 | kS1, kS0 | kS1 | kU) {
  x.s0 = Lerp(x.s0, x.g, x.c(0));
  x.s1 = Fma(x.c(2) * x.g, x.g, x.s1 * x.c(1));
  const auto rate = x.c(3) / (Sqrt(x.s1 + x.Num(1e-15)) + x.c(4));
  x.u = Min(x.c(6), Max(x.c(5), rate)) * x.s0;
}
OPTIM_KERNEL(BoundAmsDirection, kG | kS0 | kS1 | kS2, kS0 | kS1 | kS2 | kU) {
  x.s0 = Lerp(x.s0, x.g, x.c(0));
  x.s1 = Fma(x.c(2) * x.g, x.g, x.s1 * x.c(1));
  x.s2 = Max(x.s2, x.s1);
  const auto rate = x.c(3) / (Sqrt(x.s2 + x.Num(1e-15)) + x.c(4));
  x.u = Min(x.c(6), Max(x.c(5), rate)) * x.s0;
}

// c: 0 1-beta1, 1 beta2, 2 eps, 3 factor of g in the momentum.
OPTIM_KERNEL(MaxDirection, kG | kS0 | kS1, kS0 | kS1 | kU) {
  x.s0 = Lerp(x.s0, x.g * x.c(3), x.c(0));
  x.s1 = Max(x.s1 * x.c(1), Abs(x.g) + x.c(2));
  x.u = x.s0 / x.s1;
}

// c: 0 1-beta1, 1 beta2, 2 1-beta2, 3 step, 4 eps, 5 1-beta3.
OPTIM_KERNEL(ModDirection, kG | kS0 | kS1 | kS2, kS0 | kS1 | kS2 | kU) {
  x.s0 = Lerp(x.s0, x.g, x.c(0));
  x.s1 = Fma(x.c(2) * x.g, x.g, x.s1 * x.c(1));
  const auto rate = x.c(3) / (Sqrt(x.s1) + x.c(4));
  x.s2 = Lerp(x.s2, rate, x.c(5));
  x.u = Min(rate, x.s2) * x.s0;
}

// s0 momentum, s1 second moment, s2 previous gradient, s3 its maximum. c as AdamDirection; c7 is 1
// for the adaptive step and 0 for plain momentum.
OPTIM_KERNEL(DiffDirection, kG | kS0 | kS1 | kS2, kS0 | kS1 | kS2 | kU) {
  x.s0 = Lerp(x.s0, x.g * x.c(5), x.c(0));
  x.s1 = Fma(x.c(2) * x.g, x.g, x.s1 * x.c(1));
  const auto friction = x.Num(1) / (x.Num(1) + Exp(x.Num(0) - Abs(x.s2 - x.g)));
  const auto adaptive = friction * x.s0 / (Sqrt(x.s1 + x.Num(1e-15)) + x.c(4));
  x.u = Select(Gt(x.c(7), x.Num(0)), adaptive, x.s0);
  x.s2 = x.g;
}
OPTIM_KERNEL(DiffAmsDirection, kG | kS0 | kS1 | kS2 | kS3, kS0 | kS1 | kS2 | kS3 | kU) {
  x.s0 = Lerp(x.s0, x.g * x.c(5), x.c(0));
  x.s1 = Fma(x.c(2) * x.g, x.g, x.s1 * x.c(1));
  x.s3 = Max(x.s3, x.s1);
  const auto friction = x.Num(1) / (x.Num(1) + Exp(x.Num(0) - Abs(x.s2 - x.g)));
  const auto adaptive = friction * x.s0 / (Sqrt(x.s3 + x.Num(1e-15)) + x.c(4));
  x.u = Select(Gt(x.c(7), x.Num(0)), adaptive, x.s0);
  x.s2 = x.g;
}

// c: 0 1-beta1, 1 1-beta2, 2 scale of the root, 3 eps, 4 start value of both, in the first step.
OPTIM_KERNEL(YogiDirection, kG | kS0 | kS1, kS0 | kS1 | kU) {
  x.s0 = Lerp(x.s0 + x.c(4), x.g, x.c(0));
  const auto v = x.s1 + x.c(4);
  const auto g2 = x.g * x.g;
  x.s1 = v - x.c(1) * Sign(v - g2) * g2;
  x.u = x.s0 / Fma(Sqrt(x.s1), x.c(2), x.c(3));
}

}  // namespace malmoi::optim

#if !defined(MALMOI_OPTIM_LEVEL)
#include "optim/rule.h"
#include "optim/rules/adam_kernels.h"
#include "optim/rules/rectify.h"

namespace malmoi::optim {

// Zhuang et al. 2020 (arXiv:2010.07468).
struct AdaBelief : Rule {
  std::vector<double> betas{0.9, 0.999};
  double eps = 1e-16;
  bool ams_bound = false;
  Rectify rectify;
  double step_size = 0, n_sma = 0;
  void Bind(Fields& f) override {
    f("lr", lr)("betas", betas)("weight_decay", weight_decay)("weight_decouple", weight_decouple);
    f("fixed_decay", fixed_decay);
    rectify.Bind(f);
    f("ams_bound", ams_bound)("eps", eps)("maximize", maximize);
  }
  void Declare(StateList& s, const Shape&) const override {
    s.Like("exp_avg");
    s.Square("exp_avg_var");
    if (ams_bound) s.Square("max_exp_avg_var");
  }
  bool OnePass() const override { return true; }
  void Begin() override {
    step_size = AdamDebias(rectify.StepSize(lr, betas[1], step_count, &n_sma), Debias(betas[0]));
  }
  void Step(TensorStep& t) const override {
    Decay(t);
    const double root = rectify.rectify ? 1.0 : 1.0 / std::sqrt(Debias(betas[1]));
    const std::initializer_list<double> c = {
        1.0 - betas[0], betas[1], 1.0 - betas[1],           root, eps,
        t.AdaNorm(),    eps,      step_size > 0 ? 1.0 : 0.0};
    if (!rectify.rectify || n_sma >= static_cast<double>(rectify.n_sma_threshold)) {
      t.Update(ams_bound ? BeliefBoundDirection : BeliefDirection, c, step_size);
    } else {
      t.Update(ams_bound ? BeliefBoundMomentumDirection : BeliefMomentumDirection, c,
               step_size > 0 ? step_size : 0.0);
    }
  }
};
OPTIM_RULE(AdaBelief, "adabelief");

// Luo et al. 2019 (arXiv:1902.09843).
struct AdaBound : Rule {
  std::vector<double> betas{0.9, 0.999};
  double final_lr = 0.1, gamma = 1e-3, eps = 1e-8;
  bool ams_bound = false;
  double base_lr = -1, step_size = 0, lower = 0, upper = 0;
  void Bind(Fields& f) override {
    f("lr", lr)("final_lr", final_lr)("betas", betas)("gamma", gamma);
    f("weight_decay", weight_decay)("weight_decouple", weight_decouple)("fixed_decay", fixed_decay);
    f("ams_bound", ams_bound)("eps", eps)("maximize", maximize);
  }
  void BindState(Fields& f) override { f("base_lr", base_lr); }
  void Declare(StateList& s, const Shape&) const override {
    s.Like("exp_avg");
    s.Square("exp_avg_sq");
    if (ams_bound) s.Square("max_exp_avg_sq");
  }
  bool OnePass() const override { return true; }
  void Begin() override {
    if (base_lr < 0 || (base_lr == 0 && lr > 0)) base_lr = lr;
    const auto k = static_cast<double>(step_count);
    const double last = base_lr > 0 ? final_lr * lr / base_lr : 0.0;
    lower = last * (1 - 1 / (gamma * k + 1));
    upper = last * (1 + 1 / (gamma * k));
    step_size = AdamDebias(lr * std::sqrt(Debias(betas[1])), Debias(betas[0]));
  }
  void Step(TensorStep& t) const override {
    Decay(t);
    t.Update(ams_bound ? BoundAmsDirection : BoundDirection,
             {1.0 - betas[0], betas[1], 1.0 - betas[1], step_size, eps, lower, upper}, 1.0);
  }
};
OPTIM_RULE(AdaBound, "adabound");

// Kingma and Ba 2015 (arXiv:1412.6980), section 7.1.
struct AdaMax : Rule {
  std::vector<double> betas{0.9, 0.999};
  double eps = 1e-8;
  AdaMax() { weight_decouple = false; }
  void Bind(Fields& f) override {
    f("lr", lr)("betas", betas)("weight_decay", weight_decay)("weight_decouple", weight_decouple);
    f("fixed_decay", fixed_decay)("eps", eps)("maximize", maximize);
  }
  void Declare(StateList& s, const Shape&) const override {
    s.Like("exp_avg");
    s.Square("exp_inf");
  }
  bool OnePass() const override { return true; }
  void Step(TensorStep& t) const override {
    Decay(t);
    t.Update(MaxDirection, {1.0 - betas[0], betas[1], eps, t.AdaNorm()},
             AdamDebias(lr, Debias(betas[0])));
  }
};
OPTIM_RULE(AdaMax, "adamax");

// Ding et al. 2019 (arXiv:1910.12249).
struct AdaMod : Rule {
  std::vector<double> betas{0.9, 0.99, 0.9999};
  double eps = 1e-8;
  void Bind(Fields& f) override {
    f("lr", lr)("betas", betas)("weight_decay", weight_decay)("weight_decouple", weight_decouple);
    f("fixed_decay", fixed_decay)("eps", eps)("maximize", maximize);
  }
  void Declare(StateList& s, const Shape&) const override {
    s.Like("exp_avg");
    s.Square("exp_avg_sq");
    s.Square("exp_avg_lr");
  }
  bool OnePass() const override { return true; }
  void Step(TensorStep& t) const override {
    Decay(t);
    const double step_size = AdamDebias(lr * std::sqrt(Debias(betas[1])), Debias(betas[0]));
    t.Update(ModDirection,
             {1.0 - betas[0], betas[1], 1.0 - betas[1], step_size, eps, 1.0 - betas[2]}, 1.0);
  }
};
OPTIM_RULE(AdaMod, "adamod");

// Defazio 2025 (arXiv:2506.02285): decay scaled by lr^2 / max_lr in normalised layers.
struct AdamC : Rule {
  std::vector<double> betas{0.9, 0.999};
  double eps = 1e-8, max_lr = 0;
  bool ams_bound = false, normalized = false;
  void Bind(Fields& f) override {
    f("lr", lr)("betas", betas)("weight_decay", weight_decay)("weight_decouple", weight_decouple);
    f("fixed_decay", fixed_decay)("ams_bound", ams_bound)("eps", eps)("maximize", maximize);
    f("normalized", normalized);
  }
  void BindState(Fields& f) override { f("max_lr", max_lr); }
  void Constructed() override { max_lr = lr; }
  void Declare(StateList& s, const Shape&) const override {
    s.Like("exp_avg");
    s.Square("exp_avg_sq");
    if (ams_bound) s.Square("max_exp_avg_sq");
  }
  bool OnePass() const override { return true; }
  void Step(TensorStep& t) const override {
    Decay(t, normalized && !fixed_decay ? lr / max_lr : 1.0);
    const double root = 1.0 / std::sqrt(Debias(betas[1]));
    t.Update(ams_bound ? AmsgradDirection : AdamDirection,
             {1.0 - betas[0], betas[1], 1.0 - betas[1], root, eps * root, t.AdaNorm(), 1e-15},
             AdamDebias(lr, Debias(betas[0])));
  }
};
OPTIM_RULE(AdamC, "adamc");

// Dubey et al. 2019 (arXiv:1909.11015).
struct DiffGrad : Rule {
  std::vector<double> betas{0.9, 0.999};
  double eps = 1e-8;
  bool ams_bound = false;
  Rectify rectify;
  double step_size = 0, n_sma = 0;
  void Bind(Fields& f) override {
    f("lr", lr)("betas", betas)("weight_decay", weight_decay)("weight_decouple", weight_decouple);
    f("fixed_decay", fixed_decay);
    rectify.Bind(f);
    f("ams_bound", ams_bound)("eps", eps)("maximize", maximize);
  }
  void Declare(StateList& s, const Shape&) const override {
    s.Like("exp_avg");
    s.Square("exp_avg_sq");
    s.Like("previous_grad");
    if (ams_bound) s.Square("max_exp_avg_sq");
  }
  bool OnePass() const override { return true; }
  void Begin() override {
    step_size = rectify.StepSize(lr, betas[1], step_count, &n_sma);
    if (!rectify.rectify) step_size *= std::sqrt(Debias(betas[1]));
    step_size = AdamDebias(step_size, Debias(betas[0]));
  }
  void Step(TensorStep& t) const override {
    Decay(t);
    const bool adaptive = !rectify.rectify || n_sma >= static_cast<double>(rectify.n_sma_threshold);
    t.Update(ams_bound ? DiffAmsDirection : DiffDirection,
             {1.0 - betas[0], betas[1], 1.0 - betas[1], 1.0, eps, t.AdaNorm(), 0.0,
              adaptive ? 1.0 : 0.0},
             adaptive || step_size > 0 ? step_size : 0.0);
  }
};
OPTIM_RULE(DiffGrad, "diffgrad");

// Liu et al. 2020 (arXiv:1908.03265).
struct RAdam : Rule {
  std::vector<double> betas{0.9, 0.999};
  double eps = 1e-8;
  Rectify rectify;
  double step_size = 0, n_sma = 0;
  RAdam() { rectify.rectify = true, rectify.degenerated_to_sgd = false; }
  void Bind(Fields& f) override {
    f("lr", lr)("betas", betas)("weight_decay", weight_decay)("weight_decouple", weight_decouple);
    f("fixed_decay", fixed_decay)("n_sma_threshold", rectify.n_sma_threshold);
    f("degenerated_to_sgd", rectify.degenerated_to_sgd)("eps", eps)("maximize", maximize);
  }
  void Declare(StateList& s, const Shape&) const override {
    s.Like("exp_avg");
    s.Square("exp_avg_sq");
  }
  bool OnePass() const override { return true; }
  void Begin() override {
    step_size = AdamDebias(rectify.StepSize(lr, betas[1], step_count, &n_sma), Debias(betas[0]));
  }
  void Step(TensorStep& t) const override {
    const bool adaptive = n_sma >= static_cast<double>(rectify.n_sma_threshold);
    if ((adaptive || step_size > 0) && weight_decouple) Decay(t);
    const std::initializer_list<double> c = {1.0 - betas[0], betas[1], 1.0 - betas[1], 1.0, eps,
                                             t.AdaNorm()};
    if (adaptive) {
      t.Update(AdamDirection, c, step_size);
    } else if (step_size > 0) {
      t.Update(AdamMomentumDirection, c, step_size);
    } else {
      t.Apply(AdamMoments, c);
    }
  }
};
OPTIM_RULE(RAdam, "radam");

// Zaheer et al. 2018 (NeurIPS): additive second moment.
struct Yogi : Rule {
  std::vector<double> betas{0.9, 0.999};
  double initial_accumulator = 1e-6, eps = 1e-3;
  Yogi() { lr = 1e-2; }
  void Bind(Fields& f) override {
    f("lr", lr)("betas", betas)("initial_accumulator", initial_accumulator);
    f("weight_decay", weight_decay)("weight_decouple", weight_decouple)("fixed_decay", fixed_decay);
    f("eps", eps)("maximize", maximize);
  }
  void Declare(StateList& s, const Shape&) const override {
    s.Like("exp_avg");
    s.Square("exp_avg_sq");
  }
  bool OnePass() const override { return true; }
  void Step(TensorStep& t) const override {
    Decay(t);
    t.Update(YogiDirection,
             {1.0 - betas[0], 1.0 - betas[1], 1.0 / std::sqrt(Debias(betas[1])), eps,
              t.first() ? initial_accumulator : 0.0},
             AdamDebias(lr, Debias(betas[0])));
  }
};
OPTIM_RULE(Yogi, "yogi");

}  // namespace malmoi::optim
#endif
