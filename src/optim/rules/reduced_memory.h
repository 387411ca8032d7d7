// Rules with fewer states than elements, or none: AdamWSN, AdaLOMO, LOMO, RACS, SaRA; and
// ApolloDQN, whose curvature is one number a step.
#include "optim/lane_pass.h"

namespace malmoi::optim {

// s2 mask. c: as AdamDirection, 5 lr * decay, 6 step.
OPTIM_KERNEL(MaskedAdamUpdate, kP | kG | kS0 | kS1 | kS2, kP | kS0 | kS1) {
  const auto on = Gt(x.s2, x.Num(0));
  x.s0 = Lerp(x.s0, x.g, x.c(0));
  x.s1 = Fma(x.c(2) * x.g, x.g, x.s1 * x.c(1));
  const auto u = x.s0 / Fma(Sqrt(x.s1), x.c(3), x.c(4));
  x.p = Select(on, Fma(x.Num(0) - x.c(6), u, x.p * x.c(5)), x.p);
}
OPTIM_KERNEL(MaskedAmsgradUpdate, kP | kG | kS0 | kS1 | kS2 | kS3, kP | kS0 | kS1 | kS3) {
  const auto on = Gt(x.s2, x.Num(0));
  x.s0 = Lerp(x.s0, x.g, x.c(0));
  x.s1 = Fma(x.c(2) * x.g, x.g, x.s1 * x.c(1));
  x.s3 = Max(x.s3, x.s1);
  const auto u = x.s0 / Fma(Sqrt(x.s3), x.c(3), x.c(4));
  x.p = Select(on, Fma(x.Num(0) - x.c(6), u, x.p * x.c(5)), x.p);
}
// 1 where |p| is below c0 and the mask was (c1: a fresh one) on.
OPTIM_KERNEL(MaskBelow, kP | kS2, kS2) {
  const auto was = Or(Gt(x.s2, x.Num(0)), Gt(x.c(1), x.Num(0)));
  x.s2 = Select(And(was, Lt(Abs(x.p), x.c(0))), x.Num(1), x.Num(0));
}

// RACS over grids: squares along both; the norm of the scaled gradient; the step. c: 0 rate; c(19)
// of the row and s7 of the column: 1 / root.
OPTIM_GRID_KERNEL(RacsSquares, kG, 0) {
  const auto v = x.g * x.g;
  x.Down(0, v);
  x.Sum(0, v);
}
OPTIM_GRID_KERNEL(RacsNorm, kG | kS7, 0) {
  const auto u = x.g * x.c(19) * x.s7;
  x.Sum(0, u * u);
}
OPTIM_GRID_KERNEL(RacsUpdate, kP | kG | kS7, kP) {
  x.p = x.p - x.c(0) * (x.g * x.c(19) * x.s7);
}

}  // namespace malmoi::optim

#if !defined(MALMOI_OPTIM_LEVEL)
#include "optim/optimizer.h"
#include "optim/polar.h"
#include "optim/rule.h"
#include "optim/rules/adam_kernels.h"

namespace malmoi::optim {

// Nguyen and Nguyen 2024 (arXiv:2411.07120): one second moment a subset, in groups with sn.
struct AdamWSN : Rule {
  std::vector<double> betas{0.9, 0.999};
  std::int64_t subset_size = -1;
  double eps = 1e-8;
  bool sn = false;
  void Bind(Fields& f) override {
    f("lr", lr)("betas", betas)("weight_decay", weight_decay)("weight_decouple", weight_decouple);
    f("fixed_decay", fixed_decay)("subset_size", subset_size)("eps", eps)("maximize", maximize);
    f("sn", sn);
  }
  Status Check() const override {
    if (subset_size == 0)
      return Error(Code::kInvalidArgument, "subset_size = 0: expected non-zero");
    return Ok();
  }
  std::int64_t Subset(std::size_t size) const {
    const auto n = static_cast<std::int64_t>(size);
    std::int64_t k = subset_size > 0 ? subset_size
                                     : static_cast<std::int64_t>(std::sqrt(static_cast<double>(n)) /
                                                                 static_cast<double>(-subset_size));
    for (k = std::min(std::max<std::int64_t>(k, 1), std::max<std::int64_t>(n, 1)); n % k != 0;) --k;
    return k;
  }
  void Declare(StateList& s, const Shape& shape) const override {
    s.Like("exp_avg");
    if (!sn) {
      s.Square("exp_avg_sq");
      return;
    }
    const std::int64_t k = Subset(Elements(shape));
    s.Scalar("subset_size", ScalarKind::kInt, static_cast<double>(k));
    s.Sized("exp_avg_sq", {static_cast<std::int64_t>(Elements(shape)) / k, 1});
  }
  void Step(TensorStep& t) const override {
    if (weight_decouple) {
      Decay(t);
      std::swap(t.decay, t.post_decay);
    }
    const double step = lr * std::sqrt(Debias(betas[1])) / Debias(betas[0]);
    if (!sn) {
      t.Update(AdamDirection, {1.0 - betas[0], betas[1], 1.0 - betas[1], 1.0, eps, t.AdaNorm()},
               step);
      return;
    }
    t.f64() ? Run<double>(t, step) : Run<float>(t, step);
  }
  template <class T>
  void Run(TensorStep& t, double step) const {
    const std::span<T> p = t.P<T>(), g = t.G<T>(), m = t.State<T>(0), v = t.State<T>(1);
    const std::size_t k = p.size() / v.size();
    for (std::size_t j = 0; j < v.size(); ++j) {
      double sum = 0;
      for (std::size_t i = j * k; i < (j + 1) * k; ++i) {
        sum += static_cast<double>(g[i]) * static_cast<double>(g[i]);
      }
      v[j] += static_cast<T>(1.0 - betas[1]) * (static_cast<T>(sum) - v[j]);
      const T root = std::sqrt(v[j]) + static_cast<T>(eps);
      for (std::size_t i = j * k; i < (j + 1) * k; ++i) {
        m[i] += static_cast<T>(1.0 - betas[0]) * (g[i] - m[i]);
        p[i] -= static_cast<T>(step) * (m[i] / root);
        p[i] *= static_cast<T>(t.post_decay);
      }
    }
  }
};
OPTIM_RULE(AdamWSN, "adamwsn");

// Lv et al. 2023 (arXiv:2306.09782). Arithmetic is f32 whatever the parameters are, as there.
struct LOMO : Rule {
  std::optional<double> clip_grad_norm, clip_grad_value;
  // Set by a caller who has measured the norm in a backward pass of its own: used as it is.
  std::optional<double> clip_coef;
  double clip = 1;
  void Bind(Fields& f) override {
    f("lr", lr)("clip_grad_norm", clip_grad_norm)("clip_grad_value", clip_grad_value);
    f("maximize", maximize);
  }
  void BindState(Fields& f) override { f("clip_coef", clip_coef); }
  void Begin() override {
    if (clip_coef) clip = *clip_coef;
  }
  void Declare(StateList&, const Shape&) const override {}
  bool Clips() const { return !clip_coef && clip_grad_norm && *clip_grad_norm > 0; }
  int phases() const override { return Clips() ? 2 : 1; }
  void Between(int phase, std::span<Rule* const> rules) override {
    if (phase != 0 || !Clips()) return;
    double total = 0;
    for (Rule* rule : rules) total += rule->totals()[0];
    for (Rule* rule : rules) {
      static_cast<LOMO*>(rule)->clip = std::min(*clip_grad_norm / (std::sqrt(total) + 1e-6), 1.0);
    }
  }
  void Step(TensorStep& t) const override {
    if (Clips() && t.phase() == 0) {
      t.out[0] = t.Reduce(NormOfGradient).sum[0];
      return;
    }
    t.f64() ? Run<double>(t) : Run<float>(t);
  }
  float Clipped(float g) const {
    if (clip_grad_value && *clip_grad_value > 0) {
      const auto limit = static_cast<float>(*clip_grad_value);
      g = std::min(limit, std::max(-limit, g));
    }
    return Clips() || clip_coef ? g * static_cast<float>(clip) : g;
  }
  template <class T>
  void Run(TensorStep& t) const {
    const std::span<T> p = t.P<T>(), g = t.G<T>();
    for (std::size_t i = 0; i < p.size(); ++i) {
      const float gi = Clipped(static_cast<float>(g[i]));
      p[i] = static_cast<T>(static_cast<float>(p[i]) - static_cast<float>(lr) * gi);
    }
  }
};
OPTIM_RULE(LOMO, "lomo");

// Lv et al. 2023 (arXiv:2310.10195).
struct AdaLOMO : LOMO {
  double loss_scale = 1024, clip_threshold = 1, decay_rate = -0.8, eps1 = 1e-30, eps2 = 1e-3;
  void Bind(Fields& f) override {
    f("lr", lr)("weight_decay", weight_decay)("loss_scale", loss_scale);
    f("clip_threshold", clip_threshold)("decay_rate", decay_rate);
    f("clip_grad_norm", clip_grad_norm)("clip_grad_value", clip_grad_value)("eps1", eps1);
    f("eps2", eps2);
  }
  void Declare(StateList& s, const Shape& shape) const override {
    if (shape.size() < 2) {
      s.Sized("exp_avg_sq", shape);
    } else {
      s.Sized("exp_avg_sq_row", {shape[0]});
      s.Sized("exp_avg_sq_col", {static_cast<std::int64_t>(Elements(shape)) / shape[0]});
    }
  }
  void Step(TensorStep& t) const override {
    if (Clips() && t.phase() == 0) {
      t.out[0] = t.Reduce(NormOfGradient).sum[0];
      return;
    }
    t.f64() ? RunAda<double>(t) : RunAda<float>(t);
  }
  template <class T>
  void RunAda(TensorStep& t) const {
    const std::span<T> p = t.P<T>(), g = t.G<T>(), u = t.Scratch<T>(0);
    const double weight = std::pow(static_cast<double>(step_count), decay_rate);
    const auto follow = [&](T* state, double value) {
      *state = static_cast<T>(static_cast<double>(*state) +
                              weight * (value - static_cast<double>(*state)));
    };
    double p2 = 0;
    for (std::size_t i = 0; i < p.size(); ++i) {
      g[i] = static_cast<T>(Clipped(static_cast<float>(g[i])));
      u[i] = g[i] * g[i] + static_cast<T>(eps1);
      p2 += static_cast<double>(p[i]) * static_cast<double>(p[i]);
    }
    const auto v = t.State<T>(0);
    if (t.shape().size() < 2) {
      for (std::size_t i = 0; i < u.size(); ++i) {
        follow(&v[i], static_cast<double>(u[i]));
        u[i] = g[i] / std::sqrt(v[i]);
      }
    } else {
      Factor<T>(t, g, u, follow);
    }
    double u2 = 0;
    for (const T x : u) u2 += static_cast<double>(x) * static_cast<double>(x);
    const auto n = static_cast<double>(t.n());
    const double shrink = AtLeastOne(std::sqrt(u2 / n) / clip_threshold);
    const double rate = std::max(std::sqrt(p2 / n), eps2) * lr;
    const double keep = t.decays() ? 1.0 - weight_decay * rate : 1.0;
    for (std::size_t i = 0; i < p.size(); ++i) {
      const float moved =
          static_cast<float>(p[i]) * static_cast<float>(keep) -
          static_cast<float>(u[i]) / static_cast<float>(shrink) * static_cast<float>(rate);
      p[i] = static_cast<T>(moved);
    }
  }
  template <class T, class F>
  void Factor(TensorStep& t, std::span<T> g, std::span<T> u, F follow) const {
    const std::size_t rows = t.rows(), cols = t.cols();
    const auto row = t.State<T>(0), col = t.State<T>(1);
    std::vector<double> across(rows), down(cols);
    for (std::size_t r = 0; r < rows; ++r) {
      for (std::size_t c = 0; c < cols; ++c) {
        const auto v = static_cast<double>(u[r * cols + c]);
        across[r] += v, down[c] += v;
      }
    }
    double mean = 0;
    for (std::size_t r = 0; r < rows; ++r) {
      follow(&row[r], across[r] / static_cast<double>(cols));
      mean += static_cast<double>(row[r]) / static_cast<double>(rows);
    }
    for (std::size_t c = 0; c < cols; ++c) follow(&col[c], down[c] / static_cast<double>(rows));
    std::vector<T> of_col(cols);
    for (std::size_t c = 0; c < cols; ++c) {
      of_col[c] = static_cast<T>(1.0 / std::sqrt(static_cast<double>(col[c])));
    }
    for (std::size_t r = 0; r < rows; ++r) {
      const auto of_row = static_cast<T>(1.0 / std::sqrt(static_cast<double>(row[r]) / mean));
      for (std::size_t c = 0; c < cols; ++c) {
        u[r * cols + c] = of_row * of_col[c] * g[r * cols + c];
      }
    }
  }
};
OPTIM_RULE(AdaLOMO, "adalomo");

// Gong et al. 2025 (arXiv:2502.07752).
struct RACS : Rule {
  double beta = 0.9, alpha = 0.05, gamma = 1.01, eps = 1e-8;
  void Bind(Fields& f) override {
    f("lr", lr)("beta", beta)("alpha", alpha)("gamma", gamma)("weight_decay", weight_decay);
    f("weight_decouple", weight_decouple)("fixed_decay", fixed_decay)("eps", eps);
    f("maximize", maximize);
  }
  void Declare(StateList& s, const Shape& shape) const override {
    const auto n = static_cast<std::int64_t>(Elements(shape));
    const std::int64_t rows = shape.size() < 2 ? n : shape[0];
    s.Sized("s", {rows});
    s.Sized("q", {rows == 0 ? 0 : n / rows});
    s.Scalar("theta", ScalarKind::kTensor0);
  }
  void Step(TensorStep& t) const override {
    Decay(t);
    if (t.GridFits()) {
      t.f64() ? RunGrid<double>(t) : RunGrid<float>(t);
    } else {
      t.f64() ? Run<double>(t) : Run<float>(t);
    }
  }
  // The step's length over alpha, from the norm of the scaled gradient.
  double Limit(TensorStep& t, double norm) const {
    double& theta = t.scalar(0);
    const double scale = t.first() ? 1.0 : gamma / std::max(norm / (theta + eps), gamma);
    theta = norm * scale;
    return scale;
  }
  // state += (1-beta) (sums / n - state); what is divided by: its root.
  template <class T>
  void Follow(std::vector<double>* sums, std::size_t n, std::span<T> state) const {
    const auto w = static_cast<T>(1.0 - beta);
    for (std::size_t i = 0; i < state.size(); ++i) {
      state[i] += w * (static_cast<T>((*sums)[i] / static_cast<double>(n)) - state[i]);
      (*sums)[i] = std::sqrt(static_cast<double>(state[i]) + eps);
    }
  }
  template <class T>
  void RunGrid(TensorStep& t) const {
    Grid<T> grid = t.FirstByRest<T>();
    std::vector<double> across(grid.rows), down(grid.cols);
    grid.across[0] = across.data(), grid.down[0] = down.data();
    t.ReduceGrid(RacsSquares, {}, grid);
    if (t.first()) std::fill(t.State<T>(1).begin(), t.State<T>(1).end(), T{1});
    Follow<T>(&across, grid.cols, t.State<T>(0));
    Follow<T>(&down, grid.rows, t.State<T>(1));
    std::vector<T> of_row, of_col;
    for (const double x : across) of_row.push_back(static_cast<T>(1.0 / x));
    for (const double x : down) of_col.push_back(static_cast<T>(1.0 / x));
    grid.across[0] = grid.down[0] = nullptr;
    grid.row[3] = of_row.data(), grid.col[3] = of_col.data();
    const double norm = std::sqrt(t.ReduceGrid(RacsNorm, {}, grid).sum[0]);
    t.ReduceGrid(RacsUpdate, {lr * alpha * Limit(t, norm)}, grid);
  }
  template <class T>
  void Run(TensorStep& t) const {
    const std::span<T> p = t.P<T>(), g = t.G<T>(), s = t.State<T>(0), q = t.State<T>(1);
    const std::size_t rows = s.size(), cols = q.size();
    t.DecayWhole(p, g);
    if (t.first()) std::fill(q.begin(), q.end(), T{1});
    std::vector<double> across(rows), down(cols);
    for (std::size_t r = 0; r < rows; ++r) {
      for (std::size_t c = 0; c < cols; ++c) {
        const auto g2 = static_cast<double>(g[r * cols + c] * g[r * cols + c]);
        across[r] += g2, down[c] += g2;
      }
    }
    Follow<T>(&across, cols, s);
    Follow<T>(&down, rows, q);
    double norm = 0;
    for (std::size_t r = 0; r < rows; ++r) {
      for (std::size_t c = 0; c < cols; ++c) {
        T& gi = g[r * cols + c];
        gi = static_cast<T>(static_cast<double>(gi) / (across[r] * down[c]));
        norm += static_cast<double>(gi) * static_cast<double>(gi);
      }
    }
    const double scale = Limit(t, std::sqrt(norm));
    for (std::size_t i = 0; i < p.size(); ++i) p[i] -= static_cast<T>(lr * alpha * scale) * g[i];
  }
};
OPTIM_RULE(RACS, "racs");

// Hu et al. 2024 (arXiv:2409.06633): only weights that began small are trained. States are kept for
// all elements, with a mask. With lambda_rank one matrix a step and group, drawn as Python's random
// does, gets the subgradient of its nuclear norm.
struct SaRA : Rule {
  std::vector<double> betas{0.9, 0.999};
  double threshold = 1e-3, lambda_rank = 0, eps = 1e-8;
  std::optional<double> wanted_lr;
  std::int64_t progressive_iter = -1;
  bool ams_bound = false;
  std::uint64_t seed = 0;
  bool seeded = false;
  std::vector<std::size_t> wide;      // This step's matrices that the penalty may fall on.
  std::optional<std::size_t> chosen;  // The one it does.
  SaRA() { weight_decay = 1e-2; }
  void Bind(Fields& f) override {
    f("lr", wanted_lr)("betas", betas)("threshold", threshold);
    f("progressive_iter", progressive_iter)("lambda_rank", lambda_rank);
    f("weight_decay", weight_decay)("ams_bound", ams_bound)("eps", eps)("maximize", maximize);
  }
  Status Check() const override {
    if (lambda_rank > 0 && ProvidedPolar() == nullptr) {
      return Error(Code::kUnsupported, "lambda_rank > 0 needs the library with BLAS");
    }
    return Ok();
  }
  Status Accept(const StepInputs& inputs) override {
    seeded = inputs.has_seed, seed = inputs.seed;
    return Ok();
  }
  void Begin() override { wide.clear(), chosen.reset(); }
  int phases() const override { return lambda_rank > 0 ? 2 : 1; }
  void Visited(const TensorStep& t) override {
    const Shape& s = t.shape();
    if (t.phase() == 0 && lambda_rank > 0 && s.size() == 2 && std::min(s[0], s[1]) > 64) {
      wide.push_back(t.index());
    }
  }
  void Between(int phase, std::span<Rule* const> rules) override {
    if (phase != 0) return;
    PythonChoice choice(seeded ? seed : static_cast<std::uint64_t>(step_count));
    for (Rule* rule : rules) {
      auto& r = *static_cast<SaRA*>(rule);
      if (!r.wide.empty()) r.chosen = r.wide[choice(r.wide.size())];
    }
  }
  double Rate() const { return wanted_lr.value_or(1e-3 * std::exp(-350.0 * threshold)); }
  void Declare(StateList& s, const Shape&) const override {
    s.Like("exp_avg");
    s.Square("exp_avg_sq");
    s.Like("mask");
    s.items.back().exact = true;
    if (ams_bound) s.Square("max_exp_avg_sq");
  }
  void Step(TensorStep& t) const override {
    if (t.phase() + 1 < phases()) return;  // Only gathers.
    if (t.first()) t.Reduce(MaskBelow, {threshold, 1.0});
    if (progressive_iter >= 0 && step_count == progressive_iter + 1) {
      t.Reduce(MaskBelow, {threshold, 0.0});
    }
    if (chosen == t.index()) {
      t.f64() ? Penalised<double>(t) : Penalised<float>(t);
      return;
    }
    const double rate = Rate();
    t.Apply(ams_bound ? MaskedAmsgradUpdate : MaskedAdamUpdate,
            {1.0 - betas[0], betas[1], 1.0 - betas[1], 1.0 / std::sqrt(Debias(betas[1])), eps,
             t.decays() ? 1.0 - rate * weight_decay : 1.0, rate / Debias(betas[0])});
  }
  // The same step on whole arrays, the gradient with the penalty's share.
  template <class T>
  void Penalised(TensorStep& t) const {
    const std::span<T> p = t.P<T>(), g = t.G<T>(), m = t.State<T>(0), v = t.State<T>(1);
    const std::span<T> mask = t.State<T>(2);
    const std::span<T> top = ams_bound ? t.State<T>(3) : v;
    std::size_t trained = 0;
    std::vector<double> matrix(p.size());
    for (std::size_t i = 0; i < p.size(); ++i) {
      if (mask[i] == T{0}) continue;
      matrix[i] = static_cast<double>(p[i]);
      ++trained;
    }
    if (trained > 100) {
      const double sign = maximize ? -lambda_rank : lambda_rank;
      const auto polar = ProvidedPolar()(matrix, t.rows(), t.cols());
      for (std::size_t i = 0; polar.ok() && i < g.size(); ++i)
        g[i] += static_cast<T>(sign * polar.value()[i]);
    }
    const auto w1 = static_cast<T>(1.0 - betas[0]), w2 = static_cast<T>(1.0 - betas[1]);
    const auto root = static_cast<T>(1.0 / std::sqrt(Debias(betas[1])));
    const auto keep = static_cast<T>(t.decays() ? 1.0 - Rate() * weight_decay : 1.0);
    const auto step = static_cast<T>(Rate() / Debias(betas[0]));
    for (std::size_t i = 0; i < p.size(); ++i) {
      if (mask[i] == T{0}) continue;
      m[i] += w1 * (g[i] - m[i]);
      v[i] = static_cast<T>(betas[1]) * v[i] + w2 * g[i] * g[i];
      if (ams_bound) top[i] = std::max(top[i], v[i]);
      p[i] = p[i] * keep - step * m[i] / (std::sqrt(top[i]) * root + static_cast<T>(eps));
    }
  }
};
OPTIM_RULE(SaRA, "sara");

// Ma 2020 (arXiv:2009.13586): quasi-Newton with a diagonal.
struct ApolloDQN : Rule {
  double init_lr = 1e-5, beta = 0.9, eps = 1e-4, start_lr = 1e-2;
  std::optional<double> given_init_lr = 1e-5;
  std::int64_t warmup_steps = 500;
  std::string rebound = "constant", weight_decay_type = "l2";
  ApolloDQN() { lr = 1e-2; }
  void Bind(Fields& f) override {
    f("lr", lr)("init_lr", given_init_lr)("beta", beta)("rebound", rebound, "constant|belief");
    f("weight_decay", weight_decay)("weight_decay_type", weight_decay_type, "l2|decoupled|stable");
    f("warmup_steps", warmup_steps)("eps", eps)("maximize", maximize);
  }
  void Constructed() override {
    start_lr = lr;
    init_lr = given_init_lr.value_or(lr / 1000.0);
  }
  void Declare(StateList& s, const Shape&) const override {
    s.Like("exp_avg_grad");
    s.Like("approx_hessian");
    s.Like("update");
  }
  void Step(TensorStep& t) const override { t.f64() ? Run<double>(t) : Run<float>(t); }
  template <class T>
  void Run(TensorStep& t) const {
    const std::span<T> p = t.P<T>(), g = t.G<T>(), m = t.State<T>(0), b = t.State<T>(1);
    const std::span<T> d = t.State<T>(2);
    const auto k = static_cast<double>(step_count);
    double rate = lr;
    if (step_count < warmup_steps) {
      rate = (start_lr - init_lr) * k / static_cast<double>(warmup_steps) + init_lr;
    }
    const bool belief = rebound == "belief", coupled = weight_decay_type == "l2";
    const double small = belief ? eps : eps / 0.01, alpha = (1.0 - beta) / Debias(beta);
    const double decay_now = t.decays() ? weight_decay : 0.0;
    double largest = 0, fourth = 0;
    for (std::size_t i = 0; i < p.size(); ++i) {
      if (coupled && decay_now > 0) g[i] += static_cast<T>(decay_now) * p[i];
      g[i] -= m[i];  // From here on the difference.
      m[i] += static_cast<T>(alpha) * g[i];
      largest = std::max(largest, static_cast<double>(std::fabs(g[i])));
      const double d2 = static_cast<double>(d[i]) * static_cast<double>(d[i]);
      fourth += d2 * d2;
    }
    const auto root = static_cast<T>(std::sqrt(std::sqrt(fourth)) + small);
    double along = 0, curve = 0;
    for (std::size_t i = 0; i < p.size(); ++i) {
      d[i] /= root;
      along += static_cast<double>(g[i] / root * d[i]);
      curve += static_cast<double>(b[i] * (d[i] * d[i]));
    }
    const auto delta = static_cast<T>(along * -alpha - curve);
    const auto least = static_cast<T>(belief ? largest : 0.01);
    const std::span<T> root2 = t.Scratch<T>(0);
    double mean = 0;
    for (std::size_t i = 0; i < p.size(); ++i) {
      b[i] += d[i] * d[i] * delta;
      root2[i] = std::max(std::fabs(b[i]), least);
      if (belief) root2[i] += static_cast<T>(small / alpha);
      mean += static_cast<double>(root2[i]);
      d[i] = m[i] / root2[i];
    }
    double later = coupled ? 0.0 : decay_now;
    if (weight_decay_type == "stable") later /= mean / static_cast<double>(t.n());
    for (std::size_t i = 0; i < p.size(); ++i) {
      if (later > 0) d[i] += static_cast<T>(later) * p[i];
      p[i] -= static_cast<T>(rate) * d[i];
    }
  }
};
OPTIM_RULE(ApolloDQN, "apollodqn");

}  // namespace malmoi::optim
#endif
