// Rules with a norm, a mean or a projection a tensor: AdaGC, AdamP, AdaNorm, Aida, Amos, FAdam,
// Lamb, NovoGrad, SGDP, StableAdamW, A2Grad.
#include "optim/lane_pass.h"

namespace malmoi::optim {

// c: 0 1-beta1, 1 beta2, 2 1-beta2, 3 sqrt(bc2), 4 eps, 5 factor of g, 6 Nesterov weight of g.
OPTIM_KERNEL(AdampDirection, kG | kS0 | kS1, kS0 | kS1 | kU) {
  x.s0 = Lerp(x.s0, x.g * x.c(5), x.c(0));
  x.s1 = Fma(x.c(2) * x.g, x.g, x.s1 * x.c(1));
  x.u = Lerp(x.s0, x.g, x.c(6)) / (Sqrt(x.s1) + x.c(4)) * x.c(3);
}
OPTIM_KERNEL(MomentsWithAgreement, kG | kS0 | kS1, kS0 | kS1) {
  x.s0 = Lerp(x.s0, x.g * x.c(5), x.c(0));
  x.s1 = Fma(x.c(2) * x.g, x.g, x.s1 * x.c(1));
  x.Sum(0, Select(Gt(x.s0 * x.g, x.Num(0)), x.Num(1), x.Num(0)));
}
// c: 3 sqrt(bc2), 4 eps, 6 Nesterov weight, 7 cautious factor.
OPTIM_KERNEL(AdampMaskedDirection, kG | kS0 | kS1, kU) {
  const auto m = Select(Gt(x.s0 * x.g, x.Num(0)), x.s0 * x.c(7), x.Num(0));
  x.u = Lerp(m, x.g, x.c(6)) / (Sqrt(x.s1) + x.c(4)) * x.c(3);
}
// c: 0 beta1, 1 beta2, 2 1-beta2, 3 weight of g, 4 eps, 5 1 with a denominator, 6 of p in u,
// 7 of the direction in the norm, 8 of p in the norm.
OPTIM_KERNEL(LambDirection, kP | kG | kS0 | kS1, kS0 | kS1 | kU) {
  x.s0 = Fma(x.s0, x.c(0), x.g * x.c(3));
  x.s1 = Fma(x.c(2) * x.g, x.g, x.s1 * x.c(1));
  const auto root = Select(Gt(x.c(5), x.Num(0)), Sqrt(x.s1) + x.c(4), x.Num(1));
  x.u = Fma(x.c(6), x.p, x.s0 / root);
  const auto moved = Fma(x.c(8), x.p, x.c(7) * x.u);
  x.Sum(0, x.p * x.p);
  x.Sum(1, moved * moved);
}
OPTIM_KERNEL(LambMoments, kP | kG | kS0 | kS1, kP | kS0 | kS1) {
  x.s0 = Fma(x.s0, x.c(0), x.g * x.c(3));
  x.s1 = Fma(x.c(2) * x.g, x.g, x.s1 * x.c(1));
}
// c: 0 1/denominator, 1 coupled decay, 2 beta1 (0 in the first step), 3 weight of g.
OPTIM_KERNEL(NovoDirection, kP | kG | kS0, kS0 | kU) {
  const auto g = Fma(x.c(1), x.p, x.g * x.c(0));
  x.s0 = Fma(x.s0, x.c(2), g * x.c(3));
  x.u = x.s0;
}
// c: 0 1-beta1, 1 beta2, 2 1-beta2, 3 eps^2.
OPTIM_KERNEL(StableMoments, kG | kS0 | kS1, kS0 | kS1) {
  x.s0 = Lerp(x.s0, x.g, x.c(0));
  x.s1 = Fma(x.c(2) * x.g, x.g, x.s1 * x.c(1));
  x.Sum(0, x.g * x.g / Max(x.c(3), x.s1));
}
OPTIM_KERNEL(MomentRatioDirection, kS0 | kS1, kU) {
  x.u = x.s0 / (Sqrt(x.s1) + x.c(0));
}
// c: 0 of p, 1 of g, 2 1-momentum.
OPTIM_KERNEL(AmosDirection, kP | kG, kU) {
  x.u = Fma(x.c(1), x.g, x.c(0) * x.p);
}
OPTIM_KERNEL(AmosMomentumDirection, kP | kG | kS0, kS0 | kU) {
  x.s0 = Lerp(x.s0, Fma(x.c(1), x.g, x.c(0) * x.p), x.c(2));
  x.u = x.s0;
}
// c: 0 1-beta1, 1 factor of g.
OPTIM_KERNEL(AidaMomentum, kG | kS0, kS0) {
  x.s0 = Lerp(x.s0, x.g * x.c(1), x.c(0));
  x.Sum(0, x.g * x.s0);
  x.Sum(1, x.g * x.g);
  x.Sum(2, x.s0 * x.s0);
}
// c: 0 of m, 1 of g, 2 beta2, 3 1-beta2, 4 eps, 5 scale of the root, 6 1 for the adaptive step.
OPTIM_KERNEL(AidaDirection, kG | kS0 | kS1, kS1 | kU) {
  const auto r = x.c(0) * x.s0 - x.c(1) * x.g;
  x.s1 = Fma(x.c(3) * r, r, x.s1 * x.c(2)) + x.c(4);
  const auto root = (Sqrt(x.s1 + x.Num(1e-15)) + x.c(4)) * x.c(5);
  x.u = Select(Gt(x.c(6), x.Num(0)), x.s0 / root, x.s0);
}
OPTIM_KERNEL(AidaBoundDirection, kG | kS0 | kS1 | kS2, kS1 | kS2 | kU) {
  const auto r = x.c(0) * x.s0 - x.c(1) * x.g;
  x.s1 = Fma(x.c(3) * r, r, x.s1 * x.c(2)) + x.c(4);
  x.s2 = Max(x.s2, x.s1);
  const auto root = (Sqrt(x.s2 + x.Num(1e-15)) + x.c(4)) * x.c(5);
  x.u = Select(Gt(x.c(6), x.Num(0)), x.s0 / root, x.s0);
}
// s0 momentum, s1 Fisher information. c: 0 beta2, 1 1-beta2, 2 exponent, 3 eps power.
OPTIM_KERNEL(FisherSums, kP | kG | kS1, kS1) {
  x.s1 = Fma(x.c(1) * x.g, x.g, x.s1 * x.c(0));
  const auto base = Sqrt(x.s1) + x.c(3);
  const auto g = x.g / base;
  const auto p = x.p / base;
  x.Sum(0, g * g);
  x.Sum(1, p * p);
}
OPTIM_KERNEL(FisherPowerSums, kP | kG | kS1, kS1) {
  x.s1 = Fma(x.c(1) * x.g, x.g, x.s1 * x.c(0));
  const auto base = Pow(x.s1, x.c(2)) + x.c(3);
  const auto g = x.g / base;
  const auto p = x.p / base;
  x.Sum(0, g * g);
  x.Sum(1, p * p);
}
// c: 4 1/divisor of g, 5 decay / divisor of p, 6 1-beta1.
OPTIM_KERNEL(FisherDirection, kP | kG | kS0 | kS1, kS0 | kU) {
  const auto base = Sqrt(x.s1) + x.c(3);
  x.s0 = Lerp(x.s0, x.g / base * x.c(4), x.c(6));
  x.u = Fma(x.c(5), x.p / base, x.s0);
}
OPTIM_KERNEL(FisherPowerDirection, kP | kG | kS0 | kS1, kS0 | kU) {
  const auto base = Pow(x.s1, x.c(2)) + x.c(3);
  x.s0 = Lerp(x.s0, x.g / base * x.c(4), x.c(6));
  x.u = Fma(x.c(5), x.p / base, x.s0);
}
// s0 mean gradient, s1 x. c: 0 1/step; 1 coefficient, 2 weight of x, 3 of g in p.
OPTIM_KERNEL(MeanDeviation, kG | kS0, kS0) {
  x.s0 = Lerp(x.s0, x.g, x.c(0));
  const auto d = x.g - x.s0;
  x.Sum(0, d * d);
}
OPTIM_KERNEL(AccelerateUpdate, kP | kG | kS1, kP | kS1) {
  x.s1 = Fma(x.c(1), x.g, x.s1);
  x.p = Fma(x.c(3), x.g, Lerp(x.p, x.s1, x.c(2)));
}

}  // namespace malmoi::optim

#if !defined(MALMOI_OPTIM_LEVEL)
#include "optim/rule.h"
#include "optim/rules/adam_kernels.h"
#include "optim/rules/projection.h"
#include "optim/rules/rectify.h"
#include "optim/rules/sgd_kernels.h"

namespace malmoi::optim {

// Li et al. 2025 (arXiv:2502.11034): each tensor's gradient is clipped by its own history.
struct AdaGC : Rule {
  std::vector<double> betas{0.9, 0.999};
  double beta = 0.98, lambda_abs = 1.0, lambda_rel = 1.05, eps = 1e-8;
  std::int64_t warmup_steps = 100;
  AdaGC() { weight_decay = 0.1; }
  void Bind(Fields& f) override {
    f("lr", lr)("betas", betas)("beta", beta)("lambda_abs", lambda_abs)("lambda_rel", lambda_rel);
    f("warmup_steps", warmup_steps)("weight_decay", weight_decay);
    f("weight_decouple", weight_decouple)("fixed_decay", fixed_decay);
    f("eps", eps)("maximize", maximize);
  }
  void Declare(StateList& s, const Shape&) const override {
    s.Scalar("gamma", ScalarKind::kTensor0, -1);  // Negative: not known yet.
    s.Like("exp_avg");
    s.Square("exp_avg_sq");
  }
  int phases() const override { return 2; }
  void Step(TensorStep& t) const override {
    if (t.phase() == 0) {
      t.out[0] = t.Reduce(NormOfGradient).sum[0];
      Decay(t);
      t.out[1] = t.l2 == 0 ? t.out[0] : t.Reduce(NormOfGradient).sum[0];
      return;
    }
    Decay(t);
    double& gamma = t.scalar(0);
    const double norm = std::sqrt(t.Reduce(NormOfGradient).sum[0]);
    double scale = 1;
    if (gamma < 0 || step_count < warmup_steps) {
      // With coupled decay the reference's norm sees the decayed gradients of this and the tensors
      // before it, and the plain ones of those after.
      const double seen = weight_decouple || weight_decay == 0
                              ? t.total[0]
                              : t.before[1] + t.own[1] + (t.total[0] - t.before[0] - t.own[0]);
      scale = std::min(lambda_abs / (std::sqrt(seen) + eps), 1.0);
      gamma = gamma < 0 ? scale * norm : std::min(gamma, scale * norm);
    } else {
      scale = std::min(1.0, lambda_rel * std::max(gamma, eps) / std::max(norm, eps));
      gamma += (1.0 - beta) * (scale * norm - gamma);
    }
    t.grad_scale *= scale;
    t.l2 *= scale;
    t.Update(AdamDirection,
             {1.0 - betas[0], betas[1], 1.0 - betas[1], 1.0 / std::sqrt(Debias(betas[1])), eps,
              t.AdaNorm()},
             AdamDebias(lr, Debias(betas[0])));
  }
};
OPTIM_RULE(AdaGC, "adagc");

// Heo et al. 2021 (arXiv:2006.08217).
struct AdamP : Rule {
  std::vector<double> betas{0.9, 0.999};
  double delta = 0.1, wd_ratio = 0.1, eps = 1e-8;
  bool nesterov = false;
  void Bind(Fields& f) override {
    f("lr", lr)("betas", betas)("weight_decay", weight_decay)("weight_decouple", weight_decouple);
    f("fixed_decay", fixed_decay)("delta", delta)("wd_ratio", wd_ratio)("nesterov", nesterov);
    f("eps", eps)("maximize", maximize);
  }
  void Declare(StateList& s, const Shape&) const override {
    s.Like("exp_avg");
    s.Square("exp_avg_sq");
  }
  void Step(TensorStep& t) const override {
    const double root = std::sqrt(Debias(betas[1]));
    const double look = nesterov ? 1.0 - betas[0] : 0.0;
    if (cautious) {
      const double agree = t.Reduce(MomentsWithAgreement, {1.0 - betas[0], betas[1], 1.0 - betas[1],
                                                           root, eps, t.AdaNorm()})
                               .sum[0];
      t.Reduce(AdampMaskedDirection,
               {0, 0, 0, root, eps, 0, look, static_cast<double>(t.n()) / (agree + 1.0)});
    } else {
      t.Reduce(AdampDirection,
               {1.0 - betas[0], betas[1], 1.0 - betas[1], root, eps, t.AdaNorm(), look});
    }
    const double ratio = ProjectKept(t, delta, eps) ? wd_ratio : 1.0;
    if (weight_decouple) Decay(t, ratio);
    t.Apply(SubtractKept, {AdamDebias(lr, Debias(betas[0]))});
  }
};
OPTIM_RULE(AdamP, "adamp");

struct SGDP : Rule {
  double momentum = 0, dampening = 0, delta = 0.1, wd_ratio = 0.1, eps = 1e-8;
  bool nesterov = false;
  void Bind(Fields& f) override {
    f("lr", lr)("momentum", momentum)("dampening", dampening)("weight_decay", weight_decay);
    f("weight_decouple", weight_decouple)("fixed_decay", fixed_decay)("delta", delta);
    f("wd_ratio", wd_ratio)("nesterov", nesterov)("eps", eps)("maximize", maximize);
  }
  Status Check() const override {
    if (momentum == 1) return Error(Code::kInvalidArgument, "momentum = 1: expected below 1");
    return Ok();
  }
  void Declare(StateList& s, const Shape&) const override { s.Like("momentum"); }
  void Step(TensorStep& t) const override {
    t.Reduce(nesterov ? NesterovDirection : MomentumDirection, {momentum, 1.0 - dampening});
    const double ratio = ProjectKept(t, delta, eps) ? wd_ratio : 1.0;
    if (weight_decouple) Decay(t, ratio / (1.0 - momentum));
    t.Apply(SubtractKept, {lr});
  }
};
OPTIM_RULE(SGDP, "sgdp");

// Dubey et al. 2022 (arXiv:2210.06364).
struct AdaNorm : Rule {
  std::vector<double> betas{0.9, 0.99};
  double r = 0.95, eps = 1e-8;
  bool ams_bound = false;
  void Bind(Fields& f) override {
    f("lr", lr)("betas", betas)("r", r)("weight_decay", weight_decay);
    f("weight_decouple", weight_decouple)("fixed_decay", fixed_decay)("ams_bound", ams_bound);
    f("eps", eps)("maximize", maximize);
  }
  void Declare(StateList& s, const Shape&) const override {
    s.Scalar("exp_grad_norm", ScalarKind::kTensor1);
    s.Like("exp_avg");
    s.Square("exp_avg_var");
    if (ams_bound) s.Square("max_exp_avg_var");
  }
  void Step(TensorStep& t) const override {
    Decay(t);
    const double norm = std::sqrt(t.Reduce(NormOfGradient).sum[0]);
    const double kept = t.scalar(0) = r * t.scalar(0) + (1.0 - r) * norm;
    const double factor = norm > 0 && kept > norm ? kept / norm : 1.0;
    const double root = 1.0 / std::sqrt(Debias(betas[1]));
    t.Update(ams_bound ? AmsgradDirection : AdamDirection,
             {1.0 - betas[0], betas[1], 1.0 - betas[1], root, eps * root, factor, 1e-15},
             AdamDebias(lr, Debias(betas[0])));
  }
};
OPTIM_RULE(AdaNorm, "adanorm");

// Zhang et al. 2022 (arXiv:2203.13273).
struct Aida : Rule {
  std::vector<double> betas{0.9, 0.999};
  std::int64_t k = 2;
  double xi = 1e-20, eps = 1e-8, step_size = 0, n_sma = 0;
  bool ams_bound = false;
  Rectify rectify;
  Aida() { weight_decouple = false; }
  void Bind(Fields& f) override {
    f("lr", lr)("betas", betas)("k", k)("xi", xi)("weight_decay", weight_decay);
    f("weight_decouple", weight_decouple)("fixed_decay", fixed_decay);
    rectify.Bind(f);
    f("ams_bound", ams_bound)("eps", eps)("maximize", maximize);
  }
  Status Check() const override {
    if (k < 0 || k > 1000) {
      return Error(Code::kInvalidArgument, "k = " + std::to_string(k) + ": expected 0 to 1000");
    }
    return Ok();
  }
  void Declare(StateList& s, const Shape&) const override {
    s.Like("exp_avg");
    s.Square("exp_avg_var");
    if (ams_bound) s.Square("max_exp_avg_var");
  }
  void Begin() override {
    step_size = AdamDebias(rectify.StepSize(lr, betas[1], step_count, &n_sma), Debias(betas[0]));
  }
  void Step(TensorStep& t) const override {
    Decay(t);
    const PassSums sums = t.Reduce(AidaMomentum, {1.0 - betas[0], t.AdaNorm()});
    // Each projection only rescales both, so that two factors are all there is to follow.
    double of_g = 1, of_m = 1;
    for (std::int64_t i = 0; i < k; ++i) {
      const double both = of_g * of_m * sums.sum[0];
      const double next_g = both / (of_g * of_g * sums.sum[1] + xi);
      const double next_m = both / (of_m * of_m * sums.sum[2] + xi);
      of_g *= next_g;
      of_m *= next_m;
    }
    const bool adaptive = !rectify.rectify || n_sma >= static_cast<double>(rectify.n_sma_threshold);
    const double root = rectify.rectify ? 1.0 : 1.0 / std::sqrt(Debias(betas[1]));
    t.Update(ams_bound ? AidaBoundDirection : AidaDirection,
             {of_m, of_g, betas[1], 1.0 - betas[1], eps, root, adaptive ? 1.0 : 0.0},
             adaptive || step_size > 0 ? step_size : 0.0);
  }
};
OPTIM_RULE(Aida, "aida");

// Tian and Parikh 2022 (arXiv:2210.11693).
struct Amos : Rule {
  double beta = 0.999, momentum = 0, extra_l2 = 0, c_coef = 0.25, d_coef = 0.25, eps = 1e-18;
  void Bind(Fields& f) override {
    f("lr", lr)("beta", beta)("momentum", momentum)("extra_l2", extra_l2)("c_coef", c_coef);
    f("d_coef", d_coef)("eps", eps)("maximize", maximize);
  }
  void Declare(StateList& s, const Shape&) const override {
    s.Scalar("exp_avg_sq", ScalarKind::kTensor0);
    s.Scalar("decay", ScalarKind::kTensor0);
    if (momentum > 0) s.Like("exp_avg");
  }
  void Step(TensorStep& t) const override {
    const double g2 = t.Reduce(NormOfGradient).sum[0] / static_cast<double>(t.n());
    double scale = 0.5;
    if (t.shape().size() == 2) scale = std::sqrt(2.0 / static_cast<double>(t.shape()[1]));
    if (t.shape().size() > 2) scale = std::sqrt(1.0 / static_cast<double>(t.shape()[1]));
    const double init_lr = lr * scale;
    double& v = t.scalar(0);
    v += (1.0 - beta) * (g2 - v);
    const double r = Debias(beta) / (v + eps);
    double& decayed = t.scalar(1);
    const double factor_c = 1.0 / std::sqrt(1.0 + c_coef * std::sqrt(lr) * decayed);
    const double factor_d = 1.0 / (1.0 + d_coef * std::sqrt(init_lr) * decayed);
    const double gamma = factor_c * lr * lr * r * g2;
    const double of_p = (gamma - extra_l2) / 2.0 * factor_d;
    const double of_g = init_lr * std::sqrt(r) * factor_d;
    decayed = decayed * (1.0 + gamma) + gamma;
    t.Update(momentum > 0 ? AmosMomentumDirection : AmosDirection, {of_p, of_g, 1.0 - momentum},
             1.0);
  }
};
OPTIM_RULE(Amos, "amos");

// Hwang 2024 (arXiv:2405.12807).
struct FAdam : Rule {
  std::vector<double> betas{0.9, 0.999};
  double clip = 1, p = 0.5, eps = 1e-8, eps_2 = 1e-2;
  json::Value momentum_dtype = json::Value::String("torch.float32");
  json::Value fim_dtype = json::Value::String("torch.float32");
  FAdam() { weight_decay = 0.1; }
  void Bind(Fields& f) override {
    f("lr", lr)("betas", betas)("weight_decay", weight_decay)("clip", clip)("p", p)("eps", eps);
    f("momentum_dtype", momentum_dtype)("fim_dtype", fim_dtype)("maximize", maximize);
    f("eps_2", eps_2);
  }
  void Declare(StateList& s, const Shape&) const override {
    s.Like("momentum");
    s.Square("fim");
  }
  void Step(TensorStep& t) const override {
    const auto n = static_cast<double>(t.n());
    const double rms = std::sqrt(t.Reduce(NormOfGradient).sum[0] / n);
    const double scaled = eps_2 * rms;
    const double power = std::pow(rms > 0 && scaled < eps ? scaled : eps, 2.0 * p);
    const double beta2 = DebiasBeta(betas[1]);
    const PassSums sums =
        t.Reduce(p == 0.5 ? FisherSums : FisherPowerSums, {beta2, 1.0 - beta2, p, power});
    const double of_g = AtLeastOne(std::sqrt(sums.sum[0] / n) / clip);
    const double of_p = AtLeastOne(std::sqrt(sums.sum[1] / n) / clip);
    t.Update(p == 0.5 ? FisherDirection : FisherPowerDirection,
             {0, 0, p, power, 1.0 / of_g, (t.decays() ? weight_decay : 0.0) / of_p, 1.0 - betas[0]},
             lr);
  }
};
OPTIM_RULE(FAdam, "fadam");

// You et al. 2020 (arXiv:1904.00962).
struct Lamb : Rule {
  std::vector<double> betas{0.9, 0.999};
  double max_grad_norm = 1, eps = 1e-6, step_size = 0, n_sma = 0, clip = 1;
  bool grad_averaging = true, adam = false, pre_norm = false;
  Rectify rectify;
  Lamb() { rectify.degenerated_to_sgd = false; }
  void Bind(Fields& f) override {
    f("lr", lr)("betas", betas)("weight_decay", weight_decay)("weight_decouple", weight_decouple);
    f("fixed_decay", fixed_decay);
    rectify.Bind(f);
    f("grad_averaging", grad_averaging)("max_grad_norm", max_grad_norm)("adam", adam);
    f("pre_norm", pre_norm)("eps", eps)("maximize", maximize);
  }
  void Declare(StateList& s, const Shape&) const override {
    s.Scalar("weight_norm", ScalarKind::kTensor0);
    s.Scalar("adam_norm", ScalarKind::kTensor0);
    s.Scalar("trust_ratio", ScalarKind::kTensor0);
    s.Like("exp_avg");
    s.Square("exp_avg_sq");
  }
  bool Clips() const { return pre_norm && max_grad_norm != 0; }
  int phases() const override { return Clips() ? 2 : 1; }
  void Begin() override {
    step_size = AdamDebias(rectify.StepSize(lr, betas[1], step_count, &n_sma), Debias(betas[0]));
  }
  void Between(int phase, std::span<Rule* const> rules) override {
    if (phase != 0 || !Clips()) return;
    double total = 0;
    for (Rule* rule : rules) total += rule->totals()[0];
    for (Rule* rule : rules) {
      static_cast<Lamb*>(rule)->clip = std::min(max_grad_norm / (std::sqrt(total) + eps), 1.0);
    }
  }
  void Step(TensorStep& t) const override {
    if (Clips()) {
      if (t.phase() == 0) {
        t.out[0] = t.Reduce(NormOfGradient).sum[0];
        return;
      }
      t.grad_scale *= clip;
    }
    const double weight = (grad_averaging ? 1.0 - betas[0] : 1.0) * t.AdaNorm();
    if (weight_decouple) Decay(t);
    if (rectify.rectify && step_size <= 0) {
      t.Apply(LambMoments, {betas[0], betas[1], 1.0 - betas[1], weight});
      return;
    }
    const bool adaptive = !rectify.rectify || n_sma >= static_cast<double>(rectify.n_sma_threshold);
    const bool coupled = !weight_decouple && !rectify.rectify && t.decays();
    const PassSums sums =
        t.Reduce(LambDirection, {betas[0], betas[1], 1.0 - betas[1], weight, eps,
                                 adaptive ? 1.0 : 0.0, coupled ? weight_decay : 0.0,
                                 rectify.rectify ? -step_size : 1.0, rectify.rectify ? 1.0 : 0.0});
    const double weights = std::min(std::sqrt(sums.sum[0]), 10.0);
    const double update = std::sqrt(sums.sum[1]);
    const double ratio = weights == 0 || update == 0 ? 1.0 : weights / (update + eps);
    t.scalar(0) = weights, t.scalar(1) = update, t.scalar(2) = ratio;
    const double step = step_size * (adam ? 1.0 : ratio);
    if (cautious) {
      const double agree = t.Reduce(CountAgreement).sum[0];
      t.Apply(SubtractAgreeing, {step, static_cast<double>(t.n()) / (agree + 1.0), 1.0});
    } else {
      t.Apply(SubtractKept, {step});
    }
  }
};
OPTIM_RULE(Lamb, "lamb");

// Ginsburg et al. 2019 (arXiv:1905.11286).
struct NovoGrad : Rule {
  std::vector<double> betas{0.95, 0.98};
  double eps = 1e-8;
  bool grad_averaging = false;
  NovoGrad() { weight_decouple = false; }
  void Bind(Fields& f) override {
    f("lr", lr)("betas", betas)("weight_decay", weight_decay)("weight_decouple", weight_decouple);
    f("fixed_decay", fixed_decay)("grad_averaging", grad_averaging)("eps", eps);
    f("maximize", maximize);
  }
  void Declare(StateList& s, const Shape&) const override {
    s.Scalar("grads_ema", ScalarKind::kTensor0);
    s.Like("moments");
  }
  void Step(TensorStep& t) const override {
    const double norm2 = t.Reduce(NormOfGradient).sum[0];
    double& ema = t.scalar(0);
    ema = t.first() ? norm2 : ema + (1.0 - betas[1]) * (norm2 - ema);
    Decay(t);
    const double coupled = t.l2;
    t.l2 = 0;
    const double weight = t.first() || !grad_averaging ? 1.0 : 1.0 - betas[0];
    t.Update(NovoDirection,
             {1.0 / (std::sqrt(ema) + eps), coupled, t.first() ? 0.0 : betas[0], weight},
             adam_debias ? lr * std::sqrt(Debias(betas[1])) : lr);
  }
};
OPTIM_RULE(NovoGrad, "novograd");

// Wortsman et al. 2023 (arXiv:2304.13013).
struct StableAdamW : Rule {
  std::vector<double> betas{0.9, 0.99};
  double eps = 1e-8;
  bool kahan_sum = true;
  StableAdamW() { weight_decay = 1e-2; }
  void Bind(Fields& f) override {
    f("lr", lr)("betas", betas)("kahan_sum", kahan_sum)("weight_decay", weight_decay);
    f("weight_decouple", weight_decouple)("eps", eps)("maximize", maximize);
  }
  bool Kahan() const override { return kahan_sum; }
  void Declare(StateList& s, const Shape&) const override {
    s.Like("exp_avg");
    s.Square("exp_avg_sq");
  }
  void Step(TensorStep& t) const override {
    if (!weight_decouple) Decay(t);
    const double beta1 = 1.0 - DebiasBeta(betas[0]), beta2 = DebiasBeta(betas[1]);
    const double sum = t.Reduce(StableMoments, {beta1, beta2, 1.0 - beta2, eps * eps}).sum[0];
    const double rate = lr / AtLeastOne(std::sqrt(sum / static_cast<double>(t.n())));
    if (weight_decouple && t.decays()) t.decay = 1.0 - weight_decay * (fixed_decay ? 1.0 : rate);
    t.Update(MomentRatioDirection, {eps}, rate);
  }
};
OPTIM_RULE(StableAdamW, "stableadamw");

// Deng et al. 2018 (arXiv:1810.00553).
struct A2Grad : Rule {
  double beta = 10, lips = 10, rho = 0.5;
  std::string variant = "uni";
  json::Value unused_lr;
  void Bind(Fields& f) override {
    f("lr", unused_lr)("beta", beta)("lips", lips)("rho", rho)("variant", variant, "uni|inc|exp");
    f("maximize", maximize);
  }
  void Declare(StateList& s, const Shape&) const override {
    s.Scalar("alpha_k", ScalarKind::kFloat, 1.0);
    s.Scalar("v_k", ScalarKind::kTensor1);
    if (variant == "exp") s.Scalar("v_kk", ScalarKind::kTensor1);
    s.Like("avg_grad");
    s.Point("x_k");
  }
  void Step(TensorStep& t) const override {
    if (t.first()) {
      t.CopyRawGradient(0);
      t.CopyP(1);
    }
    const auto k = static_cast<double>(step_count);
    const double gamma = 2.0 * lips / (k + 1), next = 2.0 / (k + 3);
    const double sum = t.Reduce(MeanDeviation, {1.0 / k}).sum[0];
    double& v = t.scalar(1);
    if (variant == "exp") {
      double& kept = t.scalar(2);
      kept += (1.0 - rho) * (sum - kept);
      v = std::max(kept, v);
    } else {
      if (variant == "inc") v *= (k / (k + 1)) * (k / (k + 1));
      v += sum;
    }
    const double h = std::sqrt(v) * (variant == "uni" ? 1.0 : std::sqrt(k + 1));
    const double coefficient = -1.0 / (gamma + beta * h);
    t.Apply(AccelerateUpdate, {0, coefficient, next, (1.0 - next) * t.scalar(0) * coefficient});
    t.scalar(0) = next;
  }
};
OPTIM_RULE(A2Grad, "a2grad");

}  // namespace malmoi::optim
#endif
