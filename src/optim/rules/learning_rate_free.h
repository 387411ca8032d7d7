// Rules that find their learning rate: Prodigy and the D-Adaptation family. Sums over all tensors
// set d between two visits.
#include "optim/lane_pass.h"

namespace malmoi::optim {

// s0 s, s1 p0, s2 m, s3 v. c: 0 beta1, 1 of g in m, 2 beta2, 3 of g^2 in v, 4 beta3, 5 of g in s.
OPTIM_KERNEL(ProdigyGather, kP | kG | kS0 | kS1 | kS2 | kS3, kS0 | kS2 | kS3) {
  x.Sum(0, x.g * (x.s1 - x.p));
  x.s2 = Fma(x.s2, x.c(0), x.g * x.c(1));
  x.s3 = Fma(x.c(3) * x.g, x.g, x.s3 * x.c(2));
  x.s0 = Fma(x.s0, x.c(4), x.g * x.c(5));
  x.Sum(1, Abs(x.s0));
}
// c: 0 d * eps.
OPTIM_KERNEL(ProdigyDirection, kS2 | kS3, kU) {
  x.u = x.s2 / (Sqrt(x.s3) + x.c(0));
}
OPTIM_KERNEL(ProdigyAtanDirection, kS2 | kS3, kU) {
  x.u = Atan2(x.s2, Sqrt(x.s3));
}
// s0 alpha, s1 sum of gradients. c: 0 d lr, 1 eps, 2 start of alpha in the first step.
OPTIM_KERNEL(AdaGradGather, kG | kS0 | kS1, kS0 | kS1) {
  const auto alpha = x.s0 + x.c(2);
  const auto before = Sqrt(alpha) + x.c(1);
  x.Sum(0, x.s1 * x.s1 / before);
  x.Sum(1, Abs(x.s1));
  x.s0 = Fma(x.g, x.g, alpha);
  const auto after = Sqrt(x.s0) + x.c(1);
  x.Sum(2, x.g * x.g / after);
  x.s1 = Fma(x.c(0), x.g, x.s1);
  x.Sum(3, x.s1 * x.s1 / after);
  x.Sum(4, Abs(x.s1));
}
// s2 start. c: 0 eps, 1 1-momentum.
OPTIM_KERNEL(AdaGradFollow, kP | kS0 | kS1 | kS2, kP) {
  x.p = Lerp(x.p, x.s2 - x.s1 / (Sqrt(x.s0) + x.c(0)), x.c(1));
}
// s0 s, s1 m, s2 v. c: 0 eps, 1 beta1, 2 of g in m, 3 beta2, 4 1-beta2, 5 sqrt(beta2), 6 of g in s.
OPTIM_KERNEL(DadaptAdamGather, kG | kS0 | kS1 | kS2, kS0 | kS1 | kS2) {
  x.Sum(0, x.g * (x.s0 / (Sqrt(x.s2) + x.c(0))));
  x.s1 = Fma(x.s1, x.c(1), x.g * x.c(2));
  x.s2 = Fma(x.c(4) * x.g, x.g, x.s2 * x.c(3));
  x.s0 = Fma(x.s0, x.c(5), x.g * x.c(6));
  x.Sum(1, Abs(x.s0));
}
OPTIM_KERNEL(DadaptAdamDirection, kS1 | kS2, kU) {
  x.u = x.s1 / (Sqrt(x.s2) + x.c(0));
}
// s0 z, s1 s, s2 start. c: 0 d lr.
OPTIM_KERNEL(DadaptSgdGather, kP | kG | kS1, kP | kS1) {
  x.Sum(0, x.g * x.s1);
  x.s1 = Fma(x.c(0), x.g, x.s1);
  x.Sum(1, x.s1 * x.s1);
}
// c: 0 1-momentum.
OPTIM_KERNEL(DadaptSgdFollow, kP | kS1 | kS2, kP | kS0) {
  x.s0 = x.s2 - x.s1;
  x.p = Lerp(x.p, x.s0, x.c(0));
}
// s0 s, s1 m, s2 v, s3 difference, s4 minus the previous gradient. c: 0 beta1, 1 of g in m,
// 2 beta2, 3 of the difference, 4 beta3, 5 1-beta3, 6 eps, 7 of g in s, 8 1 in the first step,
// 9 sign of the raw gradient.
OPTIM_KERNEL(DadaptAdanGather, kG | kS0 | kS1 | kS2 | kS3 | kS4, kS0 | kS1 | kS2 | kS3 | kS4) {
  const auto diff = Fma(x.Num(0) - x.c(8) * x.c(9), x.g, x.s4) + x.g;
  x.s1 = Fma(x.s1, x.c(0), x.g * x.c(1));
  x.s3 = Fma(x.s3, x.c(2), diff * x.c(3));
  const auto look = Fma(diff, x.c(2), x.g);
  // As the reference, the fourth power.
  const auto square = look * look;
  x.s2 = Fma(x.c(5) * square, square, x.s2 * x.c(4));
  const auto root = Sqrt(x.s2) + x.c(6);
  x.Sum(0, x.g * x.g / root);
  x.s0 = Fma(x.s0, x.c(4), x.g * x.c(7));
  x.Sum(1, x.s0 * x.s0 / root);
  x.Sum(2, Abs(x.s0));
  x.s4 = x.Num(0) - x.g;
}
// c: 0 eps, 1 beta2.
OPTIM_KERNEL(DadaptAdanDirection, kS1 | kS2 | kS3, kU) {
  x.u = Fma(x.c(1), x.s3, x.s1) / (Sqrt(x.s2) + x.c(0));
}
// s0 m, s1 s. c: 0 1-beta1, 1 d lr, 2 beta2, 3 of g in m, 4 sqrt(beta2), 5 of u in s.
OPTIM_KERNEL(DadaptLionUpdate, kP | kG | kS0 | kS1, kP | kS0 | kS1) {
  const auto u = Sign(Lerp(x.s0, x.g, x.c(0)));
  x.p = Fma(x.Num(0) - x.c(1), u, x.p);
  x.s0 = Fma(x.s0, x.c(2), x.g * x.c(3));
  x.Sum(0, u * x.s1);
  x.s1 = Fma(x.s1, x.c(4), u * x.c(5));
  x.Sum(1, Abs(x.s1));
}

}  // namespace malmoi::optim

#if !defined(MALMOI_OPTIM_LEVEL)
#include "optim/rule.h"

namespace malmoi::optim {

// What the family shares: the estimate d, kept equal in all groups. The first group's options
// count for it, as in the reference.
struct Adaptive : Rule {
  double d = 1e-6, d0 = 1e-6, growth_rate = std::numeric_limits<double>::infinity();
  std::int64_t k = 0;
  // Set for all groups at the start of a step from the first group.
  double d_lr = 0;
  bool idle = false;  // No gradient mass: the step moves nothing.
  Adaptive() { lr = 1.0, weight_decouple = false; }
  void Constructed() override { d = d0; }
  void BindState(Fields& f) override { f("d", d)("k", k); }
  int phases() const override { return 2; }
  static double Sum(std::span<Rule* const> rules, std::size_t i) {
    double total = 0;
    for (Rule* rule : rules) total += rule->totals()[i];
    return total;
  }
  // f32 as in the reference, where these numbers are 1-element f32 tensors.
  static double F32(double v) { return static_cast<double>(static_cast<float>(v)); }
  template <class F>
  static void Each(std::span<Rule* const> rules, F f) {
    for (Rule* rule : rules) f(*static_cast<Adaptive*>(rule));
  }
};

// Mishchenko and Defazio 2023 (arXiv:2306.06101).
struct Prodigy : Adaptive {
  std::vector<double> betas{0.9, 0.999};
  std::optional<double> beta3, eps = 1e-8;
  double d_coef = 1, d_max = 1e-6, d_numerator = 0, d_hat = 1e-6, d_de_nom = 0;
  bool bias_correction = false, safeguard_warmup = false;
  Prodigy() { weight_decouple = true, step_count = 1; }  // As the reference starts counting.
  void Bind(Fields& f) override {
    f("lr", lr)("betas", betas)("beta3", beta3)("d0", d0)("d_coef", d_coef);
    f("growth_rate", growth_rate)("weight_decay", weight_decay);
    f("weight_decouple", weight_decouple)("fixed_decay", fixed_decay);
    f("bias_correction", bias_correction)("safeguard_warmup", safeguard_warmup)("eps", eps);
    f("maximize", maximize);
  }
  void Constructed() override { d = d_max = d_hat = d0; }
  void BindState(Fields& f) override {
    f("d", d)("d_max", d_max)("d_hat", d_hat)("d_numerator", d_numerator)("d_de_nom", d_de_nom);
  }
  void Declare(StateList& s, const Shape&) const override {
    s.Point("s");
    s.Point("p0");
    s.Like("exp_avg");
    s.Square("exp_avg_sq");
  }
  double Beta3() const { return beta3.value_or(std::sqrt(betas[1])); }
  void Start(std::span<Rule* const> rules) override {
    const auto before = static_cast<double>(step_count - 1);
    double correction = 1;
    if (bias_correction) {
      correction = (1.0 - std::pow(betas[0], before)) / std::sqrt(1.0 - std::pow(betas[1], before));
    }
    for (Rule* rule : rules) {
      auto& r = *static_cast<Prodigy*>(rule);
      r.first_betas = betas, r.first_beta3 = Beta3(), r.first_d0 = d0;
      r.d = d;
      r.d_lr = d * lr / correction;
    }
  }
  std::vector<double> first_betas{0.9, 0.999};
  double first_beta3 = 0, first_d0 = 1e-6;
  void Step(TensorStep& t) const override {
    if (t.phase() == 0) {
      if (t.first()) t.CopyP(1);
      const double ratio = d / first_d0;
      const PassSums sums =
          t.Reduce(ProdigyGather, {first_betas[0], d * (1.0 - first_betas[0]), first_betas[1],
                                   d * d * (1.0 - first_betas[1]), first_beta3,
                                   ratio * (safeguard_warmup ? d : d_lr)});
      t.out[0] = sums.sum[0], t.out[1] = sums.sum[1];
      return;
    }
    if (idle) return;
    if (weight_decay != 0 && weight_decouple && t.decays()) {
      t.decay = 1.0 - weight_decay * (fixed_decay ? 1.0 : d_lr);
    }
    if (eps) {
      t.Update(ProdigyDirection, {d * *eps}, d_lr);
    } else {
      t.Update(ProdigyAtanDirection, {}, d_lr);
    }
  }
  void Between(int phase, std::span<Rule* const> rules) override {
    if (phase != 0) return;
    const double numerator = F32(F32(d_numerator * Beta3()) + d / d0 * d_lr * Sum(rules, 0));
    const double de_nom = F32(Sum(rules, 1));
    const bool none = de_nom == 0;
    double next = d, top = d_max, hat = d_hat;
    if (!none) {
      hat = F32(F32(d_coef * numerator) / de_nom);
      if (next == d0) next = std::max(next, hat);
      top = std::max(d_max, hat);
      next = std::min(top, next * growth_rate);
    }
    for (Rule* rule : rules) {
      auto& r = *static_cast<Prodigy*>(rule);
      r.d_numerator = numerator, r.idle = none;
      if (none) continue;
      r.d = next, r.d_max = top, r.d_hat = hat, r.d_de_nom = de_nom;
    }
  }
};
OPTIM_RULE(Prodigy, "prodigy");

// Defazio and Mishchenko 2023 (arXiv:2301.07733), here and below.
struct DAdaptAdaGrad : Adaptive {
  double momentum = 0, eps = 0, gsq_weighted = 0, sk_sq_weighted = 0, sk_l1 = 0;
  void Bind(Fields& f) override {
    f("lr", lr)("momentum", momentum)("d0", d0)("growth_rate", growth_rate);
    f("weight_decay", weight_decay)("weight_decouple", weight_decouple);
    f("fixed_decay", fixed_decay)("eps", eps)("maximize", maximize);
  }
  void BindState(Fields& f) override {
    Adaptive::BindState(f);
    f("gsq_weighted", gsq_weighted)("sk_sq_weighted", sk_sq_weighted)("sk_l1", sk_l1);
  }
  void Declare(StateList& s, const Shape&) const override {
    s.Square("alpha_k");
    s.Point("sk");  // x0 less sk is p.
    s.Point("x0");
  }
  void Start(std::span<Rule* const> rules) override {
    Each(rules, [&](Adaptive& r) { r.d = d, r.d_lr = d * lr; });
  }
  void Step(TensorStep& t) const override {
    if (t.phase() == 0) {
      if (t.first()) t.CopyP(2);
      Decay(t);
      // Decoupled decay moves p in this visit; the second one then overwrites it.
      const PassSums sums = t.Reduce(AdaGradGather, {d_lr, eps, t.first() ? 1e-6 : 0.0});
      for (std::size_t i = 0; i < 5; ++i) t.out[i] = sums.sum[i];
      return;
    }
    if (weight_decouple) Decay(t);
    if (!idle)
      t.Apply(AdaGradFollow, {eps, momentum > 0 ? 1.0 - momentum : 1.0});
    else
      t.Apply(KeepDecayed, {1.0});
  }
  void Between(int phase, std::span<Rule* const> rules) override {
    if (phase != 0) return;
    const double sk_sq = F32(sk_sq_weighted + (Sum(rules, 3) - Sum(rules, 0)));
    const double gsq = F32(gsq_weighted + d_lr * d_lr * Sum(rules, 2));
    const double l1 = F32(sk_l1 + (Sum(rules, 4) - Sum(rules, 1)));
    double next = d;
    if (lr > 0 && l1 != 0) {
      next = std::max(d, std::min(F32(F32(sk_sq - gsq) / l1), d * growth_rate));
    }
    for (Rule* rule : rules) {
      auto& r = *static_cast<DAdaptAdaGrad*>(rule);
      r.gsq_weighted = gsq, r.sk_sq_weighted = sk_sq, r.sk_l1 = l1, r.idle = l1 == 0;
      if (l1 != 0) r.d = next, ++r.k;
    }
  }
};
OPTIM_RULE(DAdaptAdaGrad, "dadaptadagrad");

struct DAdaptAdam : Adaptive {
  std::vector<double> betas{0.9, 0.999}, first_betas{0.9, 0.999};
  double eps = 1e-8, numerator_weighted = 0;
  bool bias_correction = false;
  void Bind(Fields& f) override {
    f("lr", lr)("betas", betas)("d0", d0)("growth_rate", growth_rate);
    f("weight_decay", weight_decay)("weight_decouple", weight_decouple);
    f("fixed_decay", fixed_decay)("bias_correction", bias_correction)("eps", eps);
    f("maximize", maximize);
  }
  void BindState(Fields& f) override {
    Adaptive::BindState(f);
    f("numerator_weighted", numerator_weighted);
  }
  void Declare(StateList& s, const Shape&) const override {
    s.Like("s");
    s.Like("exp_avg");
    s.Square("exp_avg_sq");
  }
  void Start(std::span<Rule* const> rules) override {
    const double correction = Debias(betas[0]) / std::sqrt(Debias(betas[1]));
    for (Rule* rule : rules) {
      auto& r = *static_cast<DAdaptAdam*>(rule);
      r.d = d, r.first_betas = betas;
      r.d_lr = bias_correction ? d * lr / correction : d * lr;
    }
  }
  void Step(TensorStep& t) const override {
    const double beta1 = first_betas[0], beta2 = first_betas[1], root = std::sqrt(beta2);
    if (t.phase() == 0) {
      if (!weight_decouple && t.decays()) t.l2 = weight_decay;
      const PassSums sums = t.Reduce(DadaptAdamGather, {eps, beta1, d_lr * (1.0 - beta1), beta2,
                                                        1.0 - beta2, root, d_lr * (1.0 - root)});
      t.out[0] = sums.sum[0], t.out[1] = sums.sum[1];
      return;
    }
    if (idle) return;
    if (weight_decouple && t.decays()) {
      t.decay = 1.0 - weight_decay * (fixed_decay ? 1.0 : d_lr);
    }
    t.Update(DadaptAdamDirection, {eps}, 1.0);
  }
  void Between(int phase, std::span<Rule* const> rules) override {
    if (phase != 0) return;
    const double root = std::sqrt(betas[1]);
    const double l1 = F32(Sum(rules, 1)), gathered = F32(d_lr * Sum(rules, 0));
    const double numerator =
        F32(numerator_weighted + (1.0 - root) * (gathered - numerator_weighted));
    const bool none = l1 == 0;
    double next = d;
    if (lr > 0 && !none) {
      next = std::max(d, std::min(F32(numerator / F32((1.0 - root) * l1)), d * growth_rate));
    }
    for (Rule* rule : rules) {
      auto& r = *static_cast<DAdaptAdam*>(rule);
      r.idle = none;
      if (!none) r.d = next, r.numerator_weighted = numerator;
    }
  }
};
OPTIM_RULE(DAdaptAdam, "dadaptadam");

struct DAdaptSGD : Adaptive {
  double momentum = 0.9, numerator_weighted = 0, g0_norm = -1;
  void Bind(Fields& f) override {
    f("lr", lr)("momentum", momentum)("d0", d0)("growth_rate", growth_rate);
    f("weight_decay", weight_decay)("weight_decouple", weight_decouple);
    f("fixed_decay", fixed_decay)("maximize", maximize);
  }
  void BindState(Fields& f) override {
    Adaptive::BindState(f);
    f("numerator_weighted", numerator_weighted)("g0_norm", g0_norm);
  }
  void Declare(StateList& s, const Shape&) const override {
    s.Point("z");
    s.Like("s");
    s.Point("x0");
  }
  int phases() const override { return 3; }
  void Start(std::span<Rule* const> rules) override {
    Each(rules, [&](Adaptive& r) { r.d = d; });
  }
  void DecayWithRate(TensorStep& t) const {
    if (weight_decay == 0 || !t.decays()) return;
    if (weight_decouple)
      t.decay = 1.0 - weight_decay * (fixed_decay ? 1.0 : d_lr);
    else
      t.l2 = weight_decay;
  }
  void Step(TensorStep& t) const override {
    if (t.phase() == 0) {
      if (t.first()) {
        t.CopyP(0);
        t.CopyP(2);
      }
      if (g0_norm < 0) t.out[0] = t.Reduce(NormOfGradient).sum[0];
      return;
    }
    if (idle) return;
    if (t.phase() == 1) {
      DecayWithRate(t);
      const PassSums sums = t.Reduce(DadaptSgdGather, {d_lr});
      t.out[0] = sums.sum[0], t.out[1] = sums.sum[1];
      return;
    }
    t.Apply(DadaptSgdFollow, {1.0 - momentum});
  }
  void Between(int phase, std::span<Rule* const> rules) override {
    if (phase == 0) {
      const double norm = g0_norm < 0 ? F32(std::sqrt(Sum(rules, 0))) : g0_norm;
      const double rate = norm == 0 ? 0 : d * lr / norm;
      for (Rule* rule : rules) {
        auto& r = *static_cast<DAdaptSGD*>(rule);
        r.g0_norm = norm, r.d_lr = rate, r.idle = norm == 0;
      }
    }
    if (phase != 1 || idle) return;
    const double numerator = F32(numerator_weighted + d_lr * Sum(rules, 0));
    double next = d;
    if (lr > 0) {
      const double hat = F32(F32(2.0 * numerator) / F32(std::sqrt(F32(Sum(rules, 1)))));
      next = std::max(d, std::min(hat, d * growth_rate));
    }
    for (Rule* rule : rules) {
      auto& r = *static_cast<DAdaptSGD*>(rule);
      r.numerator_weighted = numerator, r.d = next;
    }
  }
};
OPTIM_RULE(DAdaptSGD, "dadaptsgd");

struct DAdaptAdan : Adaptive {
  std::vector<double> betas{0.98, 0.92, 0.99}, first_betas = betas;
  double eps = 1e-8, gsq_weighted = 0;
  void Bind(Fields& f) override {
    f("lr", lr)("betas", betas)("weight_decay", weight_decay)("weight_decouple", weight_decouple);
    f("d0", d0)("growth_rate", growth_rate)("eps", eps)("maximize", maximize);
  }
  void BindState(Fields& f) override {
    Adaptive::BindState(f);
    f("gsq_weighted", gsq_weighted);
  }
  void Declare(StateList& s, const Shape&) const override {
    s.Like("s");
    s.Like("exp_avg");
    s.Square("exp_avg_sq");
    s.Like("exp_avg_diff");
    s.Like("previous_grad");
  }
  void Start(std::span<Rule* const> rules) override {
    for (Rule* rule : rules) {
      auto& r = *static_cast<DAdaptAdan*>(rule);
      r.d = d, r.d_lr = d * lr, r.first_betas = betas;
    }
  }
  void Step(TensorStep& t) const override {
    const double b1 = first_betas[0], b2 = first_betas[1], b3 = first_betas[2];
    if (t.phase() == 0) {
      // The first difference is against the gradient as it came, before maximize turns it.
      const PassSums sums = t.Reduce(
          DadaptAdanGather, {b1, d_lr * (1.0 - b1), b2, d_lr * (1.0 - b2), b3, 1.0 - b3, eps,
                             d_lr * (1.0 - b3), t.first() ? 1.0 : 0.0, maximize ? -1.0 : 1.0});
      for (std::size_t i = 0; i < 3; ++i) t.out[i] = sums.sum[i];
      return;
    }
    if (idle) return;
    if (weight_decay != 0 && t.decays()) {
      if (weight_decouple)
        t.decay = 1.0 - d_lr * weight_decay;
      else
        t.post_decay = 1.0 / (1.0 + d_lr * weight_decay);
    }
    t.Update(DadaptAdanDirection, {eps, b2}, 1.0);
  }
  void Between(int phase, std::span<Rule* const> rules) override {
    if (phase != 0) return;
    const double b3 = betas[2], l1 = F32(Sum(rules, 2));
    const double gsq = F32(gsq_weighted * b3 + d_lr * d_lr * (1.0 - b3) * Sum(rules, 0));
    const bool none = l1 == 0;
    double next = d;
    if (lr > 0 && !none) {
      const double hat = F32(F32(F32(F32(Sum(rules, 1)) / (1.0 - b3)) - gsq) / l1);
      next = std::max(d, std::min(hat, d * growth_rate));
    }
    for (Rule* rule : rules) {
      auto& r = *static_cast<DAdaptAdan*>(rule);
      r.idle = none;
      if (!none) r.gsq_weighted = gsq, r.d = next, ++r.k;
    }
  }
};
OPTIM_RULE(DAdaptAdan, "dadaptadan");

struct DAdaptLion : Adaptive {
  std::vector<double> betas{0.9, 0.999}, first_betas = betas;
  double numerator_weighted = 0;
  void Bind(Fields& f) override {
    f("lr", lr)("betas", betas)("d0", d0)("weight_decay", weight_decay);
    f("weight_decouple", weight_decouple)("fixed_decay", fixed_decay)("maximize", maximize);
  }
  void BindState(Fields& f) override { f("d", d)("numerator_weighted", numerator_weighted); }
  int phases() const override { return 1; }
  void Declare(StateList& s, const Shape&) const override {
    s.Like("exp_avg");
    s.Like("s");
  }
  void Start(std::span<Rule* const> rules) override {
    for (Rule* rule : rules) {
      auto& r = *static_cast<DAdaptLion*>(rule);
      r.d = d, r.d_lr = d * lr, r.first_betas = betas;
    }
  }
  void Step(TensorStep& t) const override {
    if (weight_decay != 0 && t.decays()) {
      if (weight_decouple)
        t.decay = 1.0 - weight_decay * (fixed_decay ? 1.0 : d_lr);
      else
        t.l2 = weight_decay;
    }
    const double b2 = first_betas[1], root = std::sqrt(b2);
    const PassSums sums =
        t.Reduce(DadaptLionUpdate,
                 {1.0 - first_betas[0], d_lr, b2, (1.0 - b2) * d_lr, root, (1.0 - root) * d_lr});
    t.out[0] = sums.sum[0], t.out[1] = sums.sum[1];
  }
  void Between(int, std::span<Rule* const> rules) override {
    const double root = std::sqrt(betas[1]), l1 = F32(Sum(rules, 1));
    const double gathered = F32(d_lr * Sum(rules, 0));
    const double numerator =
        F32(numerator_weighted + (1.0 - root) * (gathered - numerator_weighted));
    double next = d;
    if (lr > 0 && l1 != 0) next = std::max(d, F32(numerator / F32((1.0 - root) * l1)));
    for (Rule* rule : rules) {
      auto& r = *static_cast<DAdaptLion*>(rule);
      r.numerator_weighted = numerator;
      if (l1 != 0) r.d = next;
    }
  }
};
OPTIM_RULE(DAdaptLion, "dadaptlion");

}  // namespace malmoi::optim
#endif
