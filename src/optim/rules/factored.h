// Rules with second moments kept by rows and columns: AdaFactor, Adalite, CAME, SM3.
#include "optim/lane_pass.h"

namespace malmoi::optim {

// Over grids: c(16) to c(19) of the row and s4 to s7 of the column.
// Mean squares along both, and the norm of p. c: 0 added to the squares.
OPTIM_GRID_KERNEL(FactorSquares, kP | kG, 0) {
  const auto v = x.g * x.g + x.c(0);
  x.Down(0, v);
  x.Sum(0, v);
  x.Sum(1, x.p * x.p);
}
OPTIM_GRID_KERNEL(FactoredNorm, kG | kS7, 0) {
  const auto u = x.c(19) * x.s7 * x.g;
  x.Sum(0, u * u);
}
// c: 0 clip, 1 rate.
OPTIM_GRID_KERNEL(FactoredUpdate, kP | kG | kS7, kP) {
  x.p = x.p - x.c(19) * x.s7 * x.g / x.c(0) * x.c(1);
}
// The same through a momentum. c: 2 1-beta.
OPTIM_GRID_KERNEL(FactoredMomentumUpdate, kP | kG | kS0 | kS7, kP | kS0) {
  const auto u = x.c(19) * x.s7 * x.g / x.c(0) * x.c(1);
  x.s0 = x.s0 + x.c(2) * (u - x.s0);
  x.p = x.p - x.s0;
}
OPTIM_GRID_KERNEL(FactoredHalfMomentumUpdate, kP | kG | kS0 | kS7, kP | kS0) {
  const auto u = RoundHalf(x.c(19) * x.s7 * x.g / x.c(0) * x.c(1));
  x.s0 = RoundHalf(Fma(x.c(2), u - x.s0, x.s0));  // In f32 whatever the parameters are.
  x.p = x.p - x.s0;
}
// CAME: momentum, and its residual's squares along both. c: 0 clip, 1 1-beta, 2 added.
OPTIM_GRID_KERNEL(ConfidenceSquares, kG | kS0 | kS7, kS0) {
  const auto u = x.c(19) * x.s7 * x.g / x.c(0);
  x.s0 = x.s0 + x.c(1) * (u - x.s0);
  const auto r = (u - x.s0) * (u - x.s0) + x.c(2);
  x.Down(0, r);
  x.Sum(0, r);
}
OPTIM_GRID_KERNEL(ConfidenceUpdate, kP | kS0 | kS7, kP) {
  x.p = x.p - x.c(0) * (x.s0 * (x.c(19) * x.s7));
}

// SM3: the least of the accumulators, c(19) of the row and s7 of the column, and the new maxima of
// both. c: 0 lr, 1 beta or 1, 2 1-beta, 3 eps, 4 1-momentum.
OPTIM_GRID_KERNEL(CoverUpdate, kP | kG | kS7, kP) {
  const auto nu = Min(x.c(19), x.s7) * x.c(1) + x.c(2) * x.g * x.g;
  x.Top(0, nu);
  x.DownTop(nu);
  x.p = x.p - x.c(0) * (x.g / Sqrt(nu + x.c(3)));
}
OPTIM_GRID_KERNEL(CoverMomentumUpdate, kP | kG | kS0 | kS7, kP | kS0) {
  const auto nu = Min(x.c(19), x.s7) * x.c(1) + x.c(2) * x.g * x.g;
  x.Top(0, nu);
  x.DownTop(nu);
  x.s0 = Lerp(x.s0, x.g / Sqrt(nu + x.c(3)), x.c(4));
  x.p = x.p - x.c(0) * x.s0;
}
// Adalite: a place's moments are those of its row, c(18) first and c(19) second, by those of its
// column, s6 and s7. c: 0 1-beta1, 1 1-beta2, 2 1/debias, 3 eps, 4 lr.
OPTIM_GRID_KERNEL(OuterSquares, kG | kS6 | kS7, 0) {
  const auto d = x.g - Lerp(x.c(18) * x.s6, x.g, x.c(0));
  const auto v = Lerp(x.c(19) * x.s7, d * d, x.c(1));
  x.Down(0, v);
  x.Sum(0, v);
}
// The step, and the weighted sums of what the first moment becomes, which is kept. c(16), c(17) of
// the row and s4, s5 of the column: weights of the moment and of its sums.
OPTIM_GRID_KERNEL(OuterUpdate, kP | kG | kS4 | kS5 | kS6 | kS7, kP | kU) {
  const auto m = Lerp(x.c(18) * x.s6, x.g, x.c(0)), d = x.g - m;
  const auto v = Lerp(x.c(19) * x.s7, d * d, x.c(1));
  const auto moved = Lerp(m, x.g, x.Num(1) - x.c(16) * x.s4);
  const auto look = Lerp(moved, x.g, x.c(0));
  x.Sum(0, moved * x.s5);
  x.Down(0, moved * x.c(17));
  x.u = moved;
  x.p = x.p - x.c(4) * (look / Sqrt(Fma(v, x.c(2), x.c(3))));
}
OPTIM_GRID_KERNEL(KeptByColumns, kU | kS7, 0) {
  x.Sum(0, x.u * x.s7);
}

}  // namespace malmoi::optim

#if !defined(MALMOI_OPTIM_LEVEL)
#include "optim/rule.h"

namespace malmoi::optim {

// A tensor as batches of rows x columns over its last two dimensions, and its two means.
struct LastTwo {
  std::size_t batch = 1, rows = 1, cols = 1;
  explicit LastTwo(const Shape& shape) {
    rows = static_cast<std::size_t>(shape[shape.size() - 2]);
    cols = static_cast<std::size_t>(shape[shape.size() - 1]);
    for (std::size_t i = 0; i + 2 < shape.size(); ++i) batch *= static_cast<std::size_t>(shape[i]);
  }
  static Shape RowShape(const Shape& shape) { return Shape(shape.begin(), shape.end() - 1); }
  static Shape ColShape(const Shape& shape) {
    Shape out(shape.begin(), shape.end() - 2);
    out.push_back(shape.back());
    return out;
  }
  // row[b, r] += weight (mean of v over columns - row), and the same for columns.
  template <class T>
  void Average(std::span<const T> v, double weight, std::span<T> row, std::span<T> col) const {
    std::vector<double> down(cols);
    for (std::size_t b = 0; b < batch; ++b) {
      std::fill(down.begin(), down.end(), 0.0);
      for (std::size_t r = 0; r < rows; ++r) {
        const T* at = v.data() + (b * rows + r) * cols;
        double across = 0;
        for (std::size_t c = 0; c < cols; ++c) {
          across += static_cast<double>(at[c]);
          down[c] += static_cast<double>(at[c]);
        }
        Follow(&row[b * rows + r], across / static_cast<double>(cols), weight);
      }
      for (std::size_t c = 0; c < cols; ++c) {
        Follow(&col[b * cols + c], down[c] / static_cast<double>(rows), weight);
      }
    }
  }
  // out = 1 / sqrt(row / mean(row)) * 1 / sqrt(col).
  template <class T>
  void InverseRoot(std::span<const T> row, std::span<const T> col, std::span<T> out) const {
    std::vector<T> of_col(cols);
    for (std::size_t b = 0; b < batch; ++b) {
      double mean = 0;
      for (std::size_t r = 0; r < rows; ++r) mean += static_cast<double>(row[b * rows + r]);
      mean /= static_cast<double>(rows);
      for (std::size_t c = 0; c < cols; ++c) {
        of_col[c] = static_cast<T>(1.0 / std::sqrt(static_cast<double>(col[b * cols + c])));
      }
      for (std::size_t r = 0; r < rows; ++r) {
        const auto of_row =
            static_cast<T>(1.0 / std::sqrt(static_cast<double>(row[b * rows + r]) / mean));
        T* at = out.data() + (b * rows + r) * cols;
        for (std::size_t c = 0; c < cols; ++c) at[c] = of_row * of_col[c];
      }
    }
  }
  template <class T>
  static void Follow(T* state, double value, double weight) {
    *state = static_cast<T>(static_cast<double>(*state) +
                            weight * (value - static_cast<double>(*state)));
  }
};

// The moments of one tensor for passes over its grid: sums along rows and columns go in, factors
// 1 / sqrt(row / mean(row)) and 1 / sqrt(col) come out.
template <class T>
class FactorGrid {
 public:
  explicit FactorGrid(const Shape& shape)
      : as_(shape),
        across_(as_.batch * as_.rows),
        down_(as_.batch * as_.cols),
        row_(across_.size()),
        col_(down_.size()) {
    grid_.batch = as_.batch, grid_.rows = as_.rows, grid_.cols = as_.cols;
  }
  const Grid<T>& ForSums() {
    grid_.row[3] = grid_.col[3] = nullptr;
    grid_.across[0] = across_.data(), grid_.down[0] = down_.data();
    return grid_;
  }
  // After sums: with factors as well, and sums again.
  const Grid<T>& ForBoth() {
    ForFactors();
    grid_.across[0] = across_.data(), grid_.down[0] = down_.data();
    return grid_;
  }
  const Grid<T>& ForFactors() {
    grid_.row[3] = row_.data(), grid_.col[3] = col_.data();
    grid_.across[0] = grid_.down[0] = nullptr;
    return grid_;
  }
  void Average(double weight, std::span<T> row, std::span<T> col) {
    for (std::size_t r = 0; r < row.size(); ++r) {
      LastTwo::Follow(&row[r], across_[r] / static_cast<double>(as_.cols), weight);
    }
    for (std::size_t c = 0; c < col.size(); ++c) {
      LastTwo::Follow(&col[c], down_[c] / static_cast<double>(as_.rows), weight);
    }
    for (std::size_t b = 0; b < as_.batch; ++b) {
      double mean = 0;
      for (std::size_t r = b * as_.rows; r < (b + 1) * as_.rows; ++r) {
        mean += static_cast<double>(row[r]);
      }
      mean /= static_cast<double>(as_.rows);
      for (std::size_t r = b * as_.rows; r < (b + 1) * as_.rows; ++r) {
        row_[r] = static_cast<T>(1.0 / std::sqrt(static_cast<double>(row[r]) / mean));
      }
    }
    for (std::size_t c = 0; c < col.size(); ++c) {
      col_[c] = static_cast<T>(1.0 / std::sqrt(static_cast<double>(col[c])));
    }
  }

 private:
  LastTwo as_;
  std::vector<double> across_, down_;
  std::vector<T> row_, col_;
  Grid<T> grid_;
};

template <class T>
double RootMeanSquare(std::span<const T> x) {
  double sum = 0;
  for (const T v : x) sum += static_cast<double>(v) * static_cast<double>(v);
  return std::sqrt(sum / static_cast<double>(x.size()));
}

// n / (1 + how many agree): what cautious updates are scaled by.
template <class T>
void MaskCautious(std::span<T> u, std::span<const T> g) {
  double agree = 0;
  for (std::size_t i = 0; i < u.size(); ++i) agree += u[i] * g[i] > 0;
  const auto factor = static_cast<T>(static_cast<double>(u.size()) / (agree + 1.0));
  for (std::size_t i = 0; i < u.size(); ++i) u[i] = u[i] * g[i] > 0 ? u[i] * factor : T{0};
}

// Shazeer and Stern 2018 (arXiv:1804.04235).
struct AdaFactor : Rule {
  std::vector<double> betas{0.9, 0.999};
  double decay_rate = -0.8, clip_threshold = 1, eps1 = 1e-30, eps2 = 1e-3;
  bool ams_bound = false, scale_parameter = true, relative_step = true, warmup_init = false;
  std::string momentum_dtype = "torch.bfloat16";
  void Bind(Fields& f) override {
    f("lr", lr)("betas", betas)("decay_rate", decay_rate)("weight_decay", weight_decay);
    f("weight_decouple", weight_decouple)("fixed_decay", fixed_decay);
    f("clip_threshold", clip_threshold)("ams_bound", ams_bound);
    f("scale_parameter", scale_parameter)("relative_step", relative_step);
    f("warmup_init", warmup_init)("eps1", eps1)("eps2", eps2);
    f("momentum_dtype", momentum_dtype, "torch.bfloat16|torch.float32|torch.float64");
    f("maximize", maximize);
  }
  bool NullBeta() const override { return true; }
  bool HasMomentum() const { return !std::isnan(betas[0]); }
  void Declare(StateList& s, const Shape& shape) const override {
    s.Scalar("RMS", ScalarKind::kTensor0);
    if (HasMomentum()) {
      s.Like("exp_avg");
      s.items.back().bf16 = momentum_dtype == "torch.bfloat16";
    }
    if (shape.size() >= 2) {
      s.Sized("exp_avg_sq_row", LastTwo::RowShape(shape));
      s.Sized("exp_avg_sq_col", LastTwo::ColShape(shape));
    } else {
      s.Square("exp_avg_sq");
    }
    if (ams_bound) s.Square("exp_avg_sq_hat");
  }
  void Step(TensorStep& t) const override {
    if (t.GridFits() && weight_decouple && !ams_bound && !cautious && !use_gc) {
      t.f64() ? RunGrid<double>(t) : RunGrid<float>(t);
    } else {
      t.f64() ? Run<double>(t) : Run<float>(t);
    }
  }
  double SquareWeight() const {
    return 1.0 - std::min(betas[1], 1.0 - std::pow(static_cast<double>(step_count), decay_rate));
  }
  double Rate(double rms) const {
    const auto k = static_cast<double>(step_count);
    double rate = lr;
    if (relative_step) rate = std::min(warmup_init ? 1e-6 * k : 0.01, 1.0 / std::sqrt(k));
    return scale_parameter ? rate * std::max(eps2, rms) : rate;
  }
  // In three passes: squares, the norm of the direction, the update.
  template <class T>
  void RunGrid(TensorStep& t) const {
    FactorGrid<T> factors(t.shape());
    const auto n = static_cast<double>(t.n());
    t.scalar(0) = std::sqrt(t.ReduceGrid(FactorSquares, {eps1}, factors.ForSums()).sum[1] / n);
    factors.Average(SquareWeight(), t.State<T>(t.SlotOf("exp_avg_sq_row")),
                    t.State<T>(t.SlotOf("exp_avg_sq_col")));
    const Grid<T>& grid = factors.ForFactors();
    const double rms = std::sqrt(t.ReduceGrid(FactoredNorm, {}, grid).sum[0] / n);
    const double clip = AtLeastOne(rms / clip_threshold), rate = Rate(t.scalar(0));
    DecayAt(t, rate);
    if (!HasMomentum()) {
      t.ReduceGrid(FactoredUpdate, {clip, rate}, grid);
      return;
    }
    const double weight = 1.0 - betas[0];
    if (momentum_dtype == "torch.bfloat16") {
      const auto narrow = static_cast<double>(static_cast<float>(weight));
      t.ReduceGrid(FactoredHalfMomentumUpdate, {clip, rate, narrow}, grid);
    } else {
      t.ReduceGrid(FactoredMomentumUpdate, {clip, rate, weight}, grid);
    }
  }
  template <class T>
  void Run(TensorStep& t) const {
    const double weight = SquareWeight();
    const std::span<T> p = t.P<T>(), g = t.G<T>(), u = t.Scratch<T>(0);
    t.scalar(0) = RootMeanSquare<T>(p);
    const double rate = Rate(t.scalar(0));
    DecayAt(t, rate);
    t.DecayWhole(p, g);
    for (std::size_t i = 0; i < u.size(); ++i) u[i] = g[i] * g[i] + static_cast<T>(eps1);
    if (t.shape().size() >= 2) {
      const LastTwo as(t.shape());
      const auto row = t.State<T>(t.SlotOf("exp_avg_sq_row"));
      const auto col = t.State<T>(t.SlotOf("exp_avg_sq_col"));
      as.Average<T>(u, weight, row, col);
      as.InverseRoot<T>(row, col, u);
    } else {
      const auto v = t.State<T>(t.SlotOf("exp_avg_sq"));
      for (std::size_t i = 0; i < u.size(); ++i) {
        v[i] += static_cast<T>(weight) * (u[i] - v[i]);
        u[i] = T{1} / std::sqrt(v[i]);
      }
    }
    if (ams_bound) {
      const auto top = t.State<T>(t.SlotOf("exp_avg_sq_hat"));
      for (std::size_t i = 0; i < u.size(); ++i) {
        top[i] = std::max(top[i], T{1} / u[i]);
        u[i] = T{1} / std::sqrt(top[i] / static_cast<T>(weight));
      }
    }
    for (std::size_t i = 0; i < u.size(); ++i) u[i] *= g[i];
    const double clip = AtLeastOne(RootMeanSquare<T>(u) / clip_threshold);
    for (T& v : u) v = v / static_cast<T>(clip) * static_cast<T>(rate);
    Follow<T>(t, p, g, u);
  }
  template <class T>
  void Follow(TensorStep& t, std::span<T> p, std::span<T> g, std::span<T> u) const {
    if (HasMomentum()) {
      const auto m = t.State<T>(t.SlotOf("exp_avg"));
      const auto w = static_cast<T>(1.0 - betas[0]);
      const auto w32 = static_cast<float>(1.0 - betas[0]);
      const bool bf16 = momentum_dtype == "torch.bfloat16";
      for (std::size_t i = 0; i < u.size(); ++i) {
        if (bf16) {
          // Both sides are rounded, and averaged in f32 by a fused multiply-add whatever T is:
          // where they cancel, the sign of what is left decides a cautious mask.
          const auto old = static_cast<float>(m[i]);
          const float apart = static_cast<float>(RoundBf16(u[i])) - old;
          m[i] = static_cast<T>(RoundBf16(static_cast<float>(
              static_cast<double>(w32) * static_cast<double>(apart) + static_cast<double>(old))));
        } else {
          m[i] += w * (u[i] - m[i]);
        }
        u[i] = m[i];
      }
      if (cautious) MaskCautious<T>(u, g);
    }
    for (std::size_t i = 0; i < u.size(); ++i) p[i] -= u[i];
  }
};
OPTIM_RULE(AdaFactor, "adafactor");

// Luo et al. 2023 (arXiv:2307.02047).
struct CAME : Rule {
  std::vector<double> betas{0.9, 0.999, 0.9999};
  double clip_threshold = 1, eps1 = 1e-30, eps2 = 1e-16;
  bool ams_bound = false;
  CAME() { lr = 2e-4; }
  void Bind(Fields& f) override {
    f("lr", lr)("betas", betas)("weight_decay", weight_decay)("weight_decouple", weight_decouple);
    f("fixed_decay", fixed_decay)("clip_threshold", clip_threshold)("ams_bound", ams_bound);
    f("eps1", eps1)("eps2", eps2)("maximize", maximize);
  }
  void Declare(StateList& s, const Shape& shape) const override {
    s.Scalar("RMS", ScalarKind::kTensor0);
    s.Like("exp_avg");
    if (shape.size() >= 2) {
      for (const char* name : {"exp_avg_sq", "exp_avg_res"}) {
        s.Sized(std::string(name) + "_row", LastTwo::RowShape(shape));
        s.Sized(std::string(name) + "_col", LastTwo::ColShape(shape));
      }
    } else {
      s.Square("exp_avg_sq");
    }
    if (ams_bound) s.Square("exp_avg_sq_hat");
  }
  void Step(TensorStep& t) const override {
    if (t.GridFits() && (weight_decouple || weight_decay == 0) && !ams_bound && !cautious &&
        !use_gc) {
      t.f64() ? RunGrid<double>(t) : RunGrid<float>(t);
      return;
    }
    Decay(t);
    t.f64() ? Run<double>(t) : Run<float>(t);
  }
  // In four passes: squares, the norm of the direction, the momentum's residual, the update.
  template <class T>
  void RunGrid(TensorStep& t) const {
    FactorGrid<T> factors(t.shape());
    const auto n = static_cast<double>(t.n());
    t.scalar(0) = std::sqrt(t.ReduceGrid(FactorSquares, {eps1}, factors.ForSums()).sum[1] / n);
    factors.Average(1.0 - betas[1], t.State<T>(1), t.State<T>(2));
    const double rms = std::sqrt(t.ReduceGrid(FactoredNorm, {}, factors.ForFactors()).sum[0] / n);
    t.ReduceGrid(ConfidenceSquares, {AtLeastOne(rms / clip_threshold), 1.0 - betas[0], eps2},
                 factors.ForBoth());
    factors.Average(1.0 - betas[2], t.State<T>(3), t.State<T>(4));
    Decay(t);
    t.ReduceGrid(ConfidenceUpdate, {lr}, factors.ForFactors());
  }
  template <class T>
  void Run(TensorStep& t) const {
    const std::span<T> p = t.P<T>(), g = t.G<T>(), u = t.Scratch<T>(0), res = t.Scratch<T>(1);
    t.scalar(0) = RootMeanSquare<T>(p);
    t.DecayWhole(p, g);
    const bool factored = t.shape().size() >= 2;
    for (std::size_t i = 0; i < u.size(); ++i) u[i] = g[i] * g[i] + static_cast<T>(eps1);
    if (factored) {
      const LastTwo as(t.shape());
      const auto row = t.State<T>(1), col = t.State<T>(2);
      as.Average<T>(u, 1.0 - betas[1], row, col);
      as.InverseRoot<T>(row, col, u);
    } else {
      const auto v = t.State<T>(1);
      for (std::size_t i = 0; i < u.size(); ++i) {
        v[i] = v[i] * static_cast<T>(betas[1]) + static_cast<T>(1.0 - betas[1]) * u[i];
        u[i] = T{1} / std::sqrt(v[i]);
      }
    }
    if (ams_bound) {
      const auto top = t.State<T>(t.SlotOf("exp_avg_sq_hat"));
      for (std::size_t i = 0; i < u.size(); ++i) {
        top[i] = std::max(top[i], T{1} / u[i]);
        u[i] = T{1} / std::sqrt(top[i] / static_cast<T>(betas[1]));
      }
    }
    for (std::size_t i = 0; i < u.size(); ++i) u[i] *= g[i];
    const auto clip = static_cast<T>(AtLeastOne(RootMeanSquare<T>(u) / clip_threshold));
    const auto m = t.State<T>(0);
    for (std::size_t i = 0; i < u.size(); ++i) {
      u[i] /= clip;
      m[i] += static_cast<T>(1.0 - betas[0]) * (u[i] - m[i]);
      res[i] = (u[i] - m[i]) * (u[i] - m[i]) + static_cast<T>(eps2);
      u[i] = m[i];
    }
    if (factored) {
      const LastTwo as(t.shape());
      const auto row = t.State<T>(3), col = t.State<T>(4);
      as.Average<T>(res, 1.0 - betas[2], row, col);
      as.InverseRoot<T>(row, col, res);
      for (std::size_t i = 0; i < u.size(); ++i) u[i] *= res[i];
    }
    if (cautious) MaskCautious<T>(u, g);
    for (std::size_t i = 0; i < u.size(); ++i) p[i] -= static_cast<T>(lr) * u[i];
  }
};
OPTIM_RULE(CAME, "came");

// Anil et al. 2019 (arXiv:1901.11150). One accumulator a dimension.
struct SM3 : Rule {
  double momentum = 0, beta = 0, eps = 1e-30;
  SM3() { lr = 1e-1; }
  void Bind(Fields& f) override {
    f("lr", lr)("momentum", momentum)("beta", beta)("eps", eps)("maximize", maximize);
  }
  void Declare(StateList& s, const Shape& shape) const override {
    s.Like("momentum_buffer");
    if (shape.empty()) s.Sized("accumulator_0", {});
    for (std::size_t i = 0; i < shape.size(); ++i) {
      Shape one(shape.size(), 1);
      one[i] = shape[i];
      s.Sized("accumulator_" + std::to_string(i), one);
    }
  }
  void Step(TensorStep& t) const override {
    if (t.GridFits()) {
      t.f64() ? RunGrid<double>(t) : RunGrid<float>(t);
    } else {
      t.f64() ? Run<double>(t) : Run<float>(t);
    }
  }
  template <class T>
  void Keep(T* kept, double top) const {
    *kept = beta > 0 ? std::max(*kept, static_cast<T>(top)) : static_cast<T>(top);
  }
  // In one pass over all rows of the last dimension.
  template <class T>
  void RunGrid(TensorStep& t) const {
    const std::size_t rank = t.shape().size();
    Grid<T> grid;
    grid.cols = static_cast<std::size_t>(t.shape().back());
    grid.rows = t.n() / grid.cols;
    std::vector<std::span<T>> kept;
    for (std::size_t d = 0; d < rank; ++d) kept.push_back(t.State<T>(static_cast<int>(d) + 1));
    // f(place in dimension d) of a row's dimensions but the last.
    const auto places = [&](std::size_t row, const auto& f) {
      for (std::size_t d = rank - 1; d-- > 0;) {
        f(d, row % kept[d].size());
        row /= kept[d].size();
      }
    };
    std::vector<T> least(grid.rows, std::numeric_limits<T>::infinity());
    for (std::size_t r = 0; r < grid.rows; ++r) {
      places(r, [&](std::size_t d, std::size_t i) { least[r] = std::min(least[r], kept[d][i]); });
    }
    std::vector<double> across(grid.rows), down(grid.cols);
    const std::vector<T> col(kept.back().begin(), kept.back().end());
    grid.row[3] = least.data(), grid.col[3] = col.data();
    grid.across_top = across.data(), grid.down[0] = down.data(), grid.down_tops = true;
    t.ReduceGrid(momentum > 0 ? CoverMomentumUpdate : CoverUpdate,
                 {lr, beta > 0 ? beta : 1.0, 1.0 - beta, eps, 1.0 - momentum}, grid);
    for (std::size_t c = 0; c < grid.cols; ++c) Keep(&kept.back()[c], down[c]);
    std::vector<std::vector<double>> top(rank - 1);
    for (std::size_t d = 0; d + 1 < rank; ++d) top[d].resize(kept[d].size());
    for (std::size_t r = 0; r < grid.rows; ++r) {
      places(r, [&](std::size_t d, std::size_t i) { top[d][i] = std::max(top[d][i], across[r]); });
    }
    for (std::size_t d = 0; d + 1 < rank; ++d) {
      for (std::size_t i = 0; i < top[d].size(); ++i) Keep(&kept[d][i], top[d][i]);
    }
  }
  template <class T>
  void Run(TensorStep& t) const {
    const std::span<T> p = t.P<T>(), g = t.G<T>(), m = t.State<T>(0);
    const std::size_t rank = std::max<std::size_t>(t.shape().size(), 1);
    std::vector<std::size_t> stride(rank, 1), size(rank, 1);
    for (std::size_t d = rank; d-- > 0;) {
      if (!t.shape().empty()) size[d] = static_cast<std::size_t>(t.shape()[d]);
      if (d + 1 < rank) stride[d] = stride[d + 1] * size[d + 1];
    }
    std::vector<std::span<T>> kept;
    std::vector<std::vector<T>> top(rank);
    for (std::size_t d = 0; d < rank; ++d) {
      kept.push_back(t.State<T>(static_cast<int>(d) + 1));
      top[d].assign(size[d], -std::numeric_limits<T>::infinity());
    }
    const std::size_t cols = size[rank - 1];
    std::vector<std::size_t> at(rank);
    for (std::size_t row = 0; cols > 0 && row < p.size(); row += cols) {
      T least = std::numeric_limits<T>::infinity(), most = -least;
      for (std::size_t d = 0; d + 1 < rank; ++d) {
        at[d] = row / stride[d] % size[d];
        least = std::min(least, kept[d][at[d]]);
      }
      for (std::size_t c = 0; c < cols; ++c) {
        const std::size_t i = row + c;
        T nu = std::min(least, kept[rank - 1][c]);
        if (beta > 0) nu *= static_cast<T>(beta);
        nu += static_cast<T>(1.0 - beta) * g[i] * g[i];
        top[rank - 1][c] = std::max(top[rank - 1][c], nu);
        most = std::max(most, nu);
        T u = g[i] / std::sqrt(nu + static_cast<T>(eps));
        if (momentum > 0) u = m[i] += static_cast<T>(1.0 - momentum) * (u - m[i]);
        p[i] -= static_cast<T>(lr) * u;
      }
      for (std::size_t d = 0; d + 1 < rank; ++d) top[d][at[d]] = std::max(top[d][at[d]], most);
    }
    for (std::size_t d = 0; d < rank; ++d) {
      for (std::size_t j = 0; j < size[d]; ++j) {
        kept[d][j] = beta > 0 ? std::max(kept[d][j], top[d][j]) : top[d][j];
      }
    }
  }
};
OPTIM_RULE(SM3, "sm3");

// pytorch-optimizer's Adalite: moments of matrices as outer products, weighted by softmax.
struct Adalite : Rule {
  std::vector<double> betas{0.9, 0.999};
  double g_norm_min = 1e-10, ratio_min = 1e-4, tau = 1, eps1 = 1e-6, eps2 = 1e-10;
  Adalite() { weight_decay = 1e-2; }
  void Bind(Fields& f) override {
    f("lr", lr)("betas", betas)("weight_decay", weight_decay)("weight_decouple", weight_decouple);
    f("fixed_decay", fixed_decay)("g_norm_min", g_norm_min)("ratio_min", ratio_min)("tau", tau);
    f("eps1", eps1)("eps2", eps2)("maximize", maximize);
  }
  void Declare(StateList& s, const Shape& shape) const override {
    if (shape.size() < 2) {
      s.Like("m_avg");
      s.Square("v_avg");
      return;
    }
    const std::int64_t rows = shape[0], cols = static_cast<std::int64_t>(Elements(shape)) / rows;
    s.Sized("v_avg_0", {rows});
    s.Sized("v_avg_1", {cols});
    s.Sized("m_avg_c", {rows, 1});
    s.Sized("m_avg_r", {1, cols});
    s.Sized("m_avg_u", {1, 1});
  }
  void Step(TensorStep& t) const override {
    Decay(t);
    if (t.GridFits()) {
      t.f64() ? RunGrid<double>(t) : RunGrid<float>(t);
    } else {
      t.f64() ? Run<double>(t) : Run<float>(t);
    }
  }
  // The gradient's scale: what brings its norm to p's.
  double Ratio(double p2, double g2) const {
    return std::max(std::sqrt(p2) / std::max(std::sqrt(g2), g_norm_min), ratio_min);
  }
  // In four passes: norms, squares, the step, the momentum's one scale.
  template <class T>
  void RunGrid(TensorStep& t) const {
    if (t.l2 != 0) t.CoupleNow();
    const double decay_now = t.decay;
    t.decay = 1;
    const PassSums norms = t.Reduce(NormsOfPAndG);
    t.grad_scale *= Ratio(norms.sum[0], norms.sum[1]);
    Grid<T> grid = t.FirstByRest<T>();
    const auto v0 = t.State<T>(0), v1 = t.State<T>(1), mc = t.State<T>(2), mr = t.State<T>(3);
    const auto mu = t.State<T>(4);
    double total = 0;
    for (const T x : v0) total += static_cast<double>(x);
    std::vector<T> m_row(grid.rows), v_row(grid.rows);
    for (std::size_t r = 0; r < grid.rows; ++r) {
      m_row[r] = mc[r] * mu[0];
      v_row[r] = static_cast<T>(static_cast<double>(v0[r]) / std::max(total, eps2));
    }
    const std::vector<T> m_col(mr.begin(), mr.end()), v_col(v1.begin(), v1.end());
    std::vector<double> row(grid.rows), col(grid.cols);
    grid.row[2] = m_row.data(), grid.row[3] = v_row.data();
    grid.col[2] = m_col.data(), grid.col[3] = v_col.data();
    grid.across[0] = row.data(), grid.down[0] = col.data();
    t.ReduceGrid(OuterSquares, {1.0 - betas[0], 1.0 - betas[1]}, grid);
    FollowSquares<T>(&row, &col, v0, v1);
    const std::vector<T> w_row = Narrow<T>(Softmax(row, 1)), w_col = Narrow<T>(Softmax(col, 1));
    const std::vector<T> c_row = Narrow<T>(Softmax(row, tau)), c_col = Narrow<T>(Softmax(col, tau));
    grid.row[0] = w_row.data(), grid.row[1] = c_row.data();
    grid.col[0] = w_col.data(), grid.col[1] = c_col.data();
    t.decay = decay_now;
    t.ReduceGrid(OuterUpdate, {1.0 - betas[0], 1.0 - betas[1], 1.0 / Debias(betas[1]), eps1, lr},
                 grid);
    KeepOuter<T>(t, row, col, mc, mr, mu);
  }
  template <class T>
  static std::vector<T> Narrow(const std::vector<double>& x) {
    std::vector<T> out;
    for (const double v : x) out.push_back(static_cast<T>(v));
    return out;
  }
  // Sums of the second moment become its states, then means.
  template <class T>
  void FollowSquares(std::vector<double>* row, std::vector<double>* col, std::span<T> v0,
                     std::span<T> v1) const {
    const std::size_t rows = row->size(), cols = col->size();
    double all = 0;
    for (std::size_t r = 0; r < rows; ++r) {
      all += (*row)[r];
      v0[r] = static_cast<T>((*row)[r]);
      (*row)[r] /= static_cast<double>(cols);
    }
    for (std::size_t c = 0; c < cols; ++c) {
      v1[c] = static_cast<T>((*col)[c] / std::max(all, eps2));
      (*col)[c] /= static_cast<double>(rows);
    }
  }
  // The kept momentum as an outer product of its weighted sums and one scale.
  template <class T>
  void KeepOuter(TensorStep& t, const std::vector<double>& c, const std::vector<double>& r,
                 std::span<T> mc, std::span<T> mr, std::span<T> mu) const {
    std::vector<double> across(c.size());
    const std::vector<T> by_col = Narrow<T>(r);
    Grid<T> grid;
    grid.rows = c.size(), grid.cols = r.size();
    grid.across[0] = across.data(), grid.col[3] = by_col.data();
    t.ReduceGrid(KeptByColumns, {}, grid);
    double cc = 0, rr = 0, cmr = 0;
    for (std::size_t i = 0; i < c.size(); ++i) cc += c[i] * c[i], cmr += c[i] * across[i];
    for (const double x : r) rr += x * x;
    mu[0] = static_cast<T>(cmr / std::max(cc * rr, eps2));
    std::copy(by_col.begin(), by_col.end(), mr.begin());
    for (std::size_t i = 0; i < c.size(); ++i) mc[i] = static_cast<T>(c[i]);
  }
  template <class T>
  void Run(TensorStep& t) const {
    const std::span<T> p = t.P<T>(), g = t.G<T>();
    const bool matrix = t.shape().size() >= 2;
    if (!weight_decouple) t.DecayWhole(p, g);
    const auto n = static_cast<double>(t.n());
    const std::size_t extent = matrix ? t.rows() + t.cols() : t.shape().empty() ? 0 : t.n();
    if (extent > 1) {
      const double p_rms = RootMeanSquare<T>(p), g_rms = RootMeanSquare<T>(g);
      const double ratio = Ratio(p_rms * p_rms * n, g_rms * g_rms * n);
      for (T& v : g) v *= static_cast<T>(ratio);
    }
    const std::span<T> u = t.Scratch<T>(0);
    matrix ? Matrix<T>(t, g, u) : Vector<T>(t, g, u);
    for (std::size_t i = 0; i < p.size(); ++i) {
      if (weight_decouple) p[i] *= static_cast<T>(t.decay);
      p[i] -= static_cast<T>(lr) * u[i];
    }
  }
  template <class T>
  void Vector(TensorStep& t, std::span<T> g, std::span<T> u) const {
    const auto m = t.State<T>(0), v = t.State<T>(1);
    const auto w1 = static_cast<T>(1.0 - betas[0]), w2 = static_cast<T>(1.0 - betas[1]);
    const auto debias = static_cast<T>(Debias(betas[1]));
    for (std::size_t i = 0; i < u.size(); ++i) {
      m[i] += w1 * (g[i] - m[i]);
      const T d = g[i] - m[i];
      v[i] += w2 * (d * d - v[i]);
      u[i] = (m[i] + w1 * (g[i] - m[i])) / std::sqrt(v[i] / debias + static_cast<T>(eps1));
    }
  }
  static std::vector<double> Softmax(const std::vector<double>& x, double scale) {
    const double top = *std::max_element(x.begin(), x.end()) / scale;
    std::vector<double> out;
    double sum = 0;
    for (const double v : x) sum += out.emplace_back(std::exp(v / scale - top));
    for (double& v : out) v /= sum;
    return out;
  }
  template <class T>
  void Matrix(TensorStep& t, std::span<T> g, std::span<T> u) const {
    const std::size_t rows = t.rows(), cols = t.cols();
    const auto v0 = t.State<T>(0), v1 = t.State<T>(1), mc = t.State<T>(2), mr = t.State<T>(3);
    const auto mu = t.State<T>(4);
    const std::span<T> m = t.Scratch<T>(1), v = t.Scratch<T>(2);
    double total = 0;
    for (const T x : v0) total += static_cast<double>(x);
    const double divisor = std::max(total, eps2);
    std::vector<double> row(rows), col(cols);
    for (std::size_t r = 0; r < rows; ++r) {
      for (std::size_t c = 0; c < cols; ++c) {
        const std::size_t i = r * cols + c;
        m[i] = mc[r] * mu[0] * mr[c];
        m[i] += static_cast<T>(1.0 - betas[0]) * (g[i] - m[i]);
        v[i] = static_cast<T>(static_cast<double>(v0[r] * v1[c]) / divisor);
        const T d = g[i] - m[i];
        v[i] += static_cast<T>(1.0 - betas[1]) * (d * d - v[i]);
        row[r] += static_cast<double>(v[i]), col[c] += static_cast<double>(v[i]);
      }
    }
    FollowSquares<T>(&row, &col, v0, v1);
    const auto of_row = Softmax(row, 1), of_col = Softmax(col, 1);
    const auto debias = static_cast<T>(Debias(betas[1]));
    for (std::size_t r = 0; r < rows; ++r) {
      for (std::size_t c = 0; c < cols; ++c) {
        const std::size_t i = r * cols + c;
        const double weight = 1.0 - of_row[r] * of_col[c];
        m[i] += static_cast<T>(weight) * (g[i] - m[i]);
        const T look = m[i] + static_cast<T>(1.0 - betas[0]) * (g[i] - m[i]);
        u[i] = look / std::sqrt(v[i] / debias + static_cast<T>(eps1));
      }
    }
    Compress<T>(m, Softmax(row, tau), Softmax(col, tau), mc, mr, mu);
  }
  // The momentum as an outer product: its weighted row and column sums and one scale.
  template <class T>
  void Compress(std::span<T> m, const std::vector<double>& of_row,
                const std::vector<double>& of_col, std::span<T> mc, std::span<T> mr,
                std::span<T> mu) const {
    const std::size_t rows = of_row.size(), cols = of_col.size();
    std::vector<double> c(rows), r(cols);
    for (std::size_t j = 0; j < rows; ++j) {
      for (std::size_t k = 0; k < cols; ++k) {
        const auto mjk = static_cast<double>(m[j * cols + k]);
        c[j] += mjk * of_col[k];
        r[k] += mjk * of_row[j];
      }
    }
    double cc = 0, rr = 0, cmr = 0;
    for (const double x : c) cc += x * x;
    for (const double x : r) rr += x * x;
    for (std::size_t j = 0; j < rows; ++j) {
      for (std::size_t k = 0; k < cols; ++k) {
        cmr += c[j] * static_cast<double>(m[j * cols + k]) * r[k];
      }
    }
    mu[0] = static_cast<T>(cmr / std::max(cc * rr, eps2));
    for (std::size_t i = 0; i < rows; ++i) mc[i] = static_cast<T>(c[i]);
    for (std::size_t i = 0; i < cols; ++i) mr[i] = static_cast<T>(r[i]);
  }
};
OPTIM_RULE(Adalite, "adalite");

}  // namespace malmoi::optim
#endif
