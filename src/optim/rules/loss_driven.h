// The Emo family of pytorch-optimizer: Adam, Lion and a factored sign rule whose rate follows how
// short, medium and long averages of the loss differ. Without a loss they see 0.
#include "optim/lane_pass.h"

namespace malmoi::optim {

// s0 m, s1 v, s2 shadow. c: 0 1-beta1, 1 beta2, 2 1-beta2, 3 eps, 4 of p, 5 of the shadow,
// 6 weight of p in the shadow, 7 step.
OPTIM_KERNEL(EmoNaviUpdate, kP | kG | kS0 | kS1 | kS2, kP | kS0 | kS1 | kS2) {
  const auto p = Fma(x.c(5), x.s2, x.p * x.c(4));
  x.s2 = Lerp(x.s2, p, x.c(6));
  x.s0 = Lerp(x.s0, x.g, x.c(0));
  x.s1 = Fma(x.c(2) * x.g, x.g, x.s1 * x.c(1));
  x.p = Fma(x.Num(0) - x.c(7), x.s0 / (Sqrt(x.s1) + x.c(3)), p);
}
// c: 0 1-beta1, 1 1-beta2.
OPTIM_KERNEL(EmoSignDirection, kG | kS0, kS0 | kU) {
  x.u = Sign(Lerp(x.s0, x.g, x.c(0)));
  x.s0 = Lerp(x.s0, x.g, x.c(1));
}
// s0 m, s2 shadow. c: as above, the rest as EmoNaviUpdate.
OPTIM_KERNEL(EmoLynxUpdate, kP | kG | kS0 | kS2, kP | kS0 | kS2) {
  const auto p = Fma(x.c(5), x.s2, x.p * x.c(4));
  x.s2 = Lerp(x.s2, p, x.c(6));
  const auto u = Sign(Lerp(x.s0, x.g, x.c(0)));
  x.s0 = Lerp(x.s0, x.g, x.c(1));
  x.p = Fma(x.Num(0) - x.c(7), u, p);
}
OPTIM_KERNEL(EmoFactVector, kG | kS0 | kS1, kS0 | kS1 | kU) {
  x.s0 = Lerp(x.s0, x.g, x.c(0));
  x.s1 = Fma(x.c(2) * x.g, x.g, x.s1 * x.c(1));
  x.u = Sign(x.s0 / (Sqrt(x.s1) + x.c(3)));
}
// p = c0 p + c1 shadow; shadow moves to p by c2.
OPTIM_KERNEL(MixShadow, kP | kS0, kP | kS0) {
  x.p = Fma(x.c(1), x.s0, x.p * x.c(0));
  x.s0 = Lerp(x.s0, x.p, x.c(2));
}

// p -= c0 by the sign of g, whose squares go to rows and columns.
OPTIM_GRID_KERNEL(EmoFactUpdate, kP | kG, kP) {
  const auto v = x.g * x.g;
  x.Down(0, v);
  x.Sum(0, v);
  const auto zero = x.Num(0);
  x.p = x.p - Select(Gt(x.g, zero), x.c(0), Select(Lt(x.g, zero), zero - x.c(0), zero));
}

}  // namespace malmoi::optim

#if !defined(MALMOI_OPTIM_LEVEL)
#include "optim/optimizer.h"
#include "optim/rule.h"
#include "optim/rules/adam_kernels.h"

namespace malmoi::optim {

struct EmoRule : Rule {
  std::vector<double> betas{0.9, 0.999};
  double eps = 1e-8, shadow_weight = 0.05;
  bool use_shadow = false;
  double ema_short = 0, ema_medium = 0, ema_long = 0, loss = 0, drive = 1, ratio = 0, trust = 0;
  bool seen = false;
  EmoRule() { weight_decay = 1e-2; }
  void Bind(Fields& f) override {
    f("lr", lr)("betas", betas)("use_shadow", use_shadow)("shadow_weight", shadow_weight);
    f("weight_decay", weight_decay)("weight_decouple", weight_decouple);
    f("fixed_decay", fixed_decay)("eps", eps)("maximize", maximize);
  }
  void BindState(Fields& f) override {
    f("ema_short", ema_short)("ema_medium", ema_medium)("ema_long", ema_long)("ema_seen", seen);
  }
  Status Accept(const StepInputs& inputs) override {
    loss = inputs.has_loss ? inputs.loss : 0.0;
    return Ok();
  }
  // The averages are the optimizer's, and each group moves them once.
  void Start(std::span<Rule* const> rules) override {
    for (Rule* rule : rules) {
      auto& r = *static_cast<EmoRule*>(rule);
      if (!seen) ema_short = ema_medium = ema_long = loss, seen = true;
      ema_short = 0.3 * loss + 0.7 * ema_short;
      ema_medium = 0.05 * loss + 0.95 * ema_medium;
      ema_long = 0.01 * loss + 0.99 * ema_long;
      r.Feel(ema_short, ema_medium, ema_long);
    }
    for (Rule* rule : rules) {
      auto& r = *static_cast<EmoRule*>(rule);
      r.ema_short = ema_short, r.ema_medium = ema_medium, r.ema_long = ema_long, r.seen = true;
    }
  }
  void Feel(double quick, double medium, double slow) {
    const double of_slow = std::max(slow, 1e-5), of_medium = std::max(medium, 1e-5);
    const double by_slow = (slow - quick) / of_slow, by_medium = (slow - quick) / of_medium;
    const bool use_medium = std::fabs(by_slow) >= 0.05 &&
                            std::fabs(by_medium) * of_medium < std::fabs(by_slow) * of_slow;
    const double scalar = std::tanh(use_medium ? by_medium : by_slow);
    const double size = std::fabs(scalar);
    trust = std::copysign(1.0 - size, scalar);
    ratio = use_shadow && size > 0.625 ? 1.0 - size : 0.0;
    drive = 1;
    if (size > 0.25 && size < 0.5) {
      drive = 8.0 * std::fabs(trust) * (1.0 + 0.1 * trust);
    } else if (size > 0.75) {
      drive = 1.0 - size;
    }
  }
  double OfP() const { return ratio > 0 ? 1.0 - ratio : 1.0; }
  double OfShadow() const { return ratio > 0 ? std::fabs(trust) : 0.0; }
  double Leap() const { return 0.1 * std::fabs(trust); }
};

struct EmoNavi : EmoRule {
  void Declare(StateList& s, const Shape&) const override {
    s.Like("exp_avg");
    s.Square("exp_avg_sq");
    if (use_shadow) s.Point("shadow");
  }
  bool OnePass() const override { return true; }
  bool FreshOnePass() const override { return !use_shadow; }
  void Step(TensorStep& t) const override {
    if (t.first() && use_shadow) t.CopyP(2);
    Decay(t);
    if (!use_shadow) {
      t.Update(AdamDirection, {1.0 - betas[0], betas[1], 1.0 - betas[1], 1.0, eps, t.AdaNorm()},
               lr * drive);
      return;
    }
    t.Apply(EmoNaviUpdate, {1.0 - betas[0], betas[1], 1.0 - betas[1], eps, OfP(), OfShadow(),
                            ratio > 0 ? shadow_weight : Leap(), lr * drive});
  }
};
OPTIM_RULE(EmoNavi, "emonavi");

struct EmoLynx : EmoRule {
  EmoLynx() { betas = {0.9, 0.99}; }
  void Declare(StateList& s, const Shape&) const override {
    s.Like("exp_avg");
    if (use_shadow) s.Point("shadow");
  }
  bool OnePass() const override { return true; }
  bool FreshOnePass() const override { return !use_shadow; }
  void Step(TensorStep& t) const override {
    if (t.first() && use_shadow) t.CopyP(1);
    Decay(t);
    if (!use_shadow) {
      t.Update(EmoSignDirection, {1.0 - betas[0], 1.0 - betas[1]}, lr * drive);
      return;
    }
    t.Slots({0, 0, 1});
    t.Apply(EmoLynxUpdate, {1.0 - betas[0], 1.0 - betas[1], 0, 0, OfP(), OfShadow(),
                            use_shadow && !(ratio > 0) ? Leap() : 0.0, lr * drive});
  }
};
OPTIM_RULE(EmoLynx, "emolynx");

struct EmoFact : EmoRule {
  void Declare(StateList& s, const Shape& shape) const override {
    if (shape.size() >= 2) {
      Shape row(shape.size(), 1), col = shape;
      row[0] = shape[0], col[0] = 1;
      s.Sized("exp_avg_r", row);
      s.Sized("exp_avg_c", col);
    } else {
      s.Like("exp_avg");
      s.Square("exp_avg_sq");
    }
    if (use_shadow) s.Point("shadow");
  }
  void Step(TensorStep& t) const override {
    if (use_shadow && t.first()) t.CopyP(2);
    Decay(t);
    if (use_shadow) {
      t.CoupleNow();  // Coupled decay sees p before the shadow is mixed into it.
      t.Slots({2});
      t.Reduce(MixShadow, {OfP(), OfShadow(), ratio > 0 ? 0.0 : Leap()});
      t.Slots({0});
      t.decay = 1;
    }
    if (t.shape().size() < 2) {
      t.Update(EmoFactVector, {1.0 - betas[0], betas[1], 1.0 - betas[1], eps}, lr * drive);
    } else if (t.GridFits()) {
      t.f64() ? RunGrid<double>(t) : RunGrid<float>(t);
    } else {
      t.f64() ? Run<double>(t) : Run<float>(t);
    }
  }
  // In one pass: the step needs the sign of g alone.
  template <class T>
  void RunGrid(TensorStep& t) const {
    Grid<T> grid = t.FirstByRest<T>();
    std::vector<double> across(grid.rows), down(grid.cols);
    grid.across[0] = across.data(), grid.down[0] = down.data();
    t.ReduceGrid(EmoFactUpdate, {lr * drive}, grid);
    Follow<T>(across, static_cast<double>(grid.cols), t.State<T>(0));
    Follow<T>(down, static_cast<double>(grid.rows), t.State<T>(1));
  }
  template <class T>
  void Follow(const std::vector<double>& sums, double n, std::span<T> state) const {
    for (std::size_t i = 0; i < sums.size(); ++i) {
      const double value = std::sqrt(sums[i] / n + eps), old = static_cast<double>(state[i]);
      state[i] = static_cast<T>(old + (1.0 - betas[0]) * (value - old));
    }
  }
  template <class T>
  void Run(TensorStep& t) const {
    const std::span<T> p = t.P<T>(), g = t.G<T>(), row = t.State<T>(0), col = t.State<T>(1);
    t.DecayWhole(p, g);
    const std::size_t rows = t.rows(), cols = t.cols();
    std::vector<double> across(rows), down(cols);
    for (std::size_t r = 0; r < rows; ++r) {
      for (std::size_t c = 0; c < cols; ++c) {
        const auto gi = static_cast<double>(g[r * cols + c]);
        across[r] += gi * gi, down[c] += gi * gi;
      }
    }
    Follow<T>(across, static_cast<double>(cols), row);
    Follow<T>(down, static_cast<double>(rows), col);
    // The sign of g over a positive denominator.
    const auto step = static_cast<T>(lr * drive);
    for (std::size_t i = 0; i < g.size(); ++i) {
      if (g[i] > 0) p[i] -= step;
      if (g[i] < 0) p[i] += step;
    }
  }
};
OPTIM_RULE(EmoFact, "emofact");

}  // namespace malmoi::optim
#endif
