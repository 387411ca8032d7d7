// Rules that normalise by rows or columns: AdaTAM, Nero, TAM. As passes over grids; where a tensor
// is no grid (TensorStep::GridFits), over whole arrays.
#include "optim/lane_pass.h"

namespace malmoi::optim {

// Squares of the first moment, here s1, and of the gradient, by columns.
OPTIM_GRID_KERNEL(AlignmentSquares, kG | kS1, 0) {
  x.Down(0, x.s1 * x.s1);
  x.Down(1, x.g * x.g);
}
// s0 alignment, s1 momentum, s6 and s7 1 / norms of columns. c: 0 1-decay_rate, 1 eps, 2 momentum,
// 3 lr.
OPTIM_GRID_KERNEL(AlignedUpdate, kP | kG | kS0 | kS1 | kS6 | kS7, kP | kS0 | kS1) {
  x.s0 = Lerp(x.s0, (x.s1 * x.s6) * (x.g * x.s7), x.c(0));
  x.s1 = x.s1 * x.c(2) + ((x.Num(1) + x.s0) * x.Num(0.5) + x.c(1)) * x.g;
  x.p = x.p - x.c(3) * x.s1;
}
// The same, and s2 second moment. c: 4 beta2, 5 1-beta2.
OPTIM_GRID_KERNEL(AlignedAdamUpdate, kP | kG | kS0 | kS1 | kS2 | kS6 | kS7, kP | kS0 | kS1 | kS2) {
  x.s0 = Lerp(x.s0, (x.s1 * x.s6) * (x.g * x.s7), x.c(0));
  x.s1 = x.s1 * x.c(2) + ((x.Num(1) + x.s0) * x.Num(0.5) + x.c(1)) * x.g;
  x.s2 = x.s2 * x.c(4) + x.c(5) * x.g * x.g;
  x.p = x.p - x.c(3) * x.s1 / (Sqrt(x.s2) + x.c(1));
}
// c: 0 rate; c(19) of the row: the root of its second moment. Sums of p and of its square.
OPTIM_GRID_KERNEL(NeuronUpdate, kP | kG, kP) {
  const auto u = x.g / x.c(19);
  x.p = Select(Eq(u, u), x.p - x.c(0) * u, x.p);
  x.Sum(0, x.p);
  x.Sum(1, x.p * x.p);
}
// c(18), c(19) of the row: mean and norm.
OPTIM_GRID_KERNEL(NeuronOntoSphere, kP, kP) {
  x.p = (x.p - x.c(18)) / x.c(19);
}

}  // namespace malmoi::optim

#if !defined(MALMOI_OPTIM_LEVEL)
#include "optim/rule.h"

namespace malmoi::optim {

// s += weight (normalised a * normalised g - s), both normalised along the first dimension.
template <class T>
void FollowAlignment(std::size_t rows, std::size_t cols, std::span<const T> a, std::span<const T> g,
                     double weight, std::span<T> s) {
  std::vector<double> aa(cols), gg(cols);
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t c = 0; c < cols; ++c) {
      const std::size_t i = r * cols + c;
      aa[c] += static_cast<double>(a[i]) * static_cast<double>(a[i]);
      gg[c] += static_cast<double>(g[i]) * static_cast<double>(g[i]);
    }
  }
  std::vector<T> of_a(cols), of_g(cols);
  for (std::size_t c = 0; c < cols; ++c) {
    of_a[c] = static_cast<T>(std::max(std::sqrt(aa[c]), 1e-12));
    of_g[c] = static_cast<T>(std::max(std::sqrt(gg[c]), 1e-12));
  }
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t c = 0; c < cols; ++c) {
      const std::size_t i = r * cols + c;
      const T aligned = (a[i] / of_a[c]) * (g[i] / of_g[c]);
      s[i] += static_cast<T>(weight) * (aligned - s[i]);
    }
  }
}

// FollowAlignment and what follows it, in two passes: `update` with 1 / norms of columns.
template <class T>
void StepAligned(TensorStep& t, const Kernel& update, std::initializer_list<double> constants) {
  Grid<T> grid = t.FirstByRest<T>();
  std::vector<double> aa(grid.cols), gg(grid.cols);
  grid.down[0] = aa.data(), grid.down[1] = gg.data();
  t.ReduceGrid(AlignmentSquares, {}, grid);
  std::vector<T> of_a(grid.cols), of_g(grid.cols);
  for (std::size_t c = 0; c < grid.cols; ++c) {
    of_a[c] = static_cast<T>(1.0 / std::max(std::sqrt(aa[c]), 1e-12));
    of_g[c] = static_cast<T>(1.0 / std::max(std::sqrt(gg[c]), 1e-12));
  }
  grid.down[0] = grid.down[1] = nullptr;
  grid.col[2] = of_a.data(), grid.col[3] = of_g.data();
  t.ReduceGrid(update, constants, grid);
}

// Malviya et al. 2024 (arXiv:2412.18790). Coupled decay reaches a gradient that was used already.
struct TAM : Rule {
  double momentum = 0.9, decay_rate = 0.9, eps = 1e-8;
  void Bind(Fields& f) override {
    f("lr", lr)("momentum", momentum)("decay_rate", decay_rate)("weight_decay", weight_decay);
    f("weight_decouple", weight_decouple)("fixed_decay", fixed_decay)("eps", eps);
    f("maximize", maximize);
  }
  void Declare(StateList& s, const Shape&) const override {
    s.Like("s");
    s.Like("momentum_buffer");
  }
  void Step(TensorStep& t) const override {
    if (t.first()) t.CopyRawGradient(1, maximize ? -1.0 : 1.0);
    if (weight_decouple) Decay(t);
    if (t.GridFits()) {
      t.f64() ? RunGrid<double>(t) : RunGrid<float>(t);
    } else {
      t.f64() ? Run<double>(t) : Run<float>(t);
    }
  }
  template <class T>
  void RunGrid(TensorStep& t) const {
    StepAligned<T>(t, AlignedUpdate, {1.0 - decay_rate, eps, momentum, lr});
  }
  template <class T>
  void Run(TensorStep& t) const {
    const std::span<T> p = t.P<T>(), g = t.G<T>(), s = t.State<T>(0), m = t.State<T>(1);
    FollowAlignment<T>(t.rows(), t.cols(), m, g, 1.0 - decay_rate, s);
    for (std::size_t i = 0; i < p.size(); ++i) {
      const T d = ((T{1} + s[i]) / T{2} + static_cast<T>(eps)) * g[i];
      m[i] = m[i] * static_cast<T>(momentum) + d;
      p[i] = p[i] * static_cast<T>(t.decay) - static_cast<T>(lr) * m[i];
    }
  }
};
OPTIM_RULE(TAM, "tam");

struct AdaTAM : Rule {
  std::vector<double> betas{0.9, 0.999};
  double decay_rate = 0.9, eps = 1e-8;
  void Bind(Fields& f) override {
    f("lr", lr)("betas", betas)("decay_rate", decay_rate)("weight_decay", weight_decay);
    f("weight_decouple", weight_decouple)("fixed_decay", fixed_decay)("eps", eps);
    f("maximize", maximize);
  }
  void Declare(StateList& s, const Shape&) const override {
    s.Like("s");
    s.Like("exp_avg");
    s.Square("exp_avg_sq");
  }
  void Step(TensorStep& t) const override {
    Decay(t);
    if (t.GridFits()) {
      t.f64() ? RunGrid<double>(t) : RunGrid<float>(t);
    } else {
      t.f64() ? Run<double>(t) : Run<float>(t);
    }
  }
  template <class T>
  void RunGrid(TensorStep& t) const {
    StepAligned<T>(t, AlignedAdamUpdate,
                   {1.0 - decay_rate, eps, betas[0], lr, betas[1], 1.0 - betas[1]});
  }
  template <class T>
  void Run(TensorStep& t) const {
    const std::span<T> p = t.P<T>(), g = t.G<T>(), s = t.State<T>(0), m = t.State<T>(1);
    const std::span<T> v = t.State<T>(2);
    t.DecayWhole(p, g);
    FollowAlignment<T>(t.rows(), t.cols(), m, g, 1.0 - decay_rate, s);
    for (std::size_t i = 0; i < p.size(); ++i) {
      const T d = ((T{1} + s[i]) / T{2} + static_cast<T>(eps)) * g[i];
      m[i] = m[i] * static_cast<T>(betas[0]) + d;
      v[i] = v[i] * static_cast<T>(betas[1]) + static_cast<T>(1.0 - betas[1]) * g[i] * g[i];
      p[i] -= static_cast<T>(lr) * m[i] / (std::sqrt(v[i]) + static_cast<T>(eps));
    }
  }
};
OPTIM_RULE(AdaTAM, "adatam");

// Liu et al. 2021 (arXiv:2102.07227), written from the paper: gradients are normalised a neuron,
// weights kept on the sphere of zero mean and unit norm.
struct Nero : Rule {
  double beta = 0.999, eps = 1e-8;
  bool constraints = true;
  Nero() { lr = 1e-2; }
  void Bind(Fields& f) override {
    f("lr", lr)("beta", beta)("constraints", constraints)("eps", eps)("maximize", maximize);
  }
  void Declare(StateList& s, const Shape& shape) const override {
    s.Scalar("scale", ScalarKind::kTensor0);
    if (shape.size() < 2) {
      s.Square("exp_avg_sq");
      return;
    }
    Shape neurons(shape.size(), 1);
    neurons[0] = shape[0];
    s.Sized("exp_avg_sq", neurons);
  }
  void Step(TensorStep& t) const override {
    if (!t.first() && t.GridFits()) {
      t.f64() ? RunGrid<double>(t) : RunGrid<float>(t);
    } else {
      t.f64() ? Run<double>(t) : Run<float>(t);
    }
  }
  // In two passes, three with constraints: norms of the gradient, the update, the sphere.
  template <class T>
  void RunGrid(TensorStep& t) const {
    Grid<T> grid = t.FirstByRest<T>();
    std::vector<double> sum(grid.rows), squares(grid.rows);
    grid.across[0] = sum.data();
    t.ReduceGrid(NormOfGradient, {}, grid);
    const std::span<T> v = t.State<T>(0);
    const double correction = Debias(beta);
    std::vector<T> mean(grid.rows), root(grid.rows);
    for (std::size_t r = 0; r < grid.rows; ++r) {
      v[r] = static_cast<T>(static_cast<double>(v[r]) * beta + (1.0 - beta) * sum[r]);
      root[r] = static_cast<T>(std::sqrt(static_cast<double>(v[r]) / correction) + eps);
    }
    grid.row[3] = root.data();
    grid.across[1] = squares.data();
    t.ReduceGrid(NeuronUpdate, {lr * t.scalar(0)}, grid);
    if (!constraints) return;
    const auto cols = static_cast<double>(grid.cols);
    for (std::size_t r = 0; r < grid.rows; ++r) {
      const double middle = sum[r] / cols;
      mean[r] = static_cast<T>(middle);
      root[r] = static_cast<T>(std::sqrt(std::max(squares[r] - sum[r] * middle, 0.0)) + eps);
    }
    grid.row[2] = mean.data();
    grid.across[0] = grid.across[1] = nullptr;
    t.ReduceGrid(NeuronOntoSphere, {}, grid);
  }
  template <class T>
  void Run(TensorStep& t) const {
    const bool matrix = t.shape().size() >= 2;
    const std::size_t rows = matrix ? t.rows() : t.n(), cols = matrix ? t.cols() : 1;
    const std::span<T> p = t.P<T>(), g = t.G<T>(), v = t.State<T>(0);
    if (t.first()) {
      if (constraints && matrix) Constrain<T>(p, rows, cols);
      double scale = 0;
      for (std::size_t r = 0; r < rows; ++r) scale += Norm<T>(p, r, cols);
      scale /= static_cast<double>(rows);
      t.scalar(0) = scale == 0 ? 0.01 : scale;
    }
    const double correction = Debias(beta);
    for (std::size_t r = 0; r < rows; ++r) {
      const double norm = Norm<T>(g, r, cols);
      v[r] = static_cast<T>(static_cast<double>(v[r]) * beta + (1.0 - beta) * norm * norm);
      const double root = std::sqrt(static_cast<double>(v[r]) / correction) + eps;
      for (std::size_t i = r * cols; i < (r + 1) * cols; ++i) {
        const T normed = g[i] / static_cast<T>(root);
        if (normed == normed) p[i] -= static_cast<T>(lr * t.scalar(0)) * normed;
      }
    }
    if (constraints && matrix) Constrain<T>(p, rows, cols);
  }
  template <class T>
  static double Norm(std::span<const T> x, std::size_t r, std::size_t cols) {
    double sum = 0;
    for (std::size_t i = r * cols; i < (r + 1) * cols; ++i) {
      sum += static_cast<double>(x[i]) * static_cast<double>(x[i]);
    }
    return std::sqrt(sum);
  }
  template <class T>
  void Constrain(std::span<T> p, std::size_t rows, std::size_t cols) const {
    for (std::size_t r = 0; r < rows; ++r) {
      double mean = 0;
      for (std::size_t i = r * cols; i < (r + 1) * cols; ++i) mean += static_cast<double>(p[i]);
      mean /= static_cast<double>(cols);
      for (std::size_t i = r * cols; i < (r + 1) * cols; ++i) p[i] -= static_cast<T>(mean);
      const double norm = Norm<T>(p, r, cols) + eps;
      for (std::size_t i = r * cols; i < (r + 1) * cols; ++i) p[i] /= static_cast<T>(norm);
    }
  }
};
OPTIM_RULE(Nero, "nero");

}  // namespace malmoi::optim
#endif
