// Ranger21 (Wright and Demeure 2021, arXiv:2106.13731): AdamW with positive-negative momentum,
// adaptive clipping, centred and normalised gradients, stable decay, norm loss, Lookahead and a
// schedule of its own.
#include "optim/lane_pass.h"

namespace malmoi::optim {

// Of rows.
OPTIM_GRID_KERNEL(RangerNorms, kP | kG, 0) {
  x.Sum(0, x.p * x.p);
  x.Sum(1, x.g * x.g);
  x.Sum(2, x.g);
}
// The conditioned gradient is g c(17) - c(18), factors of its row.
OPTIM_GRID_KERNEL(RangerSquares, kG, 0) {
  const auto g = x.g * x.c(17) - x.c(18);
  x.Sum(0, g * g);
}
// s0 v. c: 0 beta2, 1 1-beta2.
OPTIM_GRID_KERNEL(RangerVariance, kG | kS0, kS0) {
  const auto g = x.g * x.c(17) - x.c(18);
  x.s0 = x.s0 * x.c(0) + x.c(1) * g * g;
  x.Sum(0, x.s0);
}
// s0 m, s1 other m, s2 v, s3 its maximum. c: 0 1-beta1^2, 1 (1+beta0) / norm, 2 beta0 / norm, 3
// scale of the root, 4 eps, 5 beta of softplus or 0, 6 its inverse, 7 step; c(19) of the row: p's
// factor.
OPTIM_GRID_KERNEL(RangerMove, kP | kG | kS0 | kS1 | kS2 | kS3, kP | kS0 | kS3) {
  const auto g = x.g * x.c(17) - x.c(18);
  x.s3 = Max(x.s3, x.s2);
  const auto raw = Sqrt(x.s3) * x.c(3) + x.c(4), soft = raw * x.c(5);
  const auto bent = Select(Gt(soft, x.Num(0)), Softplus(soft) * x.c(6), raw);
  const auto root = Select(Gt(soft, x.Num(20)), raw, bent);
  x.s0 = x.s0 + x.c(0) * (g - x.s0);
  x.p = x.p * x.c(19) - x.c(7) * ((x.s0 * x.c(1) - x.c(2) * x.s1) / root);
}
// s0 p where it was merged last. c: 0 1-alpha.
OPTIM_KERNEL(RangerMerge, kP | kS0, kP | kS0) {
  x.p = x.p + x.c(0) * (x.s0 - x.p);
  x.s0 = x.p;
}

}  // namespace malmoi::optim

#if !defined(MALMOI_OPTIM_LEVEL)
#include "optim/rule.h"

namespace malmoi::optim {

struct Ranger21 : Rule {
  std::int64_t num_iterations = 0;
  double beta0 = 0.9, beta_softplus = 50, warm_down_min_lr = 3e-5, agc_clipping_value = 1e-2;
  double agc_eps = 1e-3, lookahead_blending_alpha = 0.5, norm_loss_factor = 1e-4, eps = 1e-8;
  std::vector<double> betas{0.9, 0.999};
  bool use_softplus = true, disable_lr_scheduler = false, centralize_gradients = true;
  bool normalize_gradients = true, merge = false;
  std::optional<double> num_warm_up_iterations, num_warm_down_iterations;
  std::int64_t lookahead_merge_time = 5, lookahead_step = 0;
  double starting_lr = -1, variance = 1, rate = 0;
  Ranger21() { weight_decay = 1e-4; }
  void Bind(Fields& f) override {
    f("num_iterations", num_iterations)("lr", lr)("beta0", beta0)("betas", betas);
    f("use_softplus", use_softplus)("beta_softplus", beta_softplus);
    f("disable_lr_scheduler", disable_lr_scheduler);
    f("num_warm_up_iterations", num_warm_up_iterations);
    f("num_warm_down_iterations", num_warm_down_iterations);
    f("warm_down_min_lr", warm_down_min_lr)("agc_clipping_value", agc_clipping_value);
    f("agc_eps", agc_eps)("centralize_gradients", centralize_gradients);
    f("normalize_gradients", normalize_gradients)("lookahead_merge_time", lookahead_merge_time);
    f("lookahead_blending_alpha", lookahead_blending_alpha)("weight_decay", weight_decay);
    f("weight_decouple", weight_decouple)("fixed_decay", fixed_decay);
    f("norm_loss_factor", norm_loss_factor)("eps", eps)("maximize", maximize);
  }
  void BindState(Fields& f) override {
    f("lookahead_step", lookahead_step)("starting_lr", starting_lr);
  }
  Status Check() const override {
    if (num_iterations < 1) {
      return Error(Code::kInvalidArgument,
                   "num_iterations = " + std::to_string(num_iterations) + ": expected >= 1");
    }
    return Ok();
  }
  void Constructed() override { starting_lr = lr; }
  void Declare(StateList& s, const Shape&) const override {
    s.Like("grad_ma");
    s.Square("variance_ma");
    s.Point("lookahead_params");
    s.Like("neg_grad_ma");
    s.Square("max_variance_ma");
  }
  int phases() const override { return 2; }
  void Begin() override {
    rate = disable_lr_scheduler ? lr : Scheduled();
    // Lookahead is the optimizer's, not the group's; all groups count alike.
    merge = ++lookahead_step >= lookahead_merge_time;
    if (merge) lookahead_step = 0;
  }
  double Scheduled() const {
    const auto total = static_cast<double>(num_iterations), k = static_cast<double>(step_count);
    double up = std::ceil(2.0 / (1.0 - betas[1]));
    if (up / total > 0.45) up = std::trunc(0.22 * total);
    up = num_warm_up_iterations.value_or(up);
    const double down = num_warm_down_iterations.value_or(total - std::trunc(0.72 * total));
    const double start = total - down;
    const double warm = k > up ? lr : lr * std::min(1.0, k / up);
    if (k < start) return warm;
    const double part = std::min(std::max(k + 1 - start, 1.0) / (down + 1), 1.0);
    return std::max(starting_lr - (starting_lr - warm_down_min_lr) * part, warm_down_min_lr);
  }
  void Step(TensorStep& t) const override {
    // Where the norm's units are rows.
    const bool rows = t.shape().size() != 3 && t.GridFits() && t.cols() >= TensorStep::kGridCols;
    if (rows) {
      t.f64() ? RunGrid<double>(t) : RunGrid<float>(t);
    } else {
      t.f64() ? Run<double>(t) : Run<float>(t);
    }
  }
  // Rows' factors of the conditioned gradient, and the squares of p's rows.
  template <class T>
  struct Rows {
    std::vector<T> scale, shift;
    std::vector<double> p2;
    void Divide(double by) {
      for (T& v : scale) v = static_cast<T>(static_cast<double>(v) / by);
      for (T& v : shift) v = static_cast<T>(static_cast<double>(v) / by);
    }
  };
  // Clipped, centred and normalised, in one or two passes; once more what is conditioned already
  // (`again`) is known without a pass.
  template <class T>
  Rows<T> ConditionRows(TensorStep& t, bool again) const {
    Grid<T> grid = t.FirstByRest<T>();
    std::vector<double> g2(grid.rows), sum(grid.rows);
    Rows<T> rows{std::vector<T>(grid.rows), std::vector<T>(grid.rows),
                 std::vector<double>(grid.rows)};
    grid.across[0] = rows.p2.data(), grid.across[1] = g2.data(), grid.across[2] = sum.data();
    t.ReduceGrid(RangerNorms, {}, grid);
    double all = 0;
    for (std::size_t r = 0; r < grid.rows; ++r) {
      const double limit = std::max(std::sqrt(rows.p2[r]), agc_eps) * agc_clipping_value;
      const double norm = std::max(std::sqrt(g2[r]), 1e-6), scale = norm > limit ? limit / norm : 1;
      rows.scale[r] = static_cast<T>(scale);
      sum[r] *= scale, all += sum[r];
    }
    const auto n = static_cast<double>(t.n());
    const auto centre = [&](std::size_t r) {
      return centralize_gradients ? sum[r] / static_cast<double>(grid.cols) : 0.0;
    };
    if (normalize_gradients && t.n() > 2) {
      for (std::size_t r = 0; r < grid.rows; ++r) {
        rows.shift[r] = static_cast<T>(centralize_gradients ? centre(r) : all / n);
      }
      Grid<T> squares = t.FirstByRest<T>();
      squares.row[1] = rows.scale.data(), squares.row[2] = rows.shift.data();
      const double square = t.ReduceGrid(RangerSquares, {}, squares).sum[0];
      const double deviation = std::sqrt(square / (n - 1)), by = deviation + 1e-8;
      for (std::size_t r = 0; r < grid.rows; ++r) rows.shift[r] = static_cast<T>(centre(r));
      rows.Divide(again ? by * (deviation / by + 1e-8) : by);
    } else {
      for (std::size_t r = 0; r < grid.rows; ++r) rows.shift[r] = static_cast<T>(centre(r));
    }
    return rows;
  }
  template <class T>
  void RunGrid(TensorStep& t) const {
    if (t.phase() == 0 && t.first()) t.CopyP(2);
    const Rows<T> rows = ConditionRows<T>(t, t.phase() != 0);
    Grid<T> grid = t.FirstByRest<T>();
    grid.row[1] = rows.scale.data(), grid.row[2] = rows.shift.data();
    const double c2 = Debias(betas[1]);
    if (t.phase() == 0) {
      t.Slots({1});
      t.out[0] = t.ReduceGrid(RangerVariance, {betas[1], 1.0 - betas[1]}, grid).sum[0] / c2;
      t.out[1] = static_cast<double>(t.n());
      return;
    }
    if (weight_decouple && weight_decay != 0 && t.decays()) {
      t.decay = 1.0 - weight_decay * (fixed_decay ? 1.0 : rate) / variance;
    }
    std::vector<T> factor(grid.rows);
    for (std::size_t r = 0; r < grid.rows; ++r) {
      const double norm = std::sqrt(rows.p2[r]) * std::fabs(t.decay);
      factor[r] = static_cast<T>(1.0 - rate * 2.0 * norm_loss_factor * (1.0 - 1.0 / (norm + eps)));
    }
    grid.row[3] = factor.data();
    const double norm = std::sqrt((1.0 + beta0) * (1.0 + beta0) + beta0 * beta0);
    const double soft = use_softplus ? beta_softplus : 0.0;
    const bool odd = step_count % 2 == 1;
    t.Slots({odd ? 0 : 3, odd ? 3 : 0, 1, 4});
    t.ReduceGrid(
        RangerMove,
        {1.0 - betas[0] * betas[0], (1.0 + beta0) / norm, beta0 / norm, 1.0 / std::sqrt(c2), eps,
         soft, use_softplus ? 1.0 / soft : 0.0, AdamDebias(rate, Debias(betas[0]))},
        grid);
    if (!merge) return;
    t.decay = 1;
    t.Slots({2});
    t.Apply(RangerMerge, {1.0 - lookahead_blending_alpha});
  }
  void Between(int phase, std::span<Rule* const> rules) override {
    if (phase != 0) return;
    double sum = 1, count = 0;
    for (Rule* rule : rules) sum += rule->totals()[0], count += rule->totals()[1];
    for (Rule* rule : rules) {
      static_cast<Ranger21*>(rule)->variance = std::sqrt(sum / std::max(count, 1.0));
    }
  }
  // The norm's unit that an element belongs to: all of a vector; of a matrix or a 3-D tensor the
  // second dimension is summed; of more dimensions all but the first.
  struct Units {
    std::size_t count = 1, outer = 1, middle = 1, inner = 1;
    explicit Units(const Shape& shape) {
      const std::size_t n = Elements(shape);
      if (shape.size() <= 1) {
        middle = n;
      } else if (shape.size() <= 3) {
        outer = static_cast<std::size_t>(shape[0]), middle = static_cast<std::size_t>(shape[1]);
        inner = shape.size() == 3 ? static_cast<std::size_t>(shape[2]) : 1;
      } else {
        outer = static_cast<std::size_t>(shape[0]), middle = n / outer;
      }
      count = outer * inner;
    }
    // f(i, unit) for every element in order.
    template <class F>
    void Each(F f) const {
      std::size_t i = 0;
      for (std::size_t o = 0; o < outer; ++o) {
        for (std::size_t m = 0; m < middle; ++m) {
          for (std::size_t k = 0; k < inner; ++k) f(i++, o * inner + k);
        }
      }
    }
    template <class T>
    std::vector<double> Norms(std::span<const T> x) const {
      std::vector<double> out(count);
      Each([&](std::size_t i, std::size_t u) {
        out[u] += static_cast<double>(x[i]) * static_cast<double>(x[i]);
      });
      for (double& v : out) v = std::sqrt(v);
      return out;
    }
  };
  template <class T>
  void Clip(const Units& units, std::span<const T> p, std::span<T> g) const {
    const auto of_p = units.Norms<T>(p), of_g = units.Norms<T>(g);
    std::vector<T> factor(units.count, T{1});
    for (std::size_t u = 0; u < units.count; ++u) {
      const double limit = std::max(of_p[u], agc_eps) * agc_clipping_value;
      const double norm = std::max(of_g[u], 1e-6);
      if (norm > limit) factor[u] = static_cast<T>(limit / norm);
    }
    units.Each([&](std::size_t i, std::size_t u) { g[i] *= factor[u]; });
  }
  template <class T>
  void Condition(const TensorStep& t, std::span<T> g) const {
    const auto n = static_cast<double>(g.size());
    if (centralize_gradients && t.shape().size() > 1) {
      const std::size_t cols = t.cols();
      for (std::size_t r = 0; r < t.rows(); ++r) {
        double sum = 0;
        for (std::size_t i = r * cols; i < (r + 1) * cols; ++i) sum += static_cast<double>(g[i]);
        const auto mean = static_cast<T>(sum / static_cast<double>(cols));
        for (std::size_t i = r * cols; i < (r + 1) * cols; ++i) g[i] -= mean;
      }
    }
    if (!normalize_gradients || g.size() <= 2) return;
    double mean = 0, square = 0;
    for (const T v : g) mean += static_cast<double>(v) / n;
    for (const T v : g) square += (static_cast<double>(v) - mean) * (static_cast<double>(v) - mean);
    const auto deviation = static_cast<T>(std::sqrt(square / (n - 1)) + 1e-8);
    for (T& v : g) v /= deviation;
  }
  template <class T>
  void Run(TensorStep& t) const {
    const std::span<T> p = t.P<T>(), g = t.G<T>(), v = t.State<T>(1);
    const Units units(t.shape());
    // The reference keeps the conditioned gradient between its two loops; it is the same again here
    // since p has not moved.
    Clip<T>(units, p, g);
    Condition<T>(t, g);
    const double c2 = Debias(betas[1]);
    if (t.phase() == 0) {
      if (t.first()) t.CopyP(2);
      double sum = 0;
      for (std::size_t i = 0; i < g.size(); ++i) {
        v[i] = v[i] * static_cast<T>(betas[1]) + static_cast<T>(1.0 - betas[1]) * g[i] * g[i];
        sum += static_cast<double>(v[i]) / c2;
      }
      t.out[0] = sum, t.out[1] = static_cast<double>(g.size());
      return;
    }
    if (weight_decouple && weight_decay != 0 && t.decays()) {
      const double decay_now = 1.0 - weight_decay * (fixed_decay ? 1.0 : rate) / variance;
      for (T& x : p) x *= static_cast<T>(decay_now);
    }
    const auto norms = units.Norms<T>(p);
    std::vector<T> factor(units.count);
    for (std::size_t u = 0; u < units.count; ++u) {
      const double correction = 2.0 * norm_loss_factor * (1.0 - 1.0 / (norms[u] + eps));
      factor[u] = static_cast<T>(1.0 - rate * correction);
    }
    units.Each([&](std::size_t i, std::size_t u) { p[i] *= factor[u]; });
    Condition<T>(t, g);
    Move<T>(t, p, g, std::sqrt(c2));
  }
  template <class T>
  void Move(TensorStep& t, std::span<T> p, std::span<T> g, double root_c2) const {
    const bool odd = step_count % 2 == 1;
    const std::span<T> m = t.State<T>(odd ? 0 : 3), other = t.State<T>(odd ? 3 : 0);
    const std::span<T> v = t.State<T>(1), slow = t.State<T>(2), top = t.State<T>(4);
    const double norm = std::sqrt((1.0 + beta0) * (1.0 + beta0) + beta0 * beta0);
    const auto step = static_cast<T>(AdamDebias(rate, Debias(betas[0])));
    for (std::size_t i = 0; i < p.size(); ++i) {
      top[i] = std::max(top[i], v[i]);
      T root = std::sqrt(top[i]) / static_cast<T>(root_c2) + static_cast<T>(eps);
      if (use_softplus) {
        const double x = static_cast<double>(root) * beta_softplus;
        if (x <= 20) root = static_cast<T>(std::log1p(std::exp(x)) / beta_softplus);
      }
      m[i] += static_cast<T>(1.0 - betas[0] * betas[0]) * (g[i] - m[i]);
      const T both = (m[i] * static_cast<T>(1.0 + beta0) - static_cast<T>(beta0) * other[i]) *
                     static_cast<T>(1.0 / norm);
      p[i] -= step * (both / root);
      if (merge) {
        p[i] += static_cast<T>(1.0 - lookahead_blending_alpha) * (slow[i] - p[i]);
        slow[i] = p[i];
      }
    }
  }
};
OPTIM_RULE(Ranger21, "ranger21");

}  // namespace malmoi::optim
#endif
