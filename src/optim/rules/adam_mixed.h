// Adam's relatives with other directions: AdaDelta, AdamG, Adan, AdaPNM, AdaSmooth, AdEMAMix,
// SimplifiedAdEMAMix, ADOPT, Ano, AvaGrad, DualAdam, EXAdam, Grams, GrokFastAdamW, Kate, LaProp,
// PAdam, QHAdam.
#include "optim/lane_pass.h"

namespace malmoi::optim {

// c: 0 rho, 1 1-rho, 2 eps.
OPTIM_KERNEL(DeltaDirection, kG | kS0 | kS1, kS0 | kS1 | kU) {
  x.s0 = Fma(x.c(1) * x.g, x.g, x.s0 * x.c(0));
  x.u = Sqrt(x.s1 + x.c(2)) / Sqrt(x.s0 + x.c(2)) * x.g;
  x.s1 = Fma(x.c(1) * x.u, x.u, x.s1 * x.c(0));
}
// s0 m, s1 v, s2 r. c: 0 beta1, 1 1-beta1, 2 beta2, 3 1-beta2, 4 1-beta3, 5 p, 6 q, 7 1/bc2, 8 eps.
OPTIM_KERNEL(GoldenDirection, kG | kS0 | kS1 | kS2, kS0 | kS1 | kS2 | kU) {
  x.s1 = Fma(x.c(3) * x.g, x.g, x.s1 * x.c(2));
  x.s2 = Lerp(x.s2, PowNear(x.s1, x.c(6)) * x.c(5), x.c(4));
  x.s0 = Fma(x.c(1) * x.s2, x.g, x.s0 * x.c(0));
  x.u = x.s0 / (Sqrt(x.s1 * x.c(7)) + x.c(8));
}
// s0 m, s1 n, s2 difference, s3 minus the previous gradient. c: 0 1-beta1, 1 1-beta2, 2 beta2,
// 3 beta3, 4 1-beta3, 5 1/sqrt(bc3), 6 eps, 7 lr/bc1, 8 lr beta2/bc2, 9 1 in the first step,
// 10 factor of g in the first moment.
OPTIM_KERNEL(AdanDirection, kG | kS0 | kS1 | kS2 | kS3, kS0 | kS1 | kS2 | kS3 | kU) {
  const auto diff = Fma(x.Num(0) - x.c(9), x.g, x.s3) + x.g;
  x.s0 = Lerp(x.s0, x.g * x.c(10), x.c(0));
  x.s2 = Lerp(x.s2, diff, x.c(1));
  const auto look = Fma(diff, x.c(2), x.g);
  x.s1 = Fma(x.c(4) * look, look, x.s1 * x.c(3));
  x.u = Fma(x.c(7), x.s0, x.c(8) * x.s2) / Fma(Sqrt(x.s1), x.c(5), x.c(6));
  x.s3 = x.Num(0) - x.g;
}
// s0 positive, s1 v, s2 negative momentum. c: as AdamDirection, 7 (1 + beta3) / norm, 8 beta3 /
// norm.
OPTIM_KERNEL(PnmDirection, kG | kS0 | kS1 | kS2, kS0 | kS1 | kU) {
  x.s0 = Lerp(x.s0, x.g * x.c(5), x.c(0));
  x.s1 = Fma(x.c(2) * x.g, x.g, x.s1 * x.c(1));
  x.u = (x.s0 * x.c(7) - x.s2 * x.c(8)) / Fma(Sqrt(x.s1 + x.c(6)), x.c(3), x.c(4));
}
OPTIM_KERNEL(PnmAmsDirection, kG | kS0 | kS1 | kS2 | kS3, kS0 | kS1 | kS3 | kU) {
  x.s0 = Lerp(x.s0, x.g * x.c(5), x.c(0));
  x.s1 = Fma(x.c(2) * x.g, x.g, x.s1 * x.c(1));
  x.s3 = Max(x.s3, x.s1);
  x.u = (x.s0 * x.c(7) - x.s2 * x.c(8)) / Fma(Sqrt(x.s3 + x.c(6)), x.c(3), x.c(4));
}
// s0 previous p, s1 sum, s2 sum of magnitudes, s3 v. c: 0 beta2-beta1, 1 1-beta2, 2 eps.
OPTIM_KERNEL(SmoothDirection, kP | kG | kS0 | kS1 | kS2 | kS3, kS0 | kS1 | kS2 | kS3 | kU) {
  const auto diff = x.p - x.s0;
  x.s1 = x.s1 + diff;
  x.s2 = x.s2 + Abs(diff);
  const auto c = Fma(Abs(x.s1) / (x.s2 + x.c(2)), x.c(0), x.c(1));
  x.s3 = Lerp(x.s3, x.g * x.g, c * c);
  x.s0 = x.p;
  x.u = x.g / Sqrt(x.s3 + x.c(2));
}
// s0 fast, s1 v, s2 slow. c: 0 1-beta1, 1 beta2, 2 1-beta2, 3 1-beta3, 4 1/bc1, 5 alpha,
// 6 1/sqrt(bc2), 7 eps.
OPTIM_KERNEL(MixDirection, kG | kS0 | kS1 | kS2, kS0 | kS1 | kS2 | kU) {
  x.s0 = Lerp(x.s0, x.g, x.c(0));
  x.s1 = Fma(x.c(2) * x.g, x.g, x.s1 * x.c(1));
  x.s2 = Lerp(x.s2, x.g, x.c(3));
  x.u = Fma(x.c(5), x.s2, x.s0 * x.c(4)) / Fma(Sqrt(x.s1), x.c(6), x.c(7));
}
// The moments first, with the statistics of the two options: 0 agreement of momentum and gradient,
// 1 g^2 / v.
OPTIM_KERNEL(MixMoments, kG | kS0 | kS1 | kS2, kS0 | kS1 | kS2) {
  x.s0 = Lerp(x.s0, x.g, x.c(0));
  x.s1 = Fma(x.c(2) * x.g, x.g, x.s1 * x.c(1));
  x.s2 = Lerp(x.s2, x.g, x.c(3));
  x.Sum(0, Select(Gt(x.s0 * x.g, x.Num(0)), x.Num(1), x.Num(0)));
  x.Sum(1, x.g * x.g / Max(x.s1, x.Num(1e-16)));
}
// c4 includes the cautious factor; c0 is 1 where it masks.
OPTIM_KERNEL(MixMaskedDirection, kG | kS0 | kS1 | kS2, kU) {
  const auto agrees = Or(Gt(x.s0 * x.g, x.Num(0)), Eq(x.c(0), x.Num(0)));
  const auto fast = Select(agrees, x.s0 * x.c(4), x.Num(0));
  x.u = Fma(x.c(5), x.s2, fast) / Fma(Sqrt(x.s1), x.c(6), x.c(7));
}
// c: 0 1-beta1, 1 beta2, 2 1-beta2, 3 alpha, 4 eps, 5 1/sqrt(den).
OPTIM_KERNEL(SimpleMixDirection, kG | kS0 | kS1, kS0 | kS1 | kU) {
  x.s0 = Lerp(x.s0, x.g, x.c(0));
  x.s1 = Fma(x.c(2) * x.g, x.g, x.s1 * x.c(1));
  x.u = Fma(x.c(3), x.g, x.s0) / (Sqrt(x.s1) + x.c(4)) * x.c(5);
}
// c: 0 1-beta1, 1 beta2, 2 1-beta2, 3 eps, 4 clip.
OPTIM_KERNEL(AdoptDirection, kG | kS0 | kS1, kS0 | kS1 | kU) {
  const auto normed = x.g / Max(x.c(3), Sqrt(x.s1));
  x.s0 = Lerp(x.s0, Min(x.c(4), Max(x.Num(0) - x.c(4), normed)), x.c(0));
  x.u = x.s0;
  x.s1 = Fma(x.c(2) * x.g, x.g, x.s1 * x.c(1));
}
OPTIM_KERNEL(AddSquareOfGradient, kP | kG | kS1, kP | kS1) {
  x.s1 = Fma(x.g, x.g, x.s1);
}
OPTIM_KERNEL(SquareRatio, kG | kS1, 0) {
  x.Sum(0, x.g * x.g / Max(x.s1, x.Num(1e-16)));
}
// c: 0 1-beta1, 1 beta2, 2 1-beta2, 3 1/bc2, 4 eps.
OPTIM_KERNEL(AnoDirection, kG | kS0 | kS1, kS0 | kS1 | kU) {
  x.s0 = Lerp(x.s0, x.g, x.c(0));
  const auto g2 = x.g * x.g;
  x.s1 = Fma(x.c(2) * Sign(g2 - x.s1), g2, x.s1 * x.c(1));
  x.u = Abs(x.g) * Sign(x.s0) / (Sqrt(x.s1 * x.c(3)) + x.c(4));
}
// c: 0 1-beta1, 1 beta2, 2 1-beta2, 3 1/sqrt(previous bc2), 4 eps, 5 step (0: none), 6 1/sqrt(bc2).
OPTIM_KERNEL(AvaUpdate, kP | kG | kS0 | kS1, kP | kS0 | kS1) {
  x.s0 = Lerp(x.s0, x.g, x.c(0));
  const auto root = Sqrt(x.s1);
  const auto step = x.c(5) * x.s0 / Fma(root, x.c(3), x.c(4));
  x.p = x.p - Select(Eq(x.c(5), x.Num(0)), x.Num(0), step);
  x.s1 = Fma(x.c(2) * x.g, x.g, x.s1 * x.c(1));
  const auto rate = x.Num(1) / Fma(root, x.c(6), x.c(4));
  x.Sum(0, rate * rate);
}
// c: 0 1-beta1, 1 beta2, 2 1-beta2, 3 1/bc1, 4 1/bc2, 5 eps, 6 rate of the inverse, negative: off.
OPTIM_KERNEL(DualDirection, kG | kS0 | kS1, kS0 | kS1 | kU) {
  x.s0 = Lerp(x.s0, x.g, x.c(0));
  x.s1 = Fma(x.c(2) * x.g, x.g, x.s1 * x.c(1));
  const auto root = Sqrt(x.s1 * x.c(4)) + x.c(5);
  const auto inverse = x.Num(1) / root;
  const auto mixed = Lerp(inverse, root, x.c(6));
  x.u = x.s0 * x.c(3) * Select(Lt(x.c(6), x.Num(0)), inverse, mixed);
}
// c: 0 1-beta1, 1 beta2, 2 1-beta2, 3 1/bc1, 4 1/bc2, 5 eps, 6 beta1^k, 7 beta2^k.
OPTIM_KERNEL(ExDirection, kG | kS0 | kS1, kS0 | kS1 | kU) {
  x.s0 = Lerp(x.s0, x.g, x.c(0));
  x.s1 = Fma(x.c(2) * x.g, x.g, x.s1 * x.c(1));
  const auto d1 = Fma(x.s1 / (x.s1 + x.c(5)), x.c(7), x.Num(1));
  const auto m2 = x.s0 * x.s0;
  const auto d2 = Fma(m2 / (m2 + x.c(5)), x.c(6), x.Num(1));
  x.u = (x.s0 * x.c(3) * d1 + d1 * (x.g * x.c(3))) / (Sqrt(d2 * (x.s1 * x.c(4))) + x.c(5));
}
// c: 0 1-beta1, 1 beta2, 2 1-beta2, 3 1/sqrt(bc2), 4 eps.
OPTIM_KERNEL(GramsDirection, kG | kS0 | kS1, kS0 | kS1 | kU) {
  x.s0 = Lerp(x.s0, x.g, x.c(0));
  x.s1 = Fma(x.c(2) * x.g, x.g, x.s1 * x.c(1));
  x.u = Abs(x.s0 / Fma(Sqrt(x.s1), x.c(3), x.c(4))) * Sign(x.g);
}
// s2 slow gradient. c: 0 1-beta1, 1 beta2, 2 1-beta2, 3 1/sqrt(bc2), 4 eps, 5 1-alpha, 6 lambda.
OPTIM_KERNEL(GrokDirection, kG | kS0 | kS1 | kS2, kS0 | kS1 | kS2 | kU) {
  x.s2 = Lerp(x.s2, x.g, x.c(5));
  const auto g = Fma(x.c(6), x.s2, x.g);
  x.s0 = Lerp(x.s0, g, x.c(0));
  x.s1 = Fma(x.c(2) * g, g, x.s1 * x.c(1));
  x.u = x.s0 / Max(x.c(4), Sqrt(x.s1) * x.c(3));
}
OPTIM_KERNEL(ClampedAdamDirection, kG | kS0 | kS1, kS0 | kS1 | kU) {
  x.s0 = Lerp(x.s0, x.g, x.c(0));
  x.s1 = Fma(x.c(2) * x.g, x.g, x.s1 * x.c(1));
  x.u = x.s0 / Max(x.c(4), Sqrt(x.s1) * x.c(3));
}
// s0 m, s1 b. c: 0 delta, 1 eps.
OPTIM_KERNEL(KateDirection, kG | kS0 | kS1, kS0 | kS1 | kU) {
  const auto g2 = x.g * x.g;
  const auto b2 = Fma(x.s1, x.s1, g2) + x.c(1);
  x.s0 = Sqrt(Fma(x.c(0), g2, x.s0 * x.s0) + g2 / b2);
  x.u = x.s0 * x.g / b2;
  x.s1 = Sqrt(b2);
}
// s0 m, s1 v, s2 mean or maximum. c: 0 beta1, 1 (1-beta1) lr, 2 beta2, 3 1-beta2, 4 1/sqrt(bc2),
// 5 eps, 6 1 where the variance is centred.
OPTIM_KERNEL(LapropDirection, kG | kS0 | kS1, kS0 | kS1 | kU) {
  x.s1 = Fma(x.c(3) * x.g, x.g, x.s1 * x.c(2));
  const auto root = (Sqrt(x.s1 + x.Num(1e-15)) + x.c(5)) * x.c(4);
  x.s0 = Fma(x.c(1), x.g / root, x.s0 * x.c(0));
  x.u = x.s0;
}
OPTIM_KERNEL(LapropAmsDirection, kG | kS0 | kS1 | kS2, kS0 | kS1 | kS2 | kU) {
  x.s1 = Fma(x.c(3) * x.g, x.g, x.s1 * x.c(2));
  x.s2 = Max(x.s2, x.s1);
  const auto root = (Sqrt(x.s2 + x.Num(1e-15)) + x.c(5)) * x.c(4);
  x.s0 = Fma(x.c(1), x.g / root, x.s0 * x.c(0));
  x.u = x.s0;
}
OPTIM_KERNEL(LapropCenteredDirection, kG | kS0 | kS1 | kS2, kS0 | kS1 | kS2 | kU) {
  x.s1 = Fma(x.c(3) * x.g, x.g, x.s1 * x.c(2));
  x.s2 = Lerp(x.s2, x.g, x.c(3));
  const auto second = x.s1 - x.c(6) * (x.s2 * x.s2);
  const auto root = (Sqrt(second + x.Num(1e-15)) + x.c(5)) * x.c(4);
  x.s0 = Fma(x.c(1), x.g / root, x.s0 * x.c(0));
  x.u = x.s0;
}
OPTIM_KERNEL(LapropCenteredAmsDirection, kG | kS0 | kS1 | kS2 | kS3, kS0 | kS1 | kS2 | kS3 | kU) {
  x.s1 = Fma(x.c(3) * x.g, x.g, x.s1 * x.c(2));
  x.s2 = Lerp(x.s2, x.g, x.c(3));
  x.s3 = Max(x.s3, x.s1 - x.c(6) * (x.s2 * x.s2));
  const auto root = (Sqrt(x.s3 + x.Num(1e-15)) + x.c(5)) * x.c(4);
  x.s0 = Fma(x.c(1), x.g / root, x.s0 * x.c(0));
  x.u = x.s0;
}
// c: as AdamDirection; 5 exponent of the denominator.
OPTIM_KERNEL(PartialDirection, kG | kS0 | kS1, kS0 | kS1 | kU) {
  x.s0 = Lerp(x.s0, x.g, x.c(0));
  x.s1 = Fma(x.c(2) * x.g, x.g, x.s1 * x.c(1));
  x.u = x.s0 / Pow(Sqrt(x.s1) + x.c(4), x.c(5));
}
// The same with exponent 1/2, of which torch makes a root as well.
OPTIM_KERNEL(PartialRootDirection, kG | kS0 | kS1, kS0 | kS1 | kU) {
  x.s0 = Lerp(x.s0, x.g, x.c(0));
  x.s1 = Fma(x.c(2) * x.g, x.g, x.s1 * x.c(1));
  x.u = x.s0 / Sqrt(Sqrt(x.s1) + x.c(4));
}
// c: 0, 1 weights of g and g^2, 2 nu1, 3 1-nu1, 4 nu2, 5 1-nu2, 6 eps.
OPTIM_KERNEL(QuasiDirection, kG | kS0 | kS1, kS0 | kS1 | kU) {
  const auto g2 = x.g * x.g;
  x.s0 = Lerp(x.s0, x.g, x.c(0));
  x.s1 = Lerp(x.s1, g2, x.c(1));
  x.u = Fma(x.c(3), x.g, x.s0 * x.c(2)) / (Sqrt(Fma(x.c(5), g2, x.s1 * x.c(4))) + x.c(6));
}

}  // namespace malmoi::optim

#if !defined(MALMOI_OPTIM_LEVEL)
#include "optim/rule.h"
#include "optim/rules/adam_kernels.h"

namespace malmoi::optim {

// Options that most of these rules have.
struct AdamLike : Rule {
  std::vector<double> betas{0.9, 0.999};
  double eps = 1e-8;
  void Bind(Fields& f) override {
    f("lr", lr)("betas", betas)("weight_decay", weight_decay)("weight_decouple", weight_decouple);
    f("fixed_decay", fixed_decay)("eps", eps)("maximize", maximize);
  }
  void Declare(StateList& s, const Shape&) const override {
    s.Like("exp_avg");
    s.Square("exp_avg_sq");
  }
  bool OnePass() const override { return true; }
  double Root2() const { return 1.0 / std::sqrt(Debias(betas[1])); }
};

// Zeiler 2012 (arXiv:1212.5701).
struct AdaDelta : Rule {
  double rho = 0.9, eps = 1e-6;
  AdaDelta() { lr = 1.0, weight_decouple = false; }
  void Bind(Fields& f) override {
    f("lr", lr)("rho", rho)("weight_decay", weight_decay)("weight_decouple", weight_decouple);
    f("fixed_decay", fixed_decay)("eps", eps)("maximize", maximize);
  }
  void Declare(StateList& s, const Shape&) const override {
    s.Square("square_avg");
    s.Square("acc_delta");
  }
  bool OnePass() const override { return true; }
  void Step(TensorStep& t) const override {
    Decay(t);
    t.Update(DeltaDirection, {rho, 1.0 - rho, eps}, lr);
  }
};
OPTIM_RULE(AdaDelta, "adadelta");

// Pan et al. 2024 (arXiv:2405.04376).
struct AdamG : AdamLike {
  double p = 0.2, q = 0.24;
  AdamG() { lr = 1.0, betas = {0.95, 0.999, 0.95}, weight_decouple = false; }
  void Bind(Fields& f) override {
    f("lr", lr)("betas", betas)("p", p)("q", q);
    AdamLike::Bind(f);
  }
  void Declare(StateList& s, const Shape&) const override {
    s.Like("m");
    s.Square("v");
    s.Square("r");
  }
  void Step(TensorStep& t) const override {
    Decay(t);
    const double step_size = std::min(lr, 1.0 / std::sqrt(static_cast<double>(step_count)));
    t.Update(GoldenDirection,
             {betas[0], 1.0 - betas[0], betas[1], 1.0 - betas[1], 1.0 - betas[2], p, q,
              1.0 / Debias(betas[1]), eps},
             AdamDebias(step_size, Debias(betas[0])));
  }
};
OPTIM_RULE(AdamG, "adamg");

// Xie et al. 2022 (arXiv:2208.06677).
struct Adan : AdamLike {
  double max_grad_norm = 0, clip = 1;
  Adan() { betas = {0.98, 0.92, 0.99}, weight_decouple = false; }
  void Bind(Fields& f) override {
    f("lr", lr)("betas", betas)("weight_decay", weight_decay)("weight_decouple", weight_decouple);
    f("max_grad_norm", max_grad_norm)("eps", eps)("maximize", maximize);
  }
  void Declare(StateList& s, const Shape&) const override {
    s.Like("exp_avg");
    s.Square("exp_avg_sq");
    s.Like("exp_avg_diff");
    s.Like("previous_grad");
  }
  bool OnePass() const override { return max_grad_norm == 0; }
  int phases() const override { return max_grad_norm > 0 ? 2 : 1; }
  void Between(int phase, std::span<Rule* const> rules) override {
    if (phase != 0 || max_grad_norm == 0) return;
    double total = 0;
    for (Rule* rule : rules) total += rule->totals()[0];
    const double norm = std::sqrt(total) + eps;
    for (Rule* rule : rules) {
      static_cast<Adan*>(rule)->clip = std::min(max_grad_norm / norm, 1.0);
    }
  }
  void Step(TensorStep& t) const override {
    if (phases() == 2) {
      if (t.phase() == 0) {
        t.out[0] = t.ReduceRaw(NormOfGradient).sum[0];
        return;
      }
      t.grad_scale *= clip;
    }
    // The first difference is against the gradient before maximize turns it.
    double fresh = t.first() ? (maximize ? -1.0 : 1.0) : 0.0;
    if (t.first() && use_gc) {  // ... and before it is centred.
      t.CopyRawGradient(3, -std::fabs(t.grad_scale));
      fresh = 0;
    }
    if (weight_decay != 0 && t.decays()) {
      (weight_decouple ? t.decay : t.post_decay) =
          weight_decouple ? 1.0 - lr * weight_decay : 1.0 / (1.0 + lr * weight_decay);
    }
    t.Update(AdanDirection,
             {1.0 - betas[0], 1.0 - betas[1], betas[1], betas[2], 1.0 - betas[2],
              1.0 / std::sqrt(Debias(betas[2])), eps, AdamDebias(lr, Debias(betas[0])),
              lr * betas[1] / Debias(betas[1]), fresh, t.AdaNorm()},
             1.0);
  }
};
OPTIM_RULE(Adan, "adan");

// Xie et al. 2021 (arXiv:2103.17182).
struct AdaPNM : AdamLike {
  bool ams_bound = true;
  AdaPNM() { betas = {0.9, 0.999, 1.0}; }
  void Bind(Fields& f) override {
    f("lr", lr)("betas", betas)("weight_decay", weight_decay)("weight_decouple", weight_decouple);
    f("fixed_decay", fixed_decay)("ams_bound", ams_bound)("eps", eps)("maximize", maximize);
  }
  void Declare(StateList& s, const Shape&) const override {
    s.Like("exp_avg");
    s.Square("exp_avg_sq");
    s.Like("neg_exp_avg");
    if (ams_bound) s.Square("max_exp_avg_sq");
  }
  void Step(TensorStep& t) const override {
    Decay(t);
    if (step_count % 2 == 0) t.Slots({2, 1, 0, 3});
    const double norm = std::sqrt((1 + betas[2]) * (1 + betas[2]) + betas[2] * betas[2]);
    t.Update(ams_bound ? PnmAmsDirection : PnmDirection,
             {1.0 - betas[0] * betas[0], betas[1], 1.0 - betas[1], Root2(), eps * Root2(),
              t.AdaNorm(), 1e-15, (1.0 + betas[2]) / norm, betas[2] / norm},
             AdamDebias(lr, Debias(betas[0])));
  }
};
OPTIM_RULE(AdaPNM, "adapnm");

// Lu 2022 (arXiv:2204.00825).
struct AdaSmooth : AdamLike {
  AdaSmooth() { betas = {0.5, 0.99}, eps = 1e-6, weight_decouple = false; }
  void Declare(StateList& s, const Shape&) const override {
    s.Point("prev_param");
    s.Like("s");
    s.Square("n");
    s.Square("exp_avg_sq");
  }
  bool FreshOnePass() const override { return false; }
  void Step(TensorStep& t) const override {
    if (t.first()) t.CopyP(0);
    Decay(t);
    t.Update(SmoothDirection, {betas[1] - betas[0], 1.0 - betas[1], eps}, lr);
  }
};
OPTIM_RULE(AdaSmooth, "adasmooth");

// Pagliardini et al. 2024 (arXiv:2409.03137).
struct AdEMAMix : AdamLike {
  double alpha = 5.0, alpha_t = 0, beta3_t = 0;
  std::optional<double> t_alpha_beta3;
  AdEMAMix() { betas = {0.9, 0.999, 0.9999}, weight_decouple = false; }
  void Bind(Fields& f) override {
    f("lr", lr)("betas", betas)("weight_decay", weight_decay)("weight_decouple", weight_decouple);
    f("fixed_decay", fixed_decay)("alpha", alpha)("t_alpha_beta3", t_alpha_beta3);
    f("eps", eps)("maximize", maximize);
  }
  void Declare(StateList& s, const Shape&) const override {
    s.Like("exp_avg");
    s.Square("exp_avg_sq");
    s.Like("exp_avg_slow");
  }
  bool OnePass() const override { return !stable_adamw; }
  void Begin() override {
    alpha_t = alpha, beta3_t = betas[2];
    if (!t_alpha_beta3) return;
    const double part = static_cast<double>(step_count) / *t_alpha_beta3;
    const double log1 = std::log(betas[0]), log3 = std::log(betas[2]);
    alpha_t = std::min(static_cast<double>(step_count) * alpha / *t_alpha_beta3, alpha);
    beta3_t = std::min(std::exp(log1 * log3 / ((1.0 - part) * log3 + part * log1)), betas[2]);
  }
  void Step(TensorStep& t) const override {
    Decay(t);
    const double correct = 1.0 / (adam_debias ? 1.0 : Debias(betas[0]));
    if (!cautious && !stable_adamw) {
      t.Update(
          MixDirection,
          {1.0 - betas[0], betas[1], 1.0 - betas[1], 1.0 - beta3_t, correct, alpha_t, Root2(), eps},
          lr);
      return;
    }
    const PassSums sums =
        t.Reduce(MixMoments, {1.0 - betas[0], betas[1], 1.0 - betas[1], 1.0 - beta3_t});
    const auto n = static_cast<double>(t.n());
    const double factor = cautious ? n / (sums.sum[0] + 1.0) : 1.0;
    const double rms = stable_adamw ? AtLeastOne(std::sqrt(sums.sum[1] / n)) : 1.0;
    t.UpdatePlain(MixMaskedDirection,
                  {cautious ? 1.0 : 0.0, 0, 0, 0, correct * factor, alpha_t, Root2(), eps},
                  lr / rms);
  }
};
OPTIM_RULE(AdEMAMix, "ademamix");

// Morwani et al. 2025 (arXiv:2502.02431).
struct SimplifiedAdEMAMix : AdamLike {
  double alpha = 0.0, min_beta1 = 0.9, beta1_t = 0;
  std::optional<double> beta1_warmup;
  SimplifiedAdEMAMix() { lr = 1e-4, betas = {0.99, 0.95}; }
  void Bind(Fields& f) override {
    f("lr", lr)("betas", betas)("weight_decay", weight_decay)("weight_decouple", weight_decouple);
    f("fixed_decay", fixed_decay)("alpha", alpha)("beta1_warmup", beta1_warmup);
    f("min_beta1", min_beta1)("eps", eps)("maximize", maximize);
  }
  void Declare(StateList& s, const Shape&) const override {
    s.Like("exp_avg");
    s.Square("exp_avg_sq");
    s.Scalar("num_sum", ScalarKind::kFloat);
    s.Scalar("den_sum", ScalarKind::kFloat);
  }
  // The half-life grows linearly from min_beta1's to beta1's.
  void Begin() override {
    beta1_t = betas[0];
    const auto k = static_cast<double>(step_count);
    if (!beta1_warmup || *beta1_warmup == 0 || k >= *beta1_warmup) return;
    const double a = k / *beta1_warmup;
    const auto half_life = [](double beta) { return std::log(0.5) / std::log(beta + 1e-8) - 1.0; };
    beta1_t = std::pow(0.5, 1.0 / ((1.0 - a) * half_life(min_beta1) + a * half_life(betas[0]) + 1));
  }
  void Step(TensorStep& t) const override {
    Decay(t);
    t.scalar(0) = beta1_t * t.scalar(0) + 1.0;
    const double den = t.scalar(1) = betas[1] * t.scalar(1) + (1.0 - betas[1]);
    t.Update(SimpleMixDirection,
             {1.0 - beta1_t, betas[1], 1.0 - betas[1], alpha, std::sqrt(den) * eps,
              1.0 / std::sqrt(den)},
             lr);
  }
};
OPTIM_RULE(SimplifiedAdEMAMix, "simplifiedademamix");

// Taniguchi et al. 2024 (arXiv:2411.02853). clip_lambda: null for no clipping; any other value is
// the paper's step^(1/4), the only function that can be named here.
struct ADOPT : AdamLike {
  json::Value clip_lambda = json::Value::String("step**0.25");
  ADOPT() { betas = {0.9, 0.9999}, eps = 1e-6, weight_decouple = false; }
  void Bind(Fields& f) override {
    f("lr", lr)("betas", betas)("clip_lambda", clip_lambda);
    AdamLike::Bind(f);
  }
  bool OnePass() const override { return !stable_adamw; }
  void Step(TensorStep& t) const override {
    Decay(t);
    if (step_count == 1) {
      t.Apply(AddSquareOfGradient);
      return;
    }
    double rate = lr;
    if (stable_adamw) {
      const double mean = t.Reduce(SquareRatio).sum[0] / static_cast<double>(t.n());
      rate /= AtLeastOne(std::sqrt(mean));
    }
    const double clip = clip_lambda.is_null() ? std::numeric_limits<double>::max()
                                              : std::pow(static_cast<double>(step_count), 0.25);
    t.Update(AdoptDirection, {1.0 - betas[0], betas[1], 1.0 - betas[1], eps, std::min(clip, 3e38)},
             rate);
  }
};
OPTIM_RULE(ADOPT, "adopt");

// Kegreisz 2025 (arXiv:2508.18258).
struct Ano : AdamLike {
  bool logarithmic_schedule = false;
  Ano() { lr = 1e-4, betas = {0.92, 0.99}; }
  void Bind(Fields& f) override {
    f("lr", lr)("betas", betas)("logarithmic_schedule", logarithmic_schedule);
    AdamLike::Bind(f);
  }
  void Step(TensorStep& t) const override {
    Decay(t);
    double beta1 = betas[0];
    if (logarithmic_schedule) {
      beta1 = 1.0 - 1.0 / std::log(std::max(2.0, static_cast<double>(step_count)));
    }
    t.Update(AnoDirection, {1.0 - beta1, betas[1], 1.0 - betas[1], 1.0 / Debias(betas[1]), eps},
             lr);
  }
};
OPTIM_RULE(Ano, "ano");

// Savarese et al. 2019 (arXiv:1912.01823).
struct AvaGrad : AdamLike {
  double gamma = 0;
  AvaGrad() { lr = 1e-1, eps = 1e-1; }
  void BindState(Fields& f) override { f("gamma", gamma); }
  bool OnePass() const override { return false; }
  void Step(TensorStep& t) const override {
    Decay(t);
    const double before =
        step_count > 1 ? 1.0 - std::pow(betas[1], static_cast<double>(step_count - 1)) : 1.0;
    const double step = step_count > 1 ? AdamDebias(gamma * lr, Debias(betas[0])) : 0.0;
    t.out[0] = t.Reduce(AvaUpdate, {1.0 - betas[0], betas[1], 1.0 - betas[1],
                                    1.0 / std::sqrt(before), eps, step, Root2()})
                   .sum[0];
    t.out[1] = static_cast<double>(t.n());
  }
  void Between(int, std::span<Rule* const> rules) override {
    for (Rule* rule : rules) {
      const auto& sums = rule->totals();
      static_cast<AvaGrad*>(rule)->gamma = sums[1] == 0 ? 0 : 1.0 / std::sqrt(sums[0] / sums[1]);
    }
  }
};
OPTIM_RULE(AvaGrad, "avagrad");

// Adam that begins as its inverse; pytorch-optimizer's DualAdam.
struct DualAdam : AdamLike {
  double switch_rate = 0.01;
  DualAdam() { weight_decouple = false; }
  void Bind(Fields& f) override {
    f("lr", lr)("betas", betas)("switch_rate", switch_rate);
    AdamLike::Bind(f);
  }
  void Step(TensorStep& t) const override {
    Decay(t);
    const double rate = std::max(0.0, 1.0 - static_cast<double>(step_count) * switch_rate);
    t.Update(DualDirection,
             {1.0 - betas[0], betas[1], 1.0 - betas[1], 1.0 / Debias(betas[0]),
              1.0 / Debias(betas[1]), eps, rate >= switch_rate ? rate : -1.0},
             lr);
  }
};
OPTIM_RULE(DualAdam, "dualadam");

// Adly 2024 (arXiv:2412.20302).
struct EXAdam : AdamLike {
  void Step(TensorStep& t) const override {
    Decay(t);
    const double c1 = Debias(betas[0]), c2 = Debias(betas[1]);
    t.Update(
        ExDirection,
        {1.0 - betas[0], betas[1], 1.0 - betas[1], 1.0 / c1, 1.0 / c2, eps, 1.0 - c1, 1.0 - c2},
        lr);
  }
};
OPTIM_RULE(EXAdam, "exadam");

// Cao et al. 2024 (arXiv:2412.17107). As in the reference, coupled decay reaches the gradient only
// after it was used, so it does nothing.
struct Grams : AdamLike {
  Grams() { eps = 1e-6; }
  void Step(TensorStep& t) const override {
    if (weight_decouple) Decay(t);
    t.Update(GramsDirection, {1.0 - betas[0], betas[1], 1.0 - betas[1], Root2(), eps},
             AdamDebias(lr, Debias(betas[0])));
  }
};
OPTIM_RULE(Grams, "grams");

// Lee et al. 2024 (arXiv:2405.20233).
struct GrokFastAdamW : AdamLike {
  bool grokfast = true, normalize_lr = true;
  double grokfast_alpha = 0.98, grokfast_lamb = 2.0;
  std::int64_t grokfast_after_step = 0;
  GrokFastAdamW() { lr = 1e-4, betas = {0.9, 0.99}; }
  void Bind(Fields& f) override {
    f("lr", lr)("betas", betas)("grokfast", grokfast)("grokfast_alpha", grokfast_alpha);
    f("grokfast_lamb", grokfast_lamb)("grokfast_after_step", grokfast_after_step);
    f("normalize_lr", normalize_lr);
    AdamLike::Bind(f);
  }
  void Constructed() override {
    if (grokfast && normalize_lr) lr /= 1.0 + grokfast_lamb;
  }
  void Declare(StateList& s, const Shape& shape) const override {
    AdamLike::Declare(s, shape);
    if (grokfast && grokfast_lamb > 0) s.Like("grok_exp_avg");
  }
  bool FreshOnePass() const override { return false; }
  void Step(TensorStep& t) const override {
    const bool slow = grokfast && grokfast_lamb > 0;
    if (t.first() && slow) t.CopyRawGradient(2, maximize ? -1.0 : 1.0);
    Decay(t);
    const double step = AdamDebias(lr, Debias(betas[0]));
    if (slow && step_count > grokfast_after_step) {
      t.Update(GrokDirection,
               {1.0 - betas[0], betas[1], 1.0 - betas[1], Root2(), eps, 1.0 - grokfast_alpha,
                grokfast_lamb},
               step);
    } else {
      t.Update(ClampedAdamDirection, {1.0 - betas[0], betas[1], 1.0 - betas[1], Root2(), eps},
               step);
    }
  }
};
OPTIM_RULE(GrokFastAdamW, "grokfastadamw");

// Choudhury et al. 2024 (arXiv:2403.02648).
struct Kate : Rule {
  double delta = 0, eps = 1e-8;
  void Bind(Fields& f) override {
    f("lr", lr)("delta", delta)("weight_decay", weight_decay)("weight_decouple", weight_decouple);
    f("fixed_decay", fixed_decay)("eps", eps)("maximize", maximize);
  }
  void Declare(StateList& s, const Shape&) const override {
    s.Square("m");
    s.Square("b");
  }
  bool OnePass() const override { return true; }
  void Step(TensorStep& t) const override {
    Decay(t);
    t.Update(KateDirection, {delta, eps}, lr);
  }
};
OPTIM_RULE(Kate, "kate");

// Ziyin et al. 2020 (arXiv:2002.04839). Decay comes after the step; coupled decay then reaches a
// gradient that was used already, so it does nothing, as in the reference.
struct LaProp : AdamLike {
  bool centered = false, ams_bound = false;
  std::int64_t steps_before_using_centered = 10;
  LaProp() { lr = 4e-4, eps = 1e-15; }
  void Bind(Fields& f) override {
    f("lr", lr)("betas", betas)("centered", centered);
    f("steps_before_using_centered", steps_before_using_centered)("weight_decay", weight_decay);
    f("weight_decouple", weight_decouple)("fixed_decay", fixed_decay)("ams_bound", ams_bound);
    f("eps", eps)("maximize", maximize);
  }
  void Declare(StateList& s, const Shape& shape) const override {
    AdamLike::Declare(s, shape);
    if (centered) s.Like("exp_mean_avg_beta2");
    if (ams_bound) s.Square("max_exp_avg_sq");
    s.Scalar("exp_avg_lr_1", ScalarKind::kFloat);
    s.Scalar("exp_avg_lr_2", ScalarKind::kFloat);
  }
  void Step(TensorStep& t) const override {
    if (weight_decouple) {
      Decay(t);
      std::swap(t.decay, t.post_decay);
    }
    const double lr1 = t.scalar(0) = t.scalar(0) * betas[0] + (1.0 - betas[0]) * lr;
    t.scalar(1) = t.scalar(1) * betas[1] + (1.0 - betas[1]);
    const double correction = lr != 0 ? lr1 / lr : 1.0;
    const Kernel& kernel = centered
                               ? (ams_bound ? LapropCenteredAmsDirection : LapropCenteredDirection)
                               : (ams_bound ? LapropAmsDirection : LapropDirection);
    t.Update(kernel,
             {betas[0], (1.0 - betas[0]) * lr, betas[1], 1.0 - betas[1], Root2(), eps,
              step_count > steps_before_using_centered ? 1.0 : 0.0},
             AdamDebias(1.0, correction));
  }
};
OPTIM_RULE(LaProp, "laprop");

// Chen et al. 2018 (arXiv:1806.06763).
struct PAdam : AdamLike {
  double partial = 0.25;
  PAdam() { lr = 1e-1, weight_decouple = false; }
  void Bind(Fields& f) override {
    f("lr", lr)("betas", betas)("partial", partial);
    AdamLike::Bind(f);
  }
  void Step(TensorStep& t) const override {
    Decay(t);
    const double step = AdamDebias(lr * std::sqrt(Debias(betas[1])), Debias(betas[0]));
    if (partial == 0.5) {
      t.Update(AdamDirection, {1.0 - betas[0], betas[1], 1.0 - betas[1], 1.0, eps, 1.0}, step);
    } else {
      t.Update(partial == 0.25 ? PartialRootDirection : PartialDirection,
               {1.0 - betas[0], betas[1], 1.0 - betas[1], 1.0, eps, 2.0 * partial}, step);
    }
  }
};
OPTIM_RULE(PAdam, "padam");

// Ma and Yarats 2018 (arXiv:1810.06801).
struct QHAdam : AdamLike {
  std::vector<double> nus{1.0, 1.0};
  QHAdam() { weight_decouple = false; }
  void Bind(Fields& f) override {
    f("lr", lr)("betas", betas)("nus", nus);
    AdamLike::Bind(f);
  }
  void Declare(StateList& s, const Shape& shape) const override {
    s.Scalar("beta1_weight", ScalarKind::kTensor1);
    s.Scalar("beta2_weight", ScalarKind::kTensor1);
    AdamLike::Declare(s, shape);
  }
  void Step(TensorStep& t) const override {
    Decay(t);
    const double w1 = t.scalar(0) = t.scalar(0) * betas[0] + 1.0;
    const double w2 = t.scalar(1) = t.scalar(1) * betas[1] + 1.0;
    t.Update(QuasiDirection, {1.0 / w1, 1.0 / w2, nus[0], 1.0 - nus[0], nus[1], 1.0 - nus[1], eps},
             lr);
  }
};
OPTIM_RULE(QHAdam, "qhadam");

}  // namespace malmoi::optim
#endif
