// SGD and its momentum relatives: AccSGD, AggMo, ASGD, BCOS, Fromage, FTRL, LARS, MADGRAD, MSVAG,
// PID, PNM, QHM, RMSprop, SGD, SGDSaI, SGDW, SRMM, VSGD; and NAdam as torch has it.
#include "optim/lane_pass.h"

namespace malmoi::optim {

// c: 0 1/beta - 1, 1 large lr, 2 beta, 3 lr, 4 1 - zeta.
OPTIM_KERNEL(AccUpdate, kP | kG | kS0, kP | kS0) {
  x.s0 = (Fma(x.Num(0) - x.c(1), x.g, x.s0 * x.c(0)) + x.p) * x.c(2);
  x.p = Lerp(Fma(x.Num(0) - x.c(3), x.g, x.p), x.s0, x.c(4));
}
// c: 0-2 betas.
OPTIM_KERNEL(AggregateThree, kG | kS0 | kS1 | kS2, kS0 | kS1 | kS2 | kU) {
  x.s0 = Fma(x.s0, x.c(0), x.g);
  x.s1 = Fma(x.s1, x.c(1), x.g);
  x.s2 = Fma(x.s2, x.c(2), x.g);
  x.u = x.s0 + x.s1 + x.s2;
}
// BCOS with both momenta, the gradient's square alone, and the conditional estimate.
// c: 0 1-beta, 1 1-beta_v, 2 eps; conditional: 1 of m^2, 3 of g^2, 4 of m g.
OPTIM_KERNEL(BcosMomentum, kG | kS0 | kS1, kS0 | kS1 | kU) {
  x.s0 = Lerp(x.s0, x.g, x.c(0));
  x.s1 = Lerp(x.s1, x.s0 * x.s0, x.c(1));
  x.u = x.s0 / (Sqrt(x.s1) + x.c(2));
}
OPTIM_KERNEL(BcosGradient, kG | kS0, kS0 | kU) {
  x.s0 = Lerp(x.s0, x.g * x.g, x.c(1));
  x.u = x.g / (Sqrt(x.s0) + x.c(2));
}
// As the reference, whose estimate sees the momentum after its update.
OPTIM_KERNEL(BcosConditional, kG | kS0, kS0 | kU) {
  x.s0 = Lerp(x.s0, x.g, x.c(0));
  const auto v = Fma(x.c(1) * x.s0, x.s0, x.c(3) * x.g * x.g) + x.c(4) * x.s0 * x.g;
  x.u = x.s0 / (Sqrt(v) + x.c(2));
}
OPTIM_KERNEL(SquareRawInto, kG, kS0) {
  x.s0 = x.g * x.g;
}
// p = (p - c0 g) / c1, and its norm.
OPTIM_KERNEL(FromageUpdate, kP | kG, kP) {
  x.p = Fma(x.Num(0) - x.c(0), x.g, x.p) / x.c(1);
  x.Sum(0, x.p * x.p);
}
OPTIM_KERNEL(ScaleParameter, kP, kP) {
  x.p = x.p * x.c(0);
}
// s0 z, s1 n. c: 0 -lr_power, 1 lr, 2 beta, 3 lambda_1, 4 lambda_2.
OPTIM_KERNEL(FtrlRoot, kP | kG | kS0 | kS1, kP | kS0 | kS1) {
  const auto before = Sqrt(x.s1);
  x.s1 = Fma(x.g, x.g, x.s1);
  const auto after = Sqrt(x.s1);
  x.s0 = x.s0 + x.g - (after - before) / x.c(1) * x.p;
  const auto scale = (after + x.c(2)) / x.c(1) + x.c(4);
  const auto p = (Sign(x.s0) * x.c(3) - x.s0) / scale;
  x.p = Select(Le(Abs(x.s0), x.c(3)), x.Num(0), p);
}
OPTIM_KERNEL(FtrlPower, kP | kG | kS0 | kS1, kP | kS0 | kS1) {
  const auto before = Pow(x.s1, x.c(0));
  x.s1 = Fma(x.g, x.g, x.s1);
  x.s0 = x.s0 + x.g - (Pow(x.s1, x.c(0)) - before) / x.c(1) * x.p;
  const auto scale = (Sqrt(x.s1) + x.c(2)) / x.c(1) + x.c(4);
  const auto p = (Sign(x.s0) * x.c(3) - x.s0) / scale;
  x.p = Select(Le(Abs(x.s0), x.c(3)), x.Num(0), p);
}
// c: 0 momentum, 1 weight of g, 2 trust ratio, 3 1 for Nesterov.
OPTIM_KERNEL(LarsDirection, kG | kS0, kS0 | kU) {
  const auto g = x.g * x.c(2);
  x.s0 = Fma(x.s0, x.c(0), g * x.c(1));
  x.u = Select(Gt(x.c(3), x.Num(0)), Fma(x.c(0), x.s0, g), x.s0);
}
OPTIM_KERNEL(ScaledGradientDirection, kG, kU) {
  x.u = x.g * x.c(0);
}
// s0 sum of squares, s1 sum, s2 start. c: 0 lambda, 1 eps, 2 1-momentum, 3 lr * decoupled decay.
OPTIM_KERNEL(MadgradUpdate, kP | kG | kS0 | kS1 | kS2, kP | kS0 | kS1) {
  x.s0 = Fma(x.c(0) * x.g, x.g, x.s0);
  x.s1 = Fma(x.c(0), x.g, x.s1);
  const auto rms = CubeRoot(x.s0) + x.c(1);
  const auto z = x.s2 - Select(Gt(rms, x.Num(0)), x.s1 / rms, x.Num(0));
  const auto old = x.p;
  x.p = Fma(x.Num(0) - x.c(3), old, Lerp(x.p, z, x.c(2)));
}
OPTIM_KERNEL(MadgradPlainUpdate, kP | kG | kS0 | kS1, kP | kS0 | kS1) {
  const auto before = CubeRoot(x.s0) + x.c(1);
  const auto start = x.p + Select(Gt(before, x.Num(0)), x.s1 / before, x.Num(0));
  x.s0 = Fma(x.c(0) * x.g, x.g, x.s0);
  x.s1 = Fma(x.c(0), x.g, x.s1);
  const auto rms = CubeRoot(x.s0) + x.c(1);
  const auto old = x.p;
  x.p = Fma(x.Num(0) - x.c(3), old, start - Select(Gt(rms, x.Num(0)), x.s1 / rms, x.Num(0)));
}
// c: 0 1-beta, 1 beta, 2 1-beta^k, 3 1-rho, 4 rho. Divided and not fused where the reference is: in
// the first step s is what rounding left of v - m^2, times up to 10^4.
OPTIM_KERNEL(MsvagDirection, kG | kS0 | kS1, kS0 | kS1 | kU) {
  x.s0 = Lerp(x.s0, x.g, x.c(0));
  x.s1 = Fma(x.c(0) * x.g, x.g, x.s1 * x.c(1));
  const auto m = x.s0 / x.c(2);
  const auto m2 = m * m;
  const auto s = (x.s1 / x.c(2) - m2) / x.c(3);
  const auto factor = m2 / (s * x.c(4) + m2);
  const auto known = Select(Eq(factor, factor), factor, x.Num(0));
  x.u = m * Min(x.Num(1), Max(x.Num(0), known));
}
// s0 last gradient, s1 integral, s2 derivative. c: 0 momentum, 1 1-dampening, 2 1-momentum, or 0 in
// the first step, 3 integral, 4 derivative.
OPTIM_KERNEL(PidDirection, kG | kS0 | kS1 | kS2, kS0 | kS1 | kS2 | kU) {
  x.s1 = Fma(x.s1, x.c(0), x.g * x.c(1));
  x.s2 = Fma(x.s2, x.c(0), (x.g - x.s0) * x.c(2));
  x.s0 = x.g;
  x.u = Fma(x.c(4), x.s2, Fma(x.c(3), x.s1, x.g));
}
// c: 0 1-beta1^2, 1 (1+beta2)/norm, 2 beta2/norm.
OPTIM_KERNEL(PnmPlainDirection, kG | kS0 | kS1, kS0 | kU) {
  x.s0 = Lerp(x.s0, x.g, x.c(0));
  x.u = x.s0 * x.c(1) - x.s1 * x.c(2);
}
// c: 0 1-momentum, 1 nu, 2 1-nu.
OPTIM_KERNEL(QhmDirection, kG | kS0, kS0 | kU) {
  x.s0 = Lerp(x.s0, x.g, x.c(0));
  x.u = Fma(x.c(1), x.s0, x.c(2) * x.g);
}
// s0 square, s1 mean or buffer. c: 0 alpha, 1 1-alpha, 2 eps, 3 momentum.
OPTIM_KERNEL(RmsDirection, kG | kS0, kS0 | kU) {
  x.s0 = Fma(x.c(1) * x.g, x.g, x.s0 * x.c(0));
  x.u = x.g / (Sqrt(x.s0) + x.c(2));
}
OPTIM_KERNEL(RmsMomentumDirection, kG | kS0 | kS1, kS0 | kS1 | kU) {
  x.s0 = Fma(x.c(1) * x.g, x.g, x.s0 * x.c(0));
  x.s1 = Fma(x.s1, x.c(3), x.g / (Sqrt(x.s0) + x.c(2)));
  x.u = x.s1;
}
OPTIM_KERNEL(RmsCenteredDirection, kG | kS0 | kS1, kS0 | kS1 | kU) {
  x.s0 = Fma(x.c(1) * x.g, x.g, x.s0 * x.c(0));
  x.s1 = Lerp(x.s1, x.g, x.c(1));
  x.u = x.g / (Sqrt(x.s0 - x.s1 * x.s1) + x.c(2));
}
OPTIM_KERNEL(RmsCenteredMomentumDirection, kG | kS0 | kS1 | kS2, kS0 | kS1 | kS2 | kU) {
  x.s0 = Fma(x.c(1) * x.g, x.g, x.s0 * x.c(0));
  x.s1 = Lerp(x.s1, x.g, x.c(1));
  x.s2 = Fma(x.s2, x.c(3), x.g / (Sqrt(x.s0 - x.s1 * x.s1) + x.c(2)));
  x.u = x.s2;
}
OPTIM_KERNEL(MomentsOfGradient, kG, 0) {
  x.Sum(0, x.g);
  x.Sum(1, x.g * x.g);
}
// c: 0 1-momentum.
OPTIM_KERNEL(LerpMomentumDirection, kG | kS0, kS0 | kU) {
  x.s0 = Lerp(x.s0, x.g, x.c(0));
  x.u = x.s0;
}
// s0 mean gradient, s1 mean parameter. c: 0 weight, 1 lr.
OPTIM_KERNEL(SrmmUpdate, kP | kG | kS0 | kS1, kP | kS0 | kS1) {
  x.s0 = Lerp(x.s0, x.g, x.c(0));
  x.s1 = Fma(x.Num(0) - x.c(1), x.s0, Lerp(x.s1, x.p, x.c(0)));
  x.p = x.s1;
}
// s0 mean, s1 b of the true gradient, s2 b of the noise. c: 0 1/divisor of both, 1 pbg2, 2 pbhg2,
// 3 rho1, 4 rho2, 5 eps, 6, 7 start values in the first step.
OPTIM_KERNEL(VsgdDirection, kG | kS0 | kS1 | kS2, kS0 | kS1 | kS2 | kU) {
  const auto bg = x.s1 + x.c(6);
  const auto bhg = x.s2 + x.c(7);
  const auto sg = bg * x.c(0);
  const auto shg = bhg * x.c(0);
  const auto before = x.s0;
  x.s0 = Fma(x.g, sg, before * shg) / (sg + shg);
  const auto second = Fma(x.s0, x.s0, sg * shg / (sg + shg));
  const auto two = x.Num(2);
  const auto bg2 = x.c(1) + second - two * x.s0 * before + before * before;
  const auto bhg2 = x.c(2) + second - two * x.g * x.s0 + x.g * x.g;
  x.s1 = Lerp(bg, bg2, x.c(3));
  x.s2 = Lerp(bhg, bhg2, x.c(4));
  x.u = x.s0 / (Sqrt(second) + x.c(5));
}
// c: 0 1-beta1, 1 beta2, 2 1-beta2, 3 1/sqrt(bc2), 4 eps, 5 weight of g, 6 of the momentum.
OPTIM_KERNEL(NadamDirection, kG | kS0 | kS1, kS0 | kS1 | kU) {
  x.s0 = Lerp(x.s0, x.g, x.c(0));
  x.s1 = Fma(x.c(2) * x.g, x.g, x.s1 * x.c(1));
  x.u = Fma(x.c(5), x.g, x.c(6) * x.s0) / Fma(Sqrt(x.s1), x.c(3), x.c(4));
}

}  // namespace malmoi::optim

#if !defined(MALMOI_OPTIM_LEVEL)
#include "json/writer.h"
#include "optim/rule.h"
#include "optim/rules/sgd_kernels.h"
#include "optim/torch_norm.h"

namespace malmoi::optim {

// Kidambi et al. 2018 (arXiv:1803.05591).
struct AccSGD : Rule {
  double kappa = 1000.0, xi = 10.0, constant = 0.7;
  AccSGD() { weight_decouple = false; }
  void Bind(Fields& f) override {
    f("lr", lr)("kappa", kappa)("xi", xi)("constant", constant)("weight_decay", weight_decay);
    f("maximize", maximize);
  }
  void Declare(StateList& s, const Shape&) const override { s.Point("momentum_buffer"); }
  bool OnePass() const override { return true; }
  bool FreshOnePass() const override { return false; }
  void Step(TensorStep& t) const override {
    if (t.first()) t.CopyP(0);
    Decay(t);
    const double beta = xi * constant * constant / kappa;
    t.Apply(AccUpdate, {1.0 / beta - 1.0, lr * kappa / constant, beta, lr,
                        1.0 - constant / (constant + beta)});
  }
};
OPTIM_RULE(AccSGD, "accsgd");

// Lucas et al. 2019 (arXiv:1804.00325).
struct AggMo : Rule {
  std::vector<double> betas{0.0, 0.9, 0.99};
  AggMo() { weight_decouple = false; }
  void Bind(Fields& f) override {
    f("lr", lr).Free("betas", betas);
    f("weight_decay", weight_decay)("weight_decouple", weight_decouple);
    f("fixed_decay", fixed_decay)("maximize", maximize);
  }
  void Declare(StateList& s, const Shape&) const override {
    for (const double beta : betas) {
      json::Writer key;  // As torch prints it in the reference's names: 0, 0.9.
      key.Put(beta);
      s.Like("momentum_buffer." + key.text());
    }
  }
  bool OnePass() const override { return betas.size() == 3; }
  void Step(TensorStep& t) const override {
    Decay(t);
    const double step = lr / static_cast<double>(betas.size());
    if (OnePass()) return t.Update(AggregateThree, {betas[0], betas[1], betas[2]}, step);
    t.f64() ? Whole<double>(t, step) : Whole<float>(t, step);
  }
  template <class T>
  void Whole(TensorStep& t, double step) const {
    const auto p = t.P<T>(), g = t.G<T>();
    t.DecayWhole(p, g);
    for (std::size_t b = 0; b < betas.size(); ++b) {
      const auto buffer = t.State<T>(static_cast<int>(b));
      for (std::size_t i = 0; i < p.size(); ++i) {
        buffer[i] = buffer[i] * static_cast<T>(betas[b]) + g[i];
        p[i] -= static_cast<T>(step) * buffer[i];
      }
    }
  }
};
OPTIM_RULE(AggMo, "aggmo");

// Malitsky and Mishchenko 2020 (arXiv:1910.09529), with the norms of whole groups.
struct ASGD : Rule {
  double amplifier = 0.02, theta = 1.0, dampening = 1.0, eps = 1e-5;
  double prev_param_norm = -1, prev_grad_norm = -1;
  ASGD() { lr = 1e-2; }
  void Bind(Fields& f) override {
    f("lr", lr)("amplifier", amplifier)("weight_decay", weight_decay);
    f("weight_decouple", weight_decouple)("fixed_decay", fixed_decay)("theta", theta);
    f("dampening", dampening)("eps", eps)("maximize", maximize);
  }
  void BindState(Fields& f) override {
    f("prev_param_norm", prev_param_norm)("prev_grad_norm", prev_grad_norm);
  }
  void Declare(StateList&, const Shape&) const override {}
  int phases() const override { return 2; }
  void Between(int phase, std::span<Rule* const> rules) override {
    if (phase != 0) return;
    for (Rule* rule : rules) static_cast<ASGD*>(rule)->NewRate();
  }
  // The reference keeps norms and their sums in f32, and the rate is a quotient of differences of
  // such sums: with its bits, or it has few digits in common. Parameters are added up one by one,
  // gradients as a vector is.
  float p_squares = 0;
  std::vector<float> g_squares;
  void Begin() override { p_squares = 0, g_squares.clear(); }
  void Visited(const TensorStep& t) override {
    if (t.phase() != 0) return;
    const double p = t.out[0];
    const float narrow = static_cast<float>(p), g = static_cast<float>(t.out[1]);
    p_squares += t.f64()    ? static_cast<float>(p * p)
                 : t.bf16() ? RoundBf16(RoundBf16(narrow) * RoundBf16(narrow))
                            : narrow * narrow;
    g_squares.push_back(g * g);
  }
  void NewRate() {
    const float p_norm = std::sqrt(p_squares), g_norm = std::sqrt(TorchSum(g_squares));
    if (prev_param_norm < 0) {
      prev_param_norm = static_cast<double>(p_norm), prev_grad_norm = static_cast<double>(g_norm);
    }
    const auto dp = static_cast<double>(p_norm - static_cast<float>(prev_param_norm));
    const auto dg = static_cast<double>(g_norm - static_cast<float>(prev_grad_norm));
    double rate = lr * std::sqrt(1 + amplifier * theta);
    if (dp > 0 && dg > 0) rate = std::min(rate, dp / (dampening * dg)) + eps;
    theta = rate / lr;
    lr = rate;
    prev_param_norm = static_cast<double>(p_norm), prev_grad_norm = static_cast<double>(g_norm);
  }
  void Step(TensorStep& t) const override {
    if (t.phase() == 0) {
      if (!t.f64() && t.n() <= kTorchNormMax) {
        t.out[0] = static_cast<double>(TorchNorm(t.P<float>()));
        t.out[1] = static_cast<double>(TorchNorm(t.G<float>()));
        return;
      }
      const PassSums sums = t.Reduce(NormsOfPAndG);
      t.out[0] = std::sqrt(sums.sum[0]), t.out[1] = std::sqrt(sums.sum[1]);
      return;
    }
    Decay(t);
    t.Update(GradientDirection, {}, lr);
  }
};
OPTIM_RULE(ASGD, "asgd");

// Jiang et al. 2025 (arXiv:2507.08823).
struct BCOS : Rule {
  double beta = 0.9, eps = 1e-6;
  std::optional<double> beta2;
  std::string mode = "c";
  bool simple_cond = false;
  BCOS() { weight_decay = 0.1; }
  void Bind(Fields& f) override {
    f("lr", lr)("beta", beta)("beta2", beta2)("mode", mode, "g|m|c")("simple_cond", simple_cond);
    f("weight_decay", weight_decay)("weight_decouple", weight_decouple);
    f("eps", eps)("maximize", maximize);
  }
  void Declare(StateList& s, const Shape&) const override {
    if (mode != "g") s.Like("m");
    if (mode != "c") s.Square("v");
  }
  bool OnePass() const override { return true; }
  bool FreshOnePass() const override { return false; }
  void Step(TensorStep& t) const override {
    if (t.first() && mode != "g") t.CopyRawGradient(0, maximize ? -1.0 : 1.0);
    if (t.first() && mode != "c") {
      t.Slots({mode == "m" ? 1 : 0});
      t.Reduce(SquareRawInto);
      t.Slots({0, 1});
    }
    Decay(t);
    const double beta_v = beta2.value_or(beta);
    if (mode == "m") return t.Update(BcosMomentum, {1.0 - beta, 1.0 - beta_v, eps}, lr);
    if (mode == "g") return t.Update(BcosGradient, {0, 1.0 - beta_v, eps}, lr);
    double of_m = 3.0 * beta * beta - 2.0 * beta * beta * beta;
    double of_g = (1.0 - beta) * (1.0 - beta), of_both = 2.0 * beta * (1.0 - beta) * (1.0 - beta);
    if (simple_cond) {
      of_m = beta2.value_or(1.0 - (1.0 - beta) * (1.0 - beta));
      of_g = 1.0 - of_m, of_both = 0;
    }
    t.Update(BcosConditional, {1.0 - beta, of_m, eps, of_g, of_both}, lr);
  }
};
OPTIM_RULE(BCOS, "bcos");

// Bernstein et al. 2020 (arXiv:2002.03432), written from the paper: a step relative to the norms of
// weights and gradient, shrunk by sqrt(1 + lr^2).
struct Fromage : Rule {
  std::optional<double> p_bound;
  Fromage() { lr = 1e-2; }
  void Bind(Fields& f) override { f("lr", lr)("p_bound", p_bound)("maximize", maximize); }
  void Declare(StateList& s, const Shape&) const override {
    if (p_bound) s.Scalar("max", ScalarKind::kTensor0);
  }
  void Step(TensorStep& t) const override {
    const PassSums norms = t.Reduce(NormsOfPAndG);
    const double p = std::sqrt(norms.sum[0]), g = std::sqrt(norms.sum[1]);
    if (t.first() && p_bound) t.scalar(0) = p * *p_bound;
    const double rate = p > 0 && g > 0 ? lr * (p / g) : lr;
    const double after = std::sqrt(t.Reduce(FromageUpdate, {rate, std::sqrt(1 + lr * lr)}).sum[0]);
    if (p_bound && after > t.scalar(0)) t.Apply(ScaleParameter, {t.scalar(0) / after});
  }
};
OPTIM_RULE(Fromage, "fromage");

// McMahan et al. 2013 (KDD).
struct FTRL : Rule {
  double lr_power = -0.5, beta = 0, lambda_1 = 0, lambda_2 = 0;
  void Bind(Fields& f) override {
    f("lr", lr)("lr_power", lr_power)("beta", beta)("lambda_1", lambda_1)("lambda_2", lambda_2);
    f("maximize", maximize);
  }
  void Declare(StateList& s, const Shape&) const override {
    s.Point("z");
    s.Square("n");
    s.items.back().half = true;
  }
  bool OnePass() const override { return true; }
  void Step(TensorStep& t) const override {
    t.Apply(lr_power == -0.5 ? FtrlRoot : FtrlPower, {-lr_power, lr, beta, lambda_1, lambda_2});
  }
};
OPTIM_RULE(FTRL, "ftrl");

// You et al. 2017 (arXiv:1708.03888): decay and trust ratio for matrices only.
struct LARS : Rule {
  double momentum = 0.9, dampening = 0, trust_coefficient = 1e-3;
  bool nesterov = false;
  LARS() { weight_decouple = false; }
  void Bind(Fields& f) override {
    f("lr", lr)("weight_decay", weight_decay)("momentum", momentum)("dampening", dampening);
    f("trust_coefficient", trust_coefficient)("nesterov", nesterov)("maximize", maximize);
  }
  void Declare(StateList& s, const Shape&) const override {
    if (momentum > 0) s.Like("momentum_buffer");
  }
  void Step(TensorStep& t) const override {
    double trust = 1;
    if (t.shape().size() > 1) {
      const PassSums sums = t.Reduce(NormsOfPAndG);
      const double p = std::sqrt(sums.sum[0]), g = std::sqrt(sums.sum[1]);
      const double decay_now = t.decays() ? weight_decay : 0.0;
      const double denominator = g + decay_now * p;
      if (p > 0 && denominator > 0) trust = trust_coefficient * p / denominator;
      t.l2 = decay_now;
    }
    if (momentum > 0) {
      t.Update(LarsDirection, {momentum, 1.0 - dampening, trust, nesterov ? 1.0 : 0.0}, lr);
    } else {
      t.Update(ScaledGradientDirection, {trust}, lr);
    }
  }
};
OPTIM_RULE(LARS, "lars");

// Defazio and Jelassi 2021 (arXiv:2101.11075).
struct MADGRAD : Rule {
  double momentum = 0.9, eps = 1e-6;
  MADGRAD() { weight_decouple = false; }
  void Bind(Fields& f) override {
    f("lr", lr)("momentum", momentum)("weight_decay", weight_decay);
    f("weight_decouple", weight_decouple)("eps", eps)("maximize", maximize);
  }
  void Declare(StateList& s, const Shape&) const override {
    s.Square("grad_sum_sq");
    s.Point("s");  // x0 less s is where p goes.
    if (momentum > 0) s.Point("x0");
  }
  bool OnePass() const override { return true; }
  bool FreshOnePass() const override { return momentum == 0; }
  void Step(TensorStep& t) const override {
    if (t.first() && momentum > 0) t.CopyP(2);
    const double rate = lr != 0 ? lr + eps : 0.0;
    const double lambda = rate * std::sqrt(static_cast<double>(step_count));
    double after = 0;
    if (weight_decay > 0 && t.decays()) {
      if (weight_decouple) after = rate * weight_decay;
      if (!weight_decouple) t.l2 = weight_decay;
    }
    t.Apply(momentum > 0 ? MadgradUpdate : MadgradPlainUpdate,
            {lambda, eps, 1.0 - momentum, after});
  }
};
OPTIM_RULE(MADGRAD, "madgrad");

// Balles and Hennig 2018 (arXiv:1705.07774).
struct MSVAG : Rule {
  double beta = 0.9;
  MSVAG() { lr = 1e-2; }
  void Bind(Fields& f) override { f("lr", lr)("beta", beta)("maximize", maximize); }
  void Declare(StateList& s, const Shape&) const override {
    s.Like("exp_avg");
    s.Square("exp_avg_sq");
  }
  bool OnePass() const override { return true; }
  void Step(TensorStep& t) const override {
    const double power = std::pow(beta, static_cast<double>(step_count));
    double rho = (1.0 - power * power) * (1.0 - beta) * (1.0 - beta);
    rho /= (1.0 - beta * beta) * (1.0 - power) * (1.0 - power);
    rho = std::min(rho, 0.9999);
    t.Update(MsvagDirection, {1.0 - beta, beta, 1.0 - power, 1.0 - rho, rho}, lr);
  }
};
OPTIM_RULE(MSVAG, "msvag");

// Dozat 2016, as torch.optim.NAdam.
struct NAdam : Rule {
  std::vector<double> betas{0.9, 0.999};
  double eps = 1e-8, momentum_decay = 4e-3;
  bool decoupled_weight_decay = false;
  NAdam() { lr = 2e-3, weight_decouple = false; }
  void Bind(Fields& f) override {
    f("lr", lr)("betas", betas)("eps", eps)("weight_decay", weight_decay);
    f("momentum_decay", momentum_decay)("decoupled_weight_decay", decoupled_weight_decay);
    f("maximize", maximize);
  }
  void Declare(StateList& s, const Shape&) const override {
    s.Scalar("step", ScalarKind::kTensor0);
    s.Scalar("mu_product", ScalarKind::kTensor0, 1.0);
    s.Like("exp_avg");
    s.Square("exp_avg_sq");
  }
  bool OnePass() const override { return true; }
  void Step(TensorStep& t) const override {
    const double k = (t.scalar(0) += 1);
    if (t.decays()) {
      if (decoupled_weight_decay || weight_decouple)
        t.decay = 1.0 - lr * weight_decay;
      else
        t.l2 = weight_decay;
    }
    const double mu = betas[0] * (1.0 - 0.5 * std::pow(0.96, k * momentum_decay));
    const double next = betas[0] * (1.0 - 0.5 * std::pow(0.96, (k + 1) * momentum_decay));
    const double product = (t.scalar(1) *= mu);
    t.Update(
        NadamDirection,
        {1.0 - betas[0], betas[1], 1.0 - betas[1], 1.0 / std::sqrt(1.0 - std::pow(betas[1], k)),
         eps, lr * (1.0 - mu) / (1.0 - product), lr * next / (1.0 - product * next)},
        1.0);
  }
};
OPTIM_RULE(NAdam, "nadam");

// An et al. 2018 (CVPR).
struct PID : Rule {
  double momentum = 0, dampening = 0, derivative = 10, integral = 5;
  PID() { weight_decouple = false; }
  void Bind(Fields& f) override {
    f("lr", lr)("momentum", momentum)("dampening", dampening)("derivative", derivative);
    f("integral", integral)("weight_decay", weight_decay)("weight_decouple", weight_decouple);
    f("fixed_decay", fixed_decay)("maximize", maximize);
  }
  void Declare(StateList& s, const Shape&) const override {
    if (momentum > 0) s.Like("grad_buffer"), s.Like("i_buffer"), s.Like("d_buffer");
  }
  bool OnePass() const override { return true; }
  void Step(TensorStep& t) const override {
    Decay(t);
    if (momentum > 0) {
      t.Update(
          PidDirection,
          {momentum, 1.0 - dampening, step_count > 1 ? 1.0 - momentum : 0.0, integral, derivative},
          lr);
    } else {
      t.Update(GradientDirection, {}, lr);
    }
  }
};
OPTIM_RULE(PID, "pid");

// Xie et al. 2021 (arXiv:2103.17182).
struct PNM : Rule {
  std::vector<double> betas{0.9, 1.0};
  double eps = 1e-8;
  void Bind(Fields& f) override {
    f("lr", lr)("betas", betas)("weight_decay", weight_decay)("weight_decouple", weight_decouple);
    f("fixed_decay", fixed_decay)("eps", eps)("maximize", maximize);
  }
  void Declare(StateList& s, const Shape&) const override {
    s.Like("pos_momentum");
    s.Like("neg_momentum");
  }
  bool OnePass() const override { return true; }
  void Step(TensorStep& t) const override {
    Decay(t);
    if (step_count % 2 == 0) t.Slots({1, 0});
    const double norm = std::sqrt((1 + betas[1]) * (1 + betas[1]) + betas[1] * betas[1]);
    t.Update(PnmPlainDirection,
             {1.0 - betas[0] * betas[0], (1.0 + betas[1]) / norm, betas[1] / norm}, lr);
  }
};
OPTIM_RULE(PNM, "pnm");

// Ma and Yarats 2018 (arXiv:1810.06801).
struct QHM : Rule {
  double momentum = 0, nu = 1;
  QHM() { weight_decouple = false; }
  void Bind(Fields& f) override {
    f("lr", lr)("momentum", momentum)("nu", nu)("weight_decay", weight_decay);
    f("weight_decouple", weight_decouple)("fixed_decay", fixed_decay)("maximize", maximize);
  }
  void Declare(StateList& s, const Shape&) const override { s.Like("momentum_buffer"); }
  bool OnePass() const override { return true; }
  void Step(TensorStep& t) const override {
    Decay(t);
    t.Update(QhmDirection, {1.0 - momentum, nu, 1.0 - nu}, lr);
  }
};
OPTIM_RULE(QHM, "qhm");

// Hinton 2012, as torch.optim.RMSprop.
struct RMSprop : Rule {
  double alpha = 0.99, eps = 1e-8, momentum = 0;
  bool centered = false;
  RMSprop() { lr = 1e-2, weight_decouple = false; }
  void Bind(Fields& f) override {
    f("lr", lr)("momentum", momentum)("alpha", alpha)("eps", eps)("centered", centered);
    f("weight_decay", weight_decay)("maximize", maximize);
  }
  void Declare(StateList& s, const Shape&) const override {
    s.Scalar("step", ScalarKind::kTensor0);
    s.Square("square_avg");
    if (centered) s.Like("grad_avg");
    if (momentum > 0) s.Like("momentum_buffer");
  }
  bool OnePass() const override { return true; }
  void Step(TensorStep& t) const override {
    t.scalar(0) += 1;
    Decay(t);
    const Kernel& kernel =
        centered ? (momentum > 0 ? RmsCenteredMomentumDirection : RmsCenteredDirection)
                 : (momentum > 0 ? RmsMomentumDirection : RmsDirection);
    t.Update(kernel, {alpha, 1.0 - alpha, eps, momentum}, lr);
  }
};
OPTIM_RULE(RMSprop, "rmsprop");

// Robbins and Monro 1951, with momentum as torch.optim.SGD.
struct SGD : Rule {
  double momentum = 0, dampening = 0;
  bool nesterov = false;
  SGD() { weight_decouple = false; }
  void Bind(Fields& f) override {
    f("lr", lr)("momentum", momentum)("dampening", dampening)("weight_decay", weight_decay);
    f("nesterov", nesterov)("maximize", maximize);
  }
  Status Check() const override {
    if (nesterov && (momentum <= 0 || dampening != 0)) {
      return Error(Code::kInvalidArgument, "nesterov needs momentum > 0 and dampening = 0");
    }
    return Ok();
  }
  void Declare(StateList& s, const Shape&) const override {
    if (momentum != 0) s.Like("momentum_buffer");
  }
  bool OnePass() const override { return true; }
  void Step(TensorStep& t) const override {
    Decay(t);
    if (momentum == 0) return t.Update(GradientDirection, {}, lr);
    t.Update(nesterov ? NesterovDirection : MomentumDirection,
             {momentum, t.first() ? 1.0 : 1.0 - dampening}, lr);
  }
};
OPTIM_RULE(SGD, "sgd");

// Loshchilov and Hutter 2019 (arXiv:1711.05101), algorithm 1.
struct SGDW : SGD {
  SGDW() { lr = 1e-4, weight_decouple = true; }
  void Bind(Fields& f) override {
    f("lr", lr)("momentum", momentum)("weight_decay", weight_decay);
    f("weight_decouple", weight_decouple)("dampening", dampening)("nesterov", nesterov);
    f("maximize", maximize);
  }
  Status Check() const override { return Ok(); }
};
OPTIM_RULE(SGDW, "sgdw");

// Xu et al. 2024 (arXiv:2412.11768). Coupled decay reaches a gradient that the momentum has used
// already, so it acts only without momentum, as in the reference.
struct SGDSaI : Rule {
  double momentum = 0.9, eps = 1e-8;
  SGDSaI() { lr = 1e-2, weight_decay = 1e-2; }
  void Bind(Fields& f) override {
    f("lr", lr)("momentum", momentum)("weight_decay", weight_decay);
    f("weight_decouple", weight_decouple)("eps", eps)("maximize", maximize);
  }
  void Declare(StateList& s, const Shape&) const override {
    s.Scalar("gsnr", ScalarKind::kTensor0);
    if (momentum > 0) s.Like("momentum_buffer");
  }
  bool OnePass() const override { return true; }
  bool FreshOnePass() const override { return false; }
  void Step(TensorStep& t) const override {
    if (t.first()) {
      const PassSums sums = t.Reduce(MomentsOfGradient);
      const auto n = static_cast<double>(t.n());
      const double norm = std::sqrt(sums.sum[1]);
      double sigma = 0;
      if (t.shape().size() > 1 && t.shape()[0] != 1 && n > 1) {
        sigma = std::sqrt(std::max(0.0, (sums.sum[1] - sums.sum[0] * sums.sum[0] / n) / (n - 1)));
      }
      t.scalar(0) = sigma != 0 ? norm / (sigma + eps) : norm;
    }
    if (weight_decouple || momentum == 0) Decay(t);
    const double rate = lr * t.scalar(0);
    if (momentum > 0) {
      t.Update(LerpMomentumDirection, {1.0 - momentum}, rate);
    } else {
      t.Update(GradientDirection, {}, rate);
    }
  }
};
OPTIM_RULE(SGDSaI, "sgdsai");

// Lyu 2022 (arXiv:2201.01652).
struct SRMM : Rule {
  double beta = 0.5;
  std::optional<double> memory_length = 100.0;
  SRMM() { lr = 1e-2; }
  void Bind(Fields& f) override {
    f("lr", lr)("beta", beta)("memory_length", memory_length)("maximize", maximize);
  }
  void Declare(StateList& s, const Shape&) const override {
    s.Like("mov_avg_grad");
    s.Point("mov_avg_param");
  }
  bool OnePass() const override { return true; }
  void Step(TensorStep& t) const override {
    const double length = std::max(1.0, memory_length.value_or(1.0));
    const double at = std::fmod(static_cast<double>(step_count), length) + 1.0;
    t.Apply(SrmmUpdate, {std::pow(at, -beta), lr});
  }
};
OPTIM_RULE(SRMM, "srmm");

// Chen et al. 2024 (arXiv:2404.06549).
struct VSGD : Rule {
  double ghattg = 30, ps = 1e-8, tau1 = 0.81, tau2 = 0.9, eps = 1e-8;
  VSGD() { lr = 1e-1; }
  void Bind(Fields& f) override {
    f("lr", lr)("ghattg", ghattg)("ps", ps)("tau1", tau1)("tau2", tau2);
    f("weight_decay", weight_decay)("weight_decouple", weight_decouple);
    f("eps", eps)("maximize", maximize);
  }
  void Declare(StateList& s, const Shape&) const override {
    s.Like("mug");
    s.Square("bg");
    s.Square("bhg");
  }
  bool OnePass() const override { return true; }
  void Step(TensorStep& t) const override {
    Decay(t);
    const double pa2 = 2.0 * ps + 1.0 + 1e-4, pbg2 = 2.0 * ps, pbhg2 = 2.0 * ghattg * ps;
    const auto k = static_cast<double>(step_count);
    t.Update(VsgdDirection,
             {1.0 / (step_count == 1 ? pa2 - 1.0 : pa2), pbg2, pbhg2, std::pow(k, -tau1),
              std::pow(k, -tau2), eps, t.first() ? pbg2 : 0.0, t.first() ? pbhg2 : 0.0},
             lr);
  }
};
OPTIM_RULE(VSGD, "vsgd");

}  // namespace malmoi::optim
#endif
