// Rules that take a Hessian diagonal from the caller (StepInputs::hessian): AdaHessian, SophiaH.
#include "optim/lane_pass.h"

namespace malmoi::optim {

// s0 m, s1 v, s2 the diagonal. c: 0 1-beta1, 1 beta2, 2 1-beta2 (1 and 0 without a new diagonal),
// 3 1/bc2, 4 exponent, 5 eps.
OPTIM_KERNEL(HessianDirection, kG | kS0 | kS1 | kS2, kS0 | kS1 | kU) {
  x.s0 = Lerp(x.s0, x.g, x.c(0));
  x.s1 = Fma(x.c(2) * x.s2, x.s2, x.s1 * x.c(1));
  x.u = x.s0 / (Sqrt(x.s1 * x.c(3)) + x.c(5));
}
OPTIM_KERNEL(HessianPowerDirection, kG | kS0 | kS1 | kS2, kS0 | kS1 | kU) {
  x.s0 = Lerp(x.s0, x.g, x.c(0));
  x.s1 = Fma(x.c(2) * x.s2, x.s2, x.s1 * x.c(1));
  x.u = x.s0 / (Pow(x.s1 * x.c(3), x.c(4)) + x.c(5));
}
// c: 0 1-beta1, 1 1-beta2 or 0, 2 eps, 3 clip.
OPTIM_KERNEL(SophiaDirection, kG | kS0 | kS1 | kS2, kS0 | kS1 | kU) {
  x.s0 = Lerp(x.s0, x.g, x.c(0));
  x.s1 = Lerp(x.s1, x.s2, x.c(1));
  const auto ratio = x.s0 / Max(x.c(2), x.s1);
  x.u = Min(x.c(3), Max(x.Num(0) - x.c(3), ratio));
}

}  // namespace malmoi::optim

#if !defined(MALMOI_OPTIM_LEVEL)
#include "optim/rule.h"

namespace malmoi::optim {

struct WithHessian : Rule {
  std::vector<double> betas{0.9, 0.999};
  std::int64_t update_period = 1, num_samples = 1;
  std::string hessian_distribution = "rademacher";
  // The caller's diagonal goes into state 2, which is kept until the next one.
  bool TakeHessian(TensorStep& t) const {
    if (t.extra == nullptr) return false;
    t.CopyExtra(2);
    return true;
  }
};

// Yao et al. 2020 (arXiv:2006.00719).
struct AdaHessian : WithHessian {
  double hessian_power = 1, eps = 1e-16;
  AdaHessian() { lr = 1e-1; }
  void Bind(Fields& f) override {
    f("lr", lr)("betas", betas)("weight_decay", weight_decay)("weight_decouple", weight_decouple);
    f("fixed_decay", fixed_decay)("hessian_power", hessian_power)("update_period", update_period);
    f("num_samples", num_samples);
    f("hessian_distribution", hessian_distribution, "gaussian|rademacher");
    f("eps", eps)("maximize", maximize);
  }
  void Declare(StateList& s, const Shape&) const override {
    s.Like("exp_avg");
    s.Square("exp_hessian_diag_sq");
    s.Like("hessian");
  }
  void Step(TensorStep& t) const override {
    Decay(t);
    const bool fresh = TakeHessian(t);
    t.Update(hessian_power == 1 ? HessianDirection : HessianPowerDirection,
             {1.0 - betas[0], fresh ? betas[1] : 1.0, fresh ? 1.0 - betas[1] : 0.0,
              1.0 / Debias(betas[1]), hessian_power / 2, eps},
             AdamDebias(lr, Debias(betas[0])));
  }
};
OPTIM_RULE(AdaHessian, "adahessian");

// Liu et al. 2023 (arXiv:2305.14342).
struct SophiaH : WithHessian {
  double p = 0.01, eps = 1e-12;
  SophiaH() {
    lr = 6e-2, betas = {0.96, 0.99}, update_period = 10, hessian_distribution = "gaussian";
  }
  void Bind(Fields& f) override {
    f("lr", lr)("betas", betas)("weight_decay", weight_decay)("weight_decouple", weight_decouple);
    f("fixed_decay", fixed_decay)("p", p)("update_period", update_period);
    f("num_samples", num_samples);
    f("hessian_distribution", hessian_distribution, "gaussian|rademacher");
    f("eps", eps)("maximize", maximize);
  }
  void Declare(StateList& s, const Shape&) const override {
    s.Like("momentum");
    s.Like("hessian_moment");
    s.Like("hessian");
  }
  void Step(TensorStep& t) const override {
    Decay(t);
    const bool fresh = TakeHessian(t);
    t.Update(SophiaDirection, {1.0 - betas[0], fresh ? 1.0 - betas[1] : 0.0, eps, p}, lr);
  }
};
OPTIM_RULE(SophiaH, "sophiah");

}  // namespace malmoi::optim
#endif
