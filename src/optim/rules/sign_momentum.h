// Rules whose step is a sign or a range-normalised gradient: FOCUS, Lion, ROSE, SignSGD, Tiger.
#include "optim/lane_pass.h"

namespace malmoi::optim {

// c: 0 1-beta1, 1 1-beta2, 2 factor of g in the momentum.
OPTIM_KERNEL(LionDirection, kG | kS0, kS0 | kU) {
  x.u = Sign(Lerp(x.s0, x.g, x.c(0)));
  x.s0 = Lerp(x.s0, x.g * x.c(2), x.c(1));
}
// c: 0 1-beta.
OPTIM_KERNEL(SignMomentumDirection, kG | kS0, kS0 | kU) {
  x.s0 = Lerp(x.s0, x.g, x.c(0));
  x.u = Sign(x.s0);
}
OPTIM_KERNEL(SignDirection, kG, kU) {
  x.u = Sign(x.g);
}
// s0 momentum, s1 mean of p. c: 0 1-beta1, 1 1-beta2, 2 bc2, 3 lr decay, 4 gamma, 5 lr.
OPTIM_KERNEL(FocusUpdate, kP | kG | kS0 | kS1, kP | kS0 | kS1) {
  x.s0 = Lerp(x.s0, x.g, x.c(0));
  x.s1 = Lerp(x.s1, x.p, x.c(1));
  const auto mean = x.s1 / x.c(2);  // In the first step exactly p, whose sign difference is 0.
  const auto p = Fma(x.Num(0) - x.c(3), mean, x.p);
  x.p = Fma(x.Num(0) - x.c(5), Fma(x.c(4), Sign(p - mean), Sign(x.s0)), p);
}

}  // namespace malmoi::optim

#if !defined(MALMOI_OPTIM_LEVEL)
#include "optim/rule.h"

namespace malmoi::optim {

// Chen et al. 2023 (arXiv:2302.06675).
struct Lion : Rule {
  std::vector<double> betas{0.9, 0.99};
  Lion() { lr = 1e-4; }
  void Bind(Fields& f) override {
    f("lr", lr)("betas", betas)("weight_decay", weight_decay)("weight_decouple", weight_decouple);
    f("fixed_decay", fixed_decay)("maximize", maximize);
  }
  void Declare(StateList& s, const Shape&) const override { s.Like("exp_avg"); }
  bool OnePass() const override { return true; }
  void Step(TensorStep& t) const override {
    Decay(t);
    t.Update(LionDirection, {1.0 - betas[0], 1.0 - betas[1], t.AdaNorm()}, lr);
  }
};
OPTIM_RULE(Lion, "lion");

// Su 2023.
struct Tiger : Rule {
  double beta = 0.965;
  Tiger() { weight_decay = 1e-2; }
  void Bind(Fields& f) override {
    f("lr", lr)("beta", beta)("weight_decay", weight_decay)("weight_decouple", weight_decouple);
    f("fixed_decay", fixed_decay)("maximize", maximize);
  }
  void Declare(StateList& s, const Shape&) const override { s.Like("exp_avg"); }
  bool OnePass() const override { return true; }
  void Step(TensorStep& t) const override {
    Decay(t);
    t.Update(SignMomentumDirection, {1.0 - beta}, lr);
  }
};
OPTIM_RULE(Tiger, "tiger");

// Bernstein et al. 2018 (arXiv:1802.04434).
struct SignSGD : Rule {
  double momentum = 0.9;
  void Bind(Fields& f) override {
    f("lr", lr)("momentum", momentum)("weight_decay", weight_decay);
    f("weight_decouple", weight_decouple)("maximize", maximize);
  }
  void Declare(StateList& s, const Shape&) const override {
    if (momentum > 0) s.Like("momentum_buffer");
  }
  bool OnePass() const override { return true; }
  void Step(TensorStep& t) const override {
    Decay(t);
    t.Update(momentum > 0 ? SignMomentumDirection : SignDirection, {1.0 - momentum}, lr);
  }
};
OPTIM_RULE(SignSGD, "signsgd");

// Mao et al. 2025 (arXiv:2501.12243).
struct FOCUS : Rule {
  std::vector<double> betas{0.9, 0.999};
  double gamma = 0.1;
  FOCUS() { lr = 1e-2; }
  void Bind(Fields& f) override {
    f("lr", lr)("betas", betas)("gamma", gamma)("weight_decay", weight_decay);
    f("maximize", maximize);
  }
  void Declare(StateList& s, const Shape&) const override {
    s.Like("exp_avg");
    s.Point("pbar");
  }
  bool OnePass() const override { return true; }
  void Step(TensorStep& t) const override {
    t.Apply(FocusUpdate, {1.0 - betas[0], 1.0 - betas[1], Debias(betas[1]),
                          t.decays() ? lr * weight_decay : 0.0, gamma, lr});
  }
};
OPTIM_RULE(FOCUS, "focus");

// Stateless: gradients are divided by their range, matrices by rows. pytorch-optimizer's ROSE;
// bf16_sr rounds bf16 parameters stochastically there; here EngineOptions decides.
struct ROSE : Rule {
  json::Value wd_schedule = json::Value::Bool(false);
  json::Value compute_dtype = json::Value::String("torch.float64");
  bool centralize = true, stabilize = true, bf16_sr = true;
  ROSE() { weight_decay = 1e-4, weight_decouple = false; }
  void Bind(Fields& f) override {
    f("lr", lr)("weight_decay", weight_decay)("wd_schedule", wd_schedule);
    f("weight_decouple", weight_decouple)("fixed_decay", fixed_decay)("centralize", centralize);
    f("stabilize", stabilize)("bf16_sr", bf16_sr)("compute_dtype", compute_dtype);
    f("maximize", maximize);
  }
  Status Check() const override {
    if (wd_schedule.is_bool() && *wd_schedule.AsBool() && weight_decay != 0) {
      return Error(Code::kInvalidArgument,
                   "wd_schedule = true needs a max_lr; give the learning rate to divide by");
    }
    return Ok();
  }
  void Declare(StateList&, const Shape&) const override {}
  void Step(TensorStep& t) const override {
    double rate = lr;
    const auto top = wd_schedule.is_bool() ? std::nullopt : wd_schedule.AsDouble();
    if (top && *top != 0) rate = lr / *top;
    Decay(t);
    if (t.decay != 1) t.decay = 1.0 - weight_decay * (fixed_decay ? 1.0 : rate);
    t.f64() ? Run<double>(t) : Run<float>(t);
  }
  template <class T>
  void Run(TensorStep& t) const {
    const std::span<T> p = t.P<T>(), g = t.G<T>();
    t.DecayWhole(p, g);
    const std::size_t rows = t.shape().size() < 2 ? 1 : t.rows(), cols = t.n() / rows;
    std::vector<double> scale(rows);
    for (std::size_t r = 0; r < rows; ++r) {
      const std::span<T> row = g.subspan(r * cols, cols);
      if (centralize && t.shape().size() >= 2) {
        double sum = 0;
        for (const T v : row) sum += static_cast<double>(v);
        for (T& v : row) v -= static_cast<T>(sum / static_cast<double>(cols));
      }
      const auto [low, high] = std::minmax_element(row.begin(), row.end());
      scale[r] = std::fabs(static_cast<double>(*high)) - static_cast<double>(*low);
    }
    if (stabilize && t.shape().size() >= 2) Stabilize(&scale);
    for (std::size_t r = 0; r < rows; ++r) {
      const double s = scale[r] == 0 ? 1.0 : scale[r];
      for (std::size_t i = r * cols; i < (r + 1) * cols; ++i) {
        const auto gi = static_cast<double>(g[i]);
        const double step = t.shape().empty() ? (gi > 0) - (gi < 0) : gi / s;
        p[i] = static_cast<T>(static_cast<double>(p[i]) - lr * step);
      }
    }
  }
  // Towards the mean where the rows' ranges spread.
  static void Stabilize(std::vector<double>* scale) {
    double mean = 0, square = 0;
    const auto n = static_cast<double>(scale->size());
    for (const double s : *scale) mean += s / n;
    for (const double s : *scale) square += (s - mean) * (s - mean) / n;
    const double both = mean == 0 ? 1.0 : std::sqrt(square) + mean;
    const double trust = mean / both;
    for (double& s : *scale) s = mean + trust * (s - mean);
  }
};
OPTIM_RULE(ROSE, "rose");

}  // namespace malmoi::optim
#endif
