// Adam's relatives that look at more than an element: Adai, AdamS, AdaShift, MARS, Ranger, SPAM,
// StableSPAM, SWATS; and AliG, whose rate follows the loss.
#include "optim/lane_pass.h"

namespace malmoi::optim {

// c: 0 beta2, 1 1-beta2.
OPTIM_KERNEL(SecondMomentSum, kG | kS0, kS0) {
  x.s0 = Fma(x.c(1) * x.g, x.g, x.s0 * x.c(0));
  x.Sum(0, x.s0);
}
// s0 m, s1 v, s2 product of beta1. c: 0 1/(bc2 mean), 1 exponent, 2 beta0, 3 1-eps, 4 dampening,
// 5 scale of the estimate, 6 start of the product in the first step.
OPTIM_KERNEL(AdaiPlainDirection, kG | kS0 | kS1 | kS2, kS0 | kS2 | kU) {
  const auto raw = x.Num(1) - x.s1 * x.c(0) * x.c(2);
  const auto beta1 = Min(x.c(3), Max(x.Num(0), raw));
  x.s2 = (x.s2 + x.c(6)) * beta1;
  x.s0 = Fma(x.Num(1) - beta1, x.g, x.s0 * beta1);
  x.u = x.s0 / (x.Num(1) - x.s2) * x.c(5);
}
OPTIM_KERNEL(AdaiPowerDirection, kG | kS0 | kS1 | kS2, kS0 | kS2 | kU) {
  const auto raw = x.Num(1) - Pow(x.s1 * x.c(0), x.c(1)) * x.c(2);
  const auto beta1 = Min(x.c(3), Max(x.Num(0), raw));
  x.s2 = (x.s2 + x.c(6)) * beta1;
  x.s0 = Fma(Pow(x.Num(1) - beta1, x.c(4)), x.g, x.s0 * beta1);
  x.u = x.s0 / (x.Num(1) - x.s2) * x.c(5);
}
// c: 0 1-beta1, 1 beta2, 2 1-beta2, 3 factor of g.
OPTIM_KERNEL(MomentsSum, kG | kS0 | kS1, kS0 | kS1) {
  x.s0 = Lerp(x.s0, x.g * x.c(3), x.c(0));
  x.s1 = Fma(x.c(2) * x.g, x.g, x.s1 * x.c(1));
  x.Sum(0, x.s1);
}
OPTIM_KERNEL(MomentsMaxSum, kG | kS0 | kS1 | kS2, kS0 | kS1 | kS2) {
  x.s0 = Lerp(x.s0, x.g * x.c(3), x.c(0));
  x.s1 = Fma(x.c(2) * x.g, x.g, x.s1 * x.c(1));
  x.s2 = Max(x.s2, x.s1);
  x.Sum(0, x.s2);
}
// c: 0 1/bc2, 1 eps.
OPTIM_KERNEL(CorrectedRatioDirection, kS0 | kS1, kU) {
  x.u = x.s0 / (Sqrt(x.s1 * x.c(0)) + x.c(1));
}
// s2 is the gradient of keep_num steps ago, then today's. c: 0 weight of the old, 1 beta1, 2 of the
// new, 3 1-beta2, 4 largest square of the old, 5 1/bc2, 6 eps, 7 1 where each square counts itself.
OPTIM_KERNEL(LargestSquare, kS2, 0) {
  x.Top(0, x.s2 * x.s2);
}
OPTIM_KERNEL(ShiftDirection, kG | kS0 | kS1 | kS2, kS0 | kS1 | kS2 | kU) {
  x.s0 = Fma(x.Num(0) - x.c(0), x.s2, x.s0) * x.c(1) + x.g * x.c(2);
  x.s1 = Lerp(x.s1, Select(Gt(x.c(7), x.Num(0)), x.s2 * x.s2, x.c(4)), x.c(3));
  x.u = x.s0 / (Sqrt(x.s1 * x.c(5)) + x.c(6));
  x.s2 = x.g;
}
OPTIM_KERNEL(ShiftGather, kG | kS0, kS0 | kS2) {
  x.s0 = Fma(x.s0, x.c(1), x.g * x.c(2));
  x.s2 = x.g;
}
// s0 m, s1 v, s2 last gradient, s3 maximum. c: 0 scale of the difference, 1 1/norm, 2 1-beta1,
// 3 beta2, 4 1-beta2, 5 scale of the root, 6 eps.
OPTIM_KERNEL(MarsNorm, kG | kS2, 0) {
  const auto c = Fma(x.g - x.s2, x.c(0), x.g);
  x.Sum(0, c * c);
}
OPTIM_KERNEL(MarsMoments, kG | kS0 | kS1 | kS2, kS0 | kS1) {
  const auto c = Fma(x.g - x.s2, x.c(0), x.g) * x.c(1);
  x.s0 = Lerp(x.s0, c, x.c(2));
  x.s1 = Fma(x.c(4) * c, c, x.s1 * x.c(3));
}
OPTIM_KERNEL(MarsMomentum, kG | kS0 | kS2, kS0 | kU) {
  const auto c = Fma(x.g - x.s2, x.c(0), x.g) * x.c(1);
  x.s0 = Lerp(x.s0, c, x.c(2));
  x.u = Sign(x.s0);
}
OPTIM_KERNEL(MarsDirection, kG | kS0 | kS1, kS2 | kU) {
  x.u = x.s0 / ((Sqrt(x.s1 + x.Num(1e-15)) + x.c(6)) * x.c(5));
  x.s2 = x.g;
}
OPTIM_KERNEL(MarsAmsDirection, kG | kS0 | kS1 | kS3, kS2 | kS3 | kU) {
  x.s3 = Max(x.s3, x.s1);
  x.u = x.s0 / ((Sqrt(x.s3 + x.Num(1e-15)) + x.c(6)) * x.c(5));
  x.s2 = x.g;
}
// p and its slow copy meet. c: 0 weight.
OPTIM_KERNEL(MeetSlow, kP | kS2, kP | kS2) {
  x.s2 = Lerp(x.s2, x.p, x.c(0));
  x.p = x.s2;
}
// c: 0 1-beta1, 1 beta2, 2 1-beta2, 3 eps, 4 threshold (0: none).
OPTIM_KERNEL(SpamDirection, kG | kS0 | kS1, kS0 | kS1 | kU) {
  const auto limit = x.s1 * x.c(4);
  const auto spike = And(Gt(x.c(4), x.Num(0)), Gt(x.g * x.g, limit));
  const auto g = Select(spike, Sign(x.g) * Sqrt(limit), x.g);
  x.s0 = Lerp(x.s0, g, x.c(0));
  x.s1 = Fma(x.c(2) * g, g, x.s1 * x.c(1));
  x.u = x.s0 / (Sqrt(x.s1) + x.c(3));
}
// s2 mask; c: 5 p's factor after the step, 6 step. Elements outside stay as they are.
OPTIM_KERNEL(SpamMaskedUpdate, kP | kG | kS0 | kS1 | kS2, kP | kS0 | kS1) {
  const auto limit = x.s1 * x.c(4);
  const auto spike = And(Gt(x.c(4), x.Num(0)), Gt(x.g * x.g, limit));
  const auto g = Select(spike, Sign(x.g) * Sqrt(limit), x.g);
  x.s0 = Lerp(x.s0, g, x.c(0));
  x.s1 = Fma(x.c(2) * g, g, x.s1 * x.c(1));
  const auto u = x.s0 / (Sqrt(x.s1) + x.c(3));
  x.p = Select(Gt(x.s2, x.Num(0)), Fma(x.Num(0) - x.c(6), u, x.p) * x.c(5), x.p);
}
OPTIM_KERNEL(ClearMoments, 0, kS0 | kS1) {
  x.s0 = x.Num(0);
  x.s1 = x.Num(0);
}
OPTIM_KERNEL(LargestGradient, kG, 0) {
  x.Top(0, Abs(x.g));
}
// c: 5 limit, 6 limit / largest.
OPTIM_KERNEL(ClippedNorm, kG, 0) {
  const auto g = Select(Gt(Abs(x.g), x.c(5)), x.g * x.c(6), x.g);
  x.Sum(0, g * g);
}
// c: as AdamDirection, 7 scale of the clipped gradient; decay applies to p.
OPTIM_KERNEL(ClippedAdamDirection, kG | kS0 | kS1, kS0 | kS1 | kU) {
  const auto g = Select(Gt(Abs(x.g), x.c(5)), x.g * x.c(6), x.g) * x.c(7);
  x.s0 = Lerp(x.s0, g, x.c(0));
  x.s1 = Fma(x.c(2) * g, g, x.s1 * x.c(1));
  x.u = x.s0 / Fma(Sqrt(x.s1), x.c(3), x.c(4));
}
// c: 0 1-beta1, 1 beta2, 2 1-beta2, 3 eps, 4 step.
OPTIM_KERNEL(SwatsUpdate, kP | kG | kS0 | kS1, kP | kS0 | kS1) {
  x.s0 = Lerp(x.s0, x.g, x.c(0));
  x.s1 = Fma(x.c(2) * x.g, x.g, x.s1 * x.c(1));
  const auto move = x.Num(0) - x.s0 / (Sqrt(x.s1 + x.Num(1e-15)) + x.c(3)) * x.c(4);
  x.p = x.p + move;
  x.Sum(0, move * x.g);
  x.Sum(1, move * move);
}
OPTIM_KERNEL(SwatsAmsUpdate, kP | kG | kS0 | kS1 | kS2, kP | kS0 | kS1 | kS2) {
  x.s0 = Lerp(x.s0, x.g, x.c(0));
  x.s1 = Fma(x.c(2) * x.g, x.g, x.s1 * x.c(1));
  x.s2 = Max(x.s2, x.s1);
  const auto move = x.Num(0) - x.s0 / (Sqrt(x.s2 + x.Num(1e-15)) + x.c(3)) * x.c(4);
  x.p = x.p + move;
  x.Sum(0, move * x.g);
  x.Sum(1, move * move);
}
// c: 0 momentum, 1 weight of the buffer.
OPTIM_KERNEL(SwatsMomentumDirection, kG | kS0, kS0 | kU) {
  x.s0 = Fma(x.s0, x.c(0), x.g);
  x.u = x.s0 * x.c(1);
}
// c: 0 step, 1 momentum, 2 weight of g in the buffer, 3 of the buffer in p.
OPTIM_KERNEL(AligUpdate, kP | kG | kS0, kP | kS0) {
  x.s0 = Fma(x.Num(0) - x.c(2), x.g, x.s0 * x.c(1));
  x.p = Fma(x.c(3), x.s0, Fma(x.Num(0) - x.c(0), x.g, x.p));
}

}  // namespace malmoi::optim

#if !defined(MALMOI_OPTIM_LEVEL)
#include "optim/optimizer.h"
#include "optim/rule.h"
#include "optim/rules/adam_kernels.h"
#include "optim/rules/cosine_decay.h"
#include "optim/rules/rectify.h"
#include "optim/rules/sgd_kernels.h"
#include "optim/torch_generator.h"

namespace malmoi::optim {

// Xie et al. 2022 (arXiv:2006.15815).
struct Adai : Rule {
  std::vector<double> betas{0.1, 0.99};
  double dampening = 1, eps = 1e-3, mean = 0;
  bool stable_weight_decay = false;
  Adai() { weight_decouple = false; }
  void Bind(Fields& f) override {
    f("lr", lr)("betas", betas)("weight_decay", weight_decay)("weight_decouple", weight_decouple);
    f("fixed_decay", fixed_decay)("stable_weight_decay", stable_weight_decay);
    f("dampening", dampening)("eps", eps)("maximize", maximize);
  }
  void Declare(StateList& s, const Shape&) const override {
    s.Like("exp_avg");
    s.Square("exp_avg_sq");
    s.Like("beta1_prod");
    s.items.back().exact = true;  // What is left to 1 is divided by.
  }
  int phases() const override { return 2; }
  void Step(TensorStep& t) const override {
    if (t.phase() == 0) {
      if (!stable_weight_decay) Decay(t);
      t.Slots({1});
      t.out[0] = t.Reduce(SecondMomentSum, {betas[1], 1.0 - betas[1]}).sum[0] / Debias(betas[1]);
      t.out[1] = static_cast<double>(t.n());
      return;
    }
    Decay(t);
    const bool plain = dampening == 1;
    t.Update(plain ? AdaiPlainDirection : AdaiPowerDirection,
             {1.0 / (Debias(betas[1]) * mean), 1.0 / (3.0 - 2.0 * dampening), betas[0], 1.0 - eps,
              dampening, std::pow(betas[0], 1.0 - dampening), t.first() ? 1.0 : 0.0},
             lr);
  }
  void Between(int phase, std::span<Rule* const> rules) override {
    if (phase != 0) return;
    double sum = 0, count = 0;
    for (Rule* rule : rules) sum += rule->totals()[0], count += rule->totals()[1];
    for (Rule* rule : rules) {
      static_cast<Adai*>(rule)->mean = std::max(count > 0 ? sum / count : 0.0, eps);
    }
  }
};
OPTIM_RULE(Adai, "adai");

// Xie et al. 2020 (arXiv:2011.11152): stable decay, divided by the mean of the denominators.
struct AdamS : Rule {
  std::vector<double> betas{0.9, 0.999};
  double eps = 1e-8, mean = 0;
  bool ams_bound = false;
  AdamS() { weight_decay = 1e-4; }
  void Bind(Fields& f) override {
    f("lr", lr)("betas", betas)("weight_decay", weight_decay)("weight_decouple", weight_decouple);
    f("fixed_decay", fixed_decay)("ams_bound", ams_bound)("eps", eps)("maximize", maximize);
  }
  void Declare(StateList& s, const Shape&) const override {
    s.Like("exp_avg");
    s.Square("exp_avg_sq");
    if (ams_bound) s.Square("max_exp_avg_sq");
  }
  int phases() const override { return 2; }
  void Step(TensorStep& t) const override {
    if (t.phase() == 0) {
      if (!weight_decouple) Decay(t);
      t.out[0] = t.Reduce(ams_bound ? MomentsMaxSum : MomentsSum,
                          {1.0 - betas[0], betas[1], 1.0 - betas[1], t.AdaNorm()})
                     .sum[0] /
                 Debias(betas[1]);
      t.out[1] = static_cast<double>(t.n());
      return;
    }
    if (weight_decouple) Decay(t, 1.0 / (std::sqrt(mean) + eps));
    if (ams_bound) t.Slots({0, 2});
    t.Update(CorrectedRatioDirection, {1.0 / Debias(betas[1]), eps},
             AdamDebias(lr, Debias(betas[0])));
  }
  void Between(int phase, std::span<Rule* const> rules) override {
    if (phase != 0) return;
    double sum = 0, count = 0;
    for (Rule* rule : rules) sum += rule->totals()[0], count += rule->totals()[1];
    for (Rule* rule : rules) static_cast<AdamS*>(rule)->mean = count > 0 ? sum / count : 0.0;
  }
};
OPTIM_RULE(AdamS, "adams");

// Zhou et al. 2019 (arXiv:1810.00143). The queue is a ring: the slot of step k is k mod keep_num.
struct AdaShift : Rule {
  std::vector<double> betas{0.9, 0.999};
  std::int64_t keep_num = 10;
  double eps = 1e-10;
  json::Value reduce_func = json::Value::String("max");
  void Bind(Fields& f) override {
    f("lr", lr)("betas", betas)("keep_num", keep_num)("reduce_func", reduce_func)("eps", eps);
    f("maximize", maximize);
  }
  Status Check() const override {
    if (keep_num < 1 || keep_num > 1000) {
      return Error(Code::kInvalidArgument,
                   "keep_num = " + std::to_string(keep_num) + ": expected 1 to 1000");
    }
    return Ok();
  }
  void Declare(StateList& s, const Shape&) const override {
    s.Scalar("queue_count", ScalarKind::kInt);
    s.Like("exp_avg");
    s.Square("exp_avg_sq");
    for (std::int64_t i = 0; i < keep_num; ++i) s.Like("grad_queue." + std::to_string(i));
  }
  bool OnePass() const override { return false; }
  void Step(TensorStep& t) const override {
    const auto count = static_cast<std::int64_t>(t.scalar(0));
    t.scalar(0) += 1;
    t.Slots({0, 1, 2 + static_cast<int>(count % keep_num)});
    double weights = 0;
    for (std::int64_t i = 0; i < keep_num; ++i)
      weights += std::pow(betas[0], static_cast<double>(i));
    const double oldest = std::pow(betas[0], static_cast<double>(keep_num - 1)) / weights;
    const double newest = 1.0 / weights;
    if (count < keep_num) {
      t.Apply(ShiftGather, {0, betas[0], newest});
      return;
    }
    const double correction =
        1.0 -
        std::pow(betas[1], static_cast<double>(std::max<std::int64_t>(1, step_count - keep_num)));
    const bool each = reduce_func.is_null();
    const double largest = each ? 0.0 : t.Reduce(LargestSquare).top[0];
    t.Update(ShiftDirection,
             {oldest, betas[0], newest, 1.0 - betas[1], largest, 1.0 / correction, eps,
              each ? 1.0 : 0.0},
             lr);
  }
};
OPTIM_RULE(AdaShift, "adashift");

// Yuan et al. 2024 (arXiv:2411.10438), without the orthogonalised variant, which needs matrices.
struct MARS : Rule {
  std::vector<double> betas{0.95, 0.99}, betas_1d{0.9, 0.95};
  double gamma = 0.025, lr_1d = 3e-3, weight_decay_1d = 0.1, eps = 1e-8, lr_1d_factor = 1;
  std::string mars_type = "adamw";
  bool optimize_1d = false, ams_bound = false;
  MARS() { lr = 3e-3; }
  void Bind(Fields& f) override {
    f("lr", lr)("betas", betas)("gamma", gamma)("mars_type", mars_type, "adamw|lion|shampoo");
    f("optimize_1d", optimize_1d)("lr_1d", lr_1d)("betas_1d", betas_1d);
    f("weight_decay", weight_decay)("weight_decay_1d", weight_decay_1d);
    f("weight_decouple", weight_decouple)("fixed_decay", fixed_decay)("ams_bound", ams_bound);
    f("cautious", cautious)("eps", eps)("maximize", maximize);
  }
  void Constructed() override { lr_1d_factor = lr != 0 ? lr_1d / lr : 1.0; }
  Status Check() const override {
    if (mars_type == "shampoo") {
      return Error(Code::kUnsupported,
                   "mars_type = \"shampoo\" is not there yet: use adamw or lion");
    }
    return Ok();
  }
  void Declare(StateList& s, const Shape&) const override {
    s.Like("exp_avg");
    s.Square("exp_avg_sq");
    s.Like("last_grad");
    if (ams_bound) s.Square("max_exp_avg_sq");
  }
  void Step(TensorStep& t) const override {
    const bool mixed = optimize_1d || t.shape().size() >= 2;
    const double rate = mixed ? lr : lr * lr_1d_factor;
    const auto& b = mixed ? betas : betas_1d;
    double scale = 0, inverse = 1;
    if (mixed) {
      scale = gamma * (b[0] / (1.0 - b[0]));
      const double norm = std::sqrt(t.Reduce(MarsNorm, {scale}).sum[0]);
      if (norm > 1) inverse = 1.0 / norm;
    }
    // Decay comes after the moments have seen the gradient, so coupled decay only reaches the
    // stored last gradient.
    double coupled = 0;
    const double decay_now = mixed ? weight_decay : weight_decay_1d;
    if (decay_now != 0 && t.decays()) {
      if (weight_decouple)
        t.decay = 1.0 - decay_now * (fixed_decay ? 1.0 : rate);
      else
        coupled = decay_now;
    }
    if (mixed && mars_type == "lion") {
      if (!cautious) {
        t.Reduce(MarsMomentum, {scale, inverse, 1.0 - b[0]});
        KeepLast(t, coupled);
        t.Apply(SubtractKept, {rate});
        return;
      }
      t.Reduce(MarsMomentum, {scale, inverse, 1.0 - b[0]});
      // The factor of the mask is lost in the sign.
      t.Apply(SubtractAgreeing, {rate, 1.0, 1.0});
      t.decay = 1;
      KeepLast(t, coupled);
      return;
    }
    t.Reduce(MarsMoments, {scale, inverse, 1.0 - b[0], b[1], 1.0 - b[1]});
    const double root = Debias(b[0]) / std::sqrt(Debias(b[1]));
    if (coupled != 0) return Coupled(t, rate, root, coupled);
    t.Update(ams_bound ? MarsAmsDirection : MarsDirection, {0, 0, 0, 0, 0, root, eps}, rate);
  }
  void KeepLast(TensorStep& t, double coupled) const {
    const double kept = t.decay;
    t.decay = 1;
    t.l2 = coupled;
    t.Slots({2});
    t.Reduce(CopyGradient);
    t.Slots({0});
    t.l2 = 0;
    t.decay = kept;
  }
  void Coupled(TensorStep& t, double rate, double root, double coupled) const {
    t.Reduce(ams_bound ? MarsAmsDirection : MarsDirection, {0, 0, 0, 0, 0, root, eps});
    KeepLast(t, coupled);
    if (cautious) {
      const double agree = t.Reduce(CountAgreement).sum[0];
      t.Apply(SubtractAgreeing, {rate, static_cast<double>(t.n()) / (agree + 1.0), 1.0});
    } else {
      t.Apply(SubtractKept, {rate});
    }
  }
};
OPTIM_RULE(MARS, "mars");

// Wright 2019: RAdam, centred gradients and Lookahead in one.
struct Ranger : Rule {
  std::vector<double> betas{0.95, 0.999};
  double alpha = 0.5, eps = 1e-5, step_size = 0, n_sma = 0;
  std::int64_t k = 6;
  bool gc_conv_only = false;
  Rectify rectify;
  Ranger() { use_gc = true, rectify.rectify = true, rectify.degenerated_to_sgd = false; }
  void Bind(Fields& f) override {
    f("lr", lr)("betas", betas)("alpha", alpha)("k", k)("n_sma_threshold", rectify.n_sma_threshold);
    f("degenerated_to_sgd", rectify.degenerated_to_sgd)("weight_decay", weight_decay);
    f("weight_decouple", weight_decouple)("fixed_decay", fixed_decay)("use_gc", use_gc);
    f("gc_conv_only", gc_conv_only)("eps", eps)("maximize", maximize);
  }
  Status Check() const override {
    if (k < 1) return Error(Code::kInvalidArgument, "k = " + std::to_string(k) + ": expected >= 1");
    return Ok();
  }
  std::size_t CenterFrom() const override { return gc_conv_only ? 4 : 2; }
  void Declare(StateList& s, const Shape&) const override {
    s.Like("exp_avg");
    s.Square("exp_avg_sq");
    s.Point("slow_buffer");
  }
  void Begin() override {
    step_size = AdamDebias(rectify.StepSize(lr, betas[1], step_count, &n_sma), Debias(betas[0]));
  }
  void Step(TensorStep& t) const override {
    if (t.first()) t.CopyP(2);
    Decay(t);
    const bool adaptive = n_sma >= static_cast<double>(rectify.n_sma_threshold);
    t.Update(adaptive ? AdamDirection : AdamMomentumDirection,
             {1.0 - betas[0], betas[1], 1.0 - betas[1], 1.0, eps, t.AdaNorm()}, step_size);
    if (step_count % k == 0) {
      t.decay = 1;
      t.Apply(MeetSlow, {alpha});
    }
  }
};
OPTIM_RULE(Ranger, "ranger");

// Huang et al. 2025 (arXiv:2501.06842). Below density 1 matrices are trained where a random mask
// is set; states are kept for all elements, with the mask.
struct SPAM : Rule {
  std::vector<double> betas{0.9, 0.999};
  double density = 1, threshold = 5000, eps = 1e-6;
  std::int64_t warmup_epoch = 50, grad_accu_steps = 20, update_proj_gap = 500;
  std::int64_t total_step = 0, current_step = -1;
  CosineDecay warmup;
  double scale = 1;
  std::vector<std::vector<float>> first_masks;  // By parameter of the optimizer.
  void Bind(Fields& f) override {
    f("lr", lr)("betas", betas)("density", density)("weight_decay", weight_decay);
    f("warmup_epoch", warmup_epoch)("threshold", threshold)("grad_accu_steps", grad_accu_steps);
    f("update_proj_gap", update_proj_gap)("eps", eps)("maximize", maximize);
  }
  void BindState(Fields& f) override {
    f("total_step", total_step)("current_step", current_step)("death_rate", warmup.rate);
  }
  Status Check() const override {
    if (!(density >= 0)) {  // From 1 on everything is trained.
      return Error(Code::kInvalidArgument, "density: expected at least 0");
    }
    if (update_proj_gap < 0 || warmup_epoch < 0) {
      return Error(Code::kInvalidArgument, "update_proj_gap and warmup_epoch: expected >= 0");
    }
    return Ok();
  }
  void Constructed() override { warmup = {0.99, warmup_epoch, 0.0}; }
  bool Draws() const override { return density < 1; }
  void Draw(TorchGenerator& random, std::span<const Shape* const> shapes) override {
    for (const Shape* shape : shapes) {
      std::vector<float> mask;
      if (density < 1 && shape->size() == 2) {
        const auto n = static_cast<std::int64_t>(Elements(*shape));
        const auto on = static_cast<std::size_t>(density * static_cast<double>(n));
        const auto order = random.Permutation(n);
        mask.assign(order.size(), 0.0f);
        for (std::size_t i = 0; i < on; ++i) mask[static_cast<std::size_t>(order[i])] = 1.0f;
      }
      first_masks.push_back(std::move(mask));
    }
  }
  bool Masked(const Shape& shape) const { return density < 1 && shape.size() == 2; }
  void Declare(StateList& s, const Shape& shape) const override {
    s.Like("exp_avg");
    s.Square("exp_avg_sq");
    if (Masked(shape)) {
      s.Like("mask");
      s.items.back().exact = true;
    }
  }
  bool Resets() const { return update_proj_gap > 0 && (total_step + 1) % update_proj_gap == 0; }
  void Begin() override {
    if (current_step < 0) current_step = warmup_epoch + 1;
    scale = 1.0 - warmup.Rate(current_step);
  }
  bool OnePass() const override { return density >= 1 && !Resets(); }
  void Step(TensorStep& t) const override {
    const bool masked = Masked(t.shape());
    if (masked && t.first()) t.f64() ? Start<double>(t) : Start<float>(t);
    if (Resets()) t.Reduce(ClearMoments);
    const std::int64_t now = total_step + 1;
    const bool clips = threshold != 0 && now >= grad_accu_steps &&
                       (update_proj_gap == 0 || now % update_proj_gap >= grad_accu_steps);
    const double step = scale * lr * std::sqrt(Debias(betas[1])) / Debias(betas[0]);
    const double after = t.decays() ? 1.0 - weight_decay * lr : 1.0;
    if (masked) {
      t.Apply(SpamMaskedUpdate, {1.0 - betas[0], betas[1], 1.0 - betas[1], eps,
                                 clips ? threshold : 0.0, after, step});
      const bool redraw = update_proj_gap > 0 && (total_step + 2) % update_proj_gap == 0;
      if (redraw) t.f64() ? Redraw<double>(t) : Redraw<float>(t);
      return;
    }
    t.post_decay = after;
    t.Update(SpamDirection,
             {1.0 - betas[0], betas[1], 1.0 - betas[1], eps, clips ? threshold : 0.0}, step);
  }
  template <class T>
  void Start(TensorStep& t) const {
    const std::span<T> mask = t.State<T>(2);
    for (std::size_t i = 0; i < mask.size() && t.index() < first_masks.size(); ++i) {
      mask[i] = static_cast<T>(first_masks[t.index()][i]);
    }
    t.Flush();
  }
  // Moments live on where both masks are set.
  template <class T>
  void Redraw(TensorStep& t) const {
    const std::span<T> m = t.State<T>(0), v = t.State<T>(1), mask = t.State<T>(2);
    for (std::size_t i = 0; i < mask.size(); ++i) {
      const double u = t.f64()
                           ? static_cast<double>(t.random->Random64() & 0x1fffffffffffffu) * 0x1p-53
                           : static_cast<double>(t.random->Random() & 0xffffffu) * 0x1p-24;
      const bool on = u < density;
      if (!on || mask[i] == 0) m[i] = v[i] = 0;
      mask[i] = on ? T{1} : T{0};
    }
  }
  void Between(int, std::span<Rule* const> rules) override {
    for (Rule* rule : rules) {
      auto& r = *static_cast<SPAM*>(rule);
      ++r.total_step, ++r.current_step;
      if (r.Resets()) r.current_step = 0, r.warmup = {0.99, r.warmup_epoch, 0.0};
    }
  }
};
OPTIM_RULE(SPAM, "spam");

// Huang et al. 2025 (arXiv:2502.17055).
struct StableSPAM : Rule {
  std::vector<double> betas{0.9, 0.999};
  double gamma1 = 0.7, gamma2 = 0.9, theta = 0.999, eta_min = 0.5, eps = 1e-8, scale = 1;
  std::optional<double> t_max;
  std::int64_t update_proj_gap = 1000, total_step = 0;
  CosineDecay warmup;
  bool resets = false;
  void Bind(Fields& f) override {
    f("lr", lr)("betas", betas)("gamma1", gamma1)("gamma2", gamma2)("theta", theta);
    f("t_max", t_max)("eta_min", eta_min)("weight_decay", weight_decay);
    f("update_proj_gap", update_proj_gap)("eps", eps)("maximize", maximize);
  }
  void BindState(Fields& f) override { f("total_step", total_step)("death_rate", warmup.rate); }
  Status Check() const override {
    if (update_proj_gap < 1) return Error(Code::kInvalidArgument, "update_proj_gap: expected >= 1");
    return Ok();
  }
  void Constructed() override {
    if (gamma1 == -1) gamma1 = betas[0];
    if (t_max) warmup = {1.0, static_cast<std::int64_t>(*t_max), eta_min};
  }
  void Declare(StateList& s, const Shape&) const override {
    s.Scalar("m_norm_t", ScalarKind::kTensor0);
    s.Scalar("v_norm_t", ScalarKind::kTensor0);
    s.Scalar("m_max_t", ScalarKind::kTensor0);
    s.Like("exp_avg");
    s.Square("exp_avg_sq");
  }
  void Begin() override {
    ++total_step;
    scale = t_max ? warmup.Rate(total_step) : 1.0;
    resets = total_step % update_proj_gap == 0;
    if (resets) step_count = 1;
  }
  void Step(TensorStep& t) const override {
    if (resets && !t.first()) t.Reduce(ClearMoments);
    if (weight_decay != 0 && t.decays()) t.decay = 1.0 - weight_decay * lr;
    const auto k = static_cast<double>(total_step);
    const double largest = t.Reduce(LargestGradient).top[0];
    double& top = t.scalar(2);
    top += (1.0 - theta) * (largest - top);
    const double limit = top / (1.0 - std::pow(theta, k));
    const double shrink = largest > 0 ? limit / largest : 1.0;
    const double norm = std::sqrt(t.Reduce(ClippedNorm, {0, 0, 0, 0, 0, limit, shrink}).sum[0]);
    if (norm == 0) {
      t.Apply(KeepDecayed, {1.0});
      return;
    }
    const double g1 = gamma1 * scale;
    double& m = t.scalar(0);
    double& v = t.scalar(1);
    m += (1.0 - g1) * (norm - m);
    v += (1.0 - gamma2) * (norm * norm - v);
    const double c =
        m / (1.0 - std::pow(g1, k)) / (std::sqrt(v / (1.0 - std::pow(gamma2, k))) + eps);
    const double beta1 = betas[0] * scale;
    t.Update(ClippedAdamDirection,
             {1.0 - beta1, betas[1], 1.0 - betas[1], 1.0 / std::sqrt(Debias(betas[1])), eps, limit,
              shrink, c / norm},
             lr / Debias(beta1));
  }
};
OPTIM_RULE(StableSPAM, "stablespam");

// Keskar and Socher 2017 (arXiv:1712.07628).
struct SWATS : Rule {
  std::vector<double> betas{0.9, 0.999};
  double eps = 1e-6, next_lr = -1;
  bool ams_bound = false, nesterov = false;
  std::string phase = "adam";
  SWATS() { weight_decouple = false; }
  void Bind(Fields& f) override {
    f("lr", lr)("betas", betas)("weight_decay", weight_decay)("weight_decouple", weight_decouple);
    f("fixed_decay", fixed_decay)("ams_bound", ams_bound)("nesterov", nesterov)("eps", eps);
    f("maximize", maximize);
  }
  void BindState(Fields& f) override { f("phase", phase); }
  void Declare(StateList& s, const Shape&) const override {
    s.Scalar("exp_avg2", ScalarKind::kTensor1);
    s.Like("exp_avg");
    s.Square("exp_avg_sq");
    if (ams_bound) s.Square("max_exp_avg_sq");
    s.Like("momentum_buffer");
  }
  void Step(TensorStep& t) const override {
    Decay(t);
    if (phase == "sgd") {
      t.Slots({t.SlotOf("momentum_buffer")});
      t.Update(SwatsMomentumDirection, {betas[0], nesterov ? 1.0 : 1.0 - betas[0]}, lr);
      return;
    }
    const double c2 = Debias(betas[1]);
    const double step = AdamDebias(lr * std::sqrt(c2), Debias(betas[0]));
    const PassSums sums = t.Reduce(ams_bound ? SwatsAmsUpdate : SwatsUpdate,
                                   {1.0 - betas[0], betas[1], 1.0 - betas[1], eps, step});
    if (sums.sum[0] == 0) return;
    const double scaling = sums.sum[1] / -sums.sum[0];
    double& kept = t.scalar(0);
    kept += (1.0 - betas[1]) * (scaling - kept);
    const double corrected = kept / c2;
    if (step_count > 1 && corrected > 0 &&
        std::fabs(corrected - scaling) <= 1e-8 + eps * std::fabs(scaling)) {
      t.out[0] = corrected;
    }
  }
  void Visited(const TensorStep& t) override {
    if (t.out[0] > 0) next_lr = t.out[0];  // The last such tensor decides.
  }
  void Between(int, std::span<Rule* const> rules) override {
    for (Rule* rule : rules) {
      auto& r = *static_cast<SWATS*>(rule);
      if (r.next_lr <= 0) continue;
      r.phase = "sgd", r.lr = r.next_lr, r.next_lr = -1;
    }
  }
};
OPTIM_RULE(SWATS, "swats");

// Berrada et al. 2020 (arXiv:1906.05661): Polyak's rate, capped. Needs StepInputs' loss.
struct AliG : Rule {
  std::optional<double> max_lr;
  double momentum = 0, loss = 0, rate = 0;
  bool adjusted_momentum = false;
  void Bind(Fields& f) override {
    f("max_lr", max_lr)("momentum", momentum)("adjusted_momentum", adjusted_momentum);
    f("maximize", maximize);
  }
  Status Accept(const StepInputs& inputs) override {
    if (!inputs.has_loss) return Error(Code::kInvalidArgument, "alig needs the loss of the step");
    loss = inputs.loss;
    return Ok();
  }
  void Declare(StateList& s, const Shape&) const override {
    if (momentum > 0) s.Like("momentum_buffer");
  }
  int phases() const override { return 2; }
  void Step(TensorStep& t) const override {
    if (t.phase() == 0) {
      t.out[0] = t.Reduce(NormOfGradient).sum[0];
      return;
    }
    if (momentum <= 0) return t.Update(GradientDirection, {}, rate);
    t.Apply(AligUpdate, {rate, momentum, adjusted_momentum ? 1.0 : rate,
                         adjusted_momentum ? rate * momentum : momentum});
  }
  void Between(int phase, std::span<Rule* const> rules) override {
    if (phase != 0) return;
    double total = 0;
    for (Rule* rule : rules) total += rule->totals()[0];
    for (Rule* rule : rules) {
      auto& r = *static_cast<AliG*>(rule);
      r.rate = loss / (total + 1e-6);
      if (r.max_lr) r.rate = std::min(r.rate, *r.max_lr);
    }
  }
};
OPTIM_RULE(AliG, "alig");

}  // namespace malmoi::optim
#endif
