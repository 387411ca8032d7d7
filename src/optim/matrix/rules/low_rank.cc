// Low-rank projection of the gradient: GaLore, Fira, APOLLO, and Conda, which projects fully.
#include "optim/matrix/rules/noise.h"
#include "optim/matrix/rules/projector.h"

namespace malmoi::optim::matrix {

// What the four share: Adam on a projected gradient for the matrices of groups with a rank, plain
// Adam for the rest. States: exp_avg, exp_avg_sq, then the projector's.
template <class Derived>
struct LowRankRule : DenseRule<Derived> {
  std::vector<double> betas{0.9, 0.999};
  double eps = 1e-6;
  std::optional<double> rank;
  std::int64_t update_proj_gap = 50;
  double scale = 1.0;
  std::string projection_type = "std";

  void BindShared(Fields& f) {
    f("lr", this->lr)("betas", betas)("weight_decay", this->weight_decay)("eps", eps);
    f("rank", rank)("update_proj_gap", update_proj_gap)("scale", scale);
    f("projection_type", projection_type, "std|reverse_std|right|left|full|random");
    f("maximize", this->maximize);
  }
  Status Check() const override {
    if (update_proj_gap <= 0)
      return Error(Code::kInvalidArgument, "update_proj_gap must be positive");
    if (rank && !(*rank >= 1)) return Error(Code::kInvalidArgument, "rank must be at least 1");
    return Ok();
  }
  bool Projects(const Shape& shape) const { return rank.has_value() && shape.size() == 2; }
  Projection ProjectionOf(const Shape& shape) const {
    return Projection::Of(shape, projection_type, rank);
  }
  void Declare(StateList& s, const Shape& shape) const override {
    if (!Projects(shape)) {
      s.Like("exp_avg");
      s.Square("exp_avg_sq");
      return;
    }
    const Projection o = ProjectionOf(shape);
    s.Sized("exp_avg", o.low);
    s.Sized("exp_avg_sq", o.low);
    o.Declare(s);
    s.Scalar("projector.last_svd_step", ScalarKind::kInt, -1);
  }
  double BiasStep() const {
    return this->lr * std::sqrt(this->Debias(betas[1])) / this->Debias(betas[0]);
  }
  bool Refreshes(const TensorStep& t) const {
    return t.first() || this->step_count % update_proj_gap == 0;
  }
  // The projected gradient, after refreshing the basis from `basis_of` where it is time.
  template <class T>
  Matrix<T> Project(TensorStep& t, const Projection& o, const Matrix<T>& g,
                    const Matrix<T>& basis_of, const Noise* random = nullptr) const {
    double& last = t.scalar(0);
    const auto now = static_cast<double>(this->step_count);
    if (Refreshes(t) && last != now) {
      if (random != nullptr)
        o.Randomise<T>(t, 2, random->Of(t.index()));
      else
        o.Refresh(t, 2, basis_of);
      last = now;
    }
    return o.Forward(t, 2, g);
  }
  // m / (sqrt(v) + eps) after moving both averages.
  template <class T>
  Numbers<T> AdamDirection(TensorStep& t, std::span<const T> g) const {
    const std::span<T> m = t.State<T>(0);
    const std::span<T> v = t.State<T>(1);
    LerpInto(m, g, 1.0 - betas[0]);
    SquareInto(v, g, betas[1]);
    Numbers<T> u(m.size());
    for (std::size_t i = 0; i < u.size(); ++i)
      u[i] = m[i] / (std::sqrt(v[i]) + static_cast<T>(eps));
    return u;
  }
  template <class T>
  void Plain(TensorStep& t) const {
    const std::span<T> p = t.P<T>();
    AddScaled(p, AdamDirection<T>(t, t.G<T>()), -BiasStep());
    ApplyDecay(t, p, {}, this->lr, this->weight_decay, true, false);
  }
};

// Zhao et al. 2024 (arXiv:2403.03507).
struct GaLore : LowRankRule<GaLore> {
  void Bind(Fields& f) override { BindShared(f); }
  template <class T>
  void Run(TensorStep& t) const {
    if (!Projects(t.shape())) return Plain<T>(t);
    const Projection o = ProjectionOf(t.shape());
    const Matrix<T> g = AsMatrix(Const(t.G<T>()), t.rows());
    const Matrix<T> low = Project(t, o, g, g);
    Matrix<T> u(low.rows, low.cols);
    u.data = AdamDirection<T>(t, low.data);
    const std::span<T> p = t.P<T>();
    AddScaled(p, o.Back(t, 2, u, scale).data, -BiasStep());
    ApplyDecay(t, p, {}, lr, weight_decay, true, false);
  }
};
OPTIM_RULE(GaLore, "galore");

// Norms of the lines of a matrix along one axis, or of all of it (axis -1).
template <class T>
std::vector<T> LineNorms(const Matrix<T>& a, int axis) {
  if (axis < 0) return {Norm<T>(a.data)};
  std::vector<double> sums(axis == 0 ? a.cols : a.rows);
  for (std::size_t i = 0; i < a.rows; ++i)
    for (std::size_t j = 0; j < a.cols; ++j) {
      const auto x = static_cast<double>(a(i, j));
      sums[axis == 0 ? j : i] += x * x;
    }
  std::vector<T> out(sums.size());
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<T>(std::sqrt(sums[i]));
  return out;
}

// Multiplies the lines of `a` by |u| / (|g| + 1e-8) along the axis.
template <class T>
void ScaleLines(Matrix<T>* a, const Matrix<T>& u, const Matrix<T>& g, int axis) {
  const std::vector<T> top = LineNorms(u, axis);
  const std::vector<T> bottom = LineNorms(g, axis);
  for (std::size_t i = 0; i < a->rows; ++i)
    for (std::size_t j = 0; j < a->cols; ++j) {
      const std::size_t k = axis < 0 ? 0 : (axis == 0 ? j : i);
      (*a)(i, j) *= top[k] / (bottom[k] + static_cast<T>(1e-8));
    }
}

// Limits the growth of |a| from step to step to 1 % above the last one, kept in `last`.
template <class T>
void LimitGrowth(Matrix<T>* a, double* last, bool first) {
  T norm = Norm<T>(a->data);
  if (!first) {
    const T limiter =
        std::max(norm / (static_cast<T>(*last) + static_cast<T>(1e-8)), static_cast<T>(1.01)) /
        static_cast<T>(1.01);
    for (T& x : a->data) x /= limiter;
    norm /= limiter;
  }
  *last = static_cast<double>(norm);
}

// Chen et al. 2024 (arXiv:2410.01623): GaLore plus the scaled part that projection drops.
struct Fira : LowRankRule<Fira> {
  void Bind(Fields& f) override { BindShared(f); }
  void Declare(StateList& s, const Shape& shape) const override {
    LowRankRule<Fira>::Declare(s, shape);
    if (Projects(shape)) s.Scalar("scaling_grad", ScalarKind::kTensor0);
  }
  int Axis(const TensorStep& t) const {
    if (projection_type == "full") return -1;
    const bool high = t.rows() >= t.cols();
    const bool right = projection_type == "right" ||
                       ((projection_type == "std" || projection_type == "random") && high) ||
                       (projection_type == "reverse_std" && !high);
    return right ? 1 : 0;
  }
  template <class T>
  void Run(TensorStep& t) const {
    if (!Projects(t.shape())) return Plain<T>(t);
    const Projection o = ProjectionOf(t.shape());
    const Matrix<T> g = AsMatrix(Const(t.G<T>()), t.rows());
    const Matrix<T> low = Project(t, o, g, g);
    Matrix<T> u(low.rows, low.cols);
    u.data = AdamDirection<T>(t, low.data);
    Matrix<T> rest = o.Back(t, 2, low, scale);
    for (std::size_t i = 0; i < rest.size(); ++i) rest.data[i] = g.data[i] - rest.data[i];
    ScaleLines(&rest, u, low, Axis(t));
    LimitGrowth(&rest, &t.scalar(1), t.first());
    Matrix<T> step = o.Back(t, 2, u, scale);
    AddScaled<T>(step.data, rest.data, 1.0);
    const std::span<T> p = t.P<T>();
    AddScaled(p, step.data, -BiasStep());
    ApplyDecay(t, p, {}, lr, weight_decay, true, false);
  }
};
OPTIM_RULE(Fira, "fira");

// Zhu et al. 2024 (arXiv:2412.05270): a random projection only to estimate the scale.
struct APOLLO : LowRankRule<APOLLO> {
  std::string scale_type = "tensor";
  bool correct_bias = true;
  Noise noise;
  APOLLO() { lr = 1e-2; }
  Status Accept(const StepInputs& inputs) override {
    noise.Accept(inputs);
    return Ok();
  }
  void Begin() override { noise.drawn.clear(); }
  void Start(std::span<Rule* const> rules) override {
    noise.Start(step_count);
    for (Rule* rule : rules) static_cast<APOLLO*>(rule)->noise.generator = noise.generator;
  }
  int phases() const override { return 2; }
  // Both sides are drawn, as in the reference, whichever is used.
  void Visited(const TensorStep& t) override {
    if (t.phase() != 0 || !Projects(t.shape())) return;
    if (!t.first() && step_count % update_proj_gap != 0) return;
    const auto r = static_cast<std::size_t>(*rank);
    for (const std::size_t n : {t.rows() * r, r * t.cols()}) {
      if (t.f64())
        noise.Draw<double>(t.index(), n);
      else
        noise.Draw<float>(t.index(), n);
    }
  }
  void Bind(Fields& f) override {
    BindShared(f);
    f("scale_type", scale_type, "tensor|channel")("weight_decouple", weight_decouple);
    f("fixed_decay", fixed_decay)("correct_bias", correct_bias);
  }
  void Declare(StateList& s, const Shape& shape) const override {
    LowRankRule<APOLLO>::Declare(s, shape);
    if (Projects(shape)) s.Scalar("scaling_grad", ScalarKind::kTensor0);
  }
  template <class T>
  void Run(TensorStep& t) const {
    if (t.phase() == 0) return;  // Only draws.
    const double rate = correct_bias ? BiasStep() : lr;
    const std::span<T> p = t.P<T>();
    const std::span<T> flat = t.G<T>();
    if (!weight_decouple) ApplyDecay(t, p, flat, rate, weight_decay, false, fixed_decay);
    if (Projects(t.shape())) {
      const Projection o = ProjectionOf(t.shape());
      const Matrix<T> g = AsMatrix(Const(flat), t.rows());
      Matrix<T> low = Project(t, o, g, g, &noise);
      Matrix<T> u(low.rows, low.cols);
      u.data = AdamDirection<T>(t, low.data);
      const int axis = scale_type == "tensor" ? -1 : (u.rows < u.cols ? 0 : 1);
      const Matrix<T> before = low;
      ScaleLines(&low, u, before, axis);
      LimitGrowth(&low, &t.scalar(1), t.first());
      for (T& x : low.data) x *= static_cast<T>(std::sqrt(scale));
      AddScaled(p, o.Back(t, 2, low, scale).data, -rate);
    } else {
      AddScaled(p, AdamDirection<T>(t, flat), -rate);
    }
    if (weight_decouple) ApplyDecay(t, p, {}, rate, weight_decay, true, fixed_decay);
  }
};
OPTIM_RULE(APOLLO, "apollo");

// Wang et al. 2025 (arXiv:2509.24218): the basis is the momentum's, of full rank; only the second
// moment lives in it.
struct Conda : LowRankRule<Conda> {
  Conda() {
    eps = 1e-8;
    update_proj_gap = 2000;
  }
  void Bind(Fields& f) override { BindShared(f); }
  void Declare(StateList& s, const Shape& shape) const override {
    s.Like("exp_avg");
    if (shape.size() != 2) return s.Square("exp_avg_sq");
    const Projection o = Projection::Of(shape, projection_type, std::nullopt);
    s.Sized("exp_avg_sq", o.low);
    o.Declare(s);
    s.Scalar("projector.last_svd_step", ScalarKind::kInt, -1);
  }
  template <class T>
  void Run(TensorStep& t) const {
    if (t.shape().size() != 2) return Plain<T>(t);
    const Projection o = Projection::Of(t.shape(), projection_type, std::nullopt);
    const std::span<T> g = t.G<T>();
    LerpInto(t.State<T>(0), Const(g), 1.0 - betas[0]);
    // The basis is that of the momentum as it is kept. Directions that the exact one lacks have
    // second moments near zero, and by those what bf16 or 8 bits leave of the momentum in them
    // would be divided in the steps to come.
    if (Refreshes(t)) t.Flush();
    const std::span<T> m = t.State<T>(0);
    const std::span<T> v = t.State<T>(1);
    const Matrix<T> momentum = AsMatrix(Const(m), t.rows());
    const Matrix<T> low = Project(t, o, AsMatrix(Const(g), t.rows()), momentum);
    Matrix<T> u = o.Forward(t, 2, momentum);
    SquareInto<T>(v, low.data, betas[1]);
    for (std::size_t i = 0; i < u.size(); ++i) u.data[i] /= std::sqrt(v[i]) + static_cast<T>(eps);
    const std::span<T> p = t.P<T>();
    AddScaled(p, o.Back(t, 2, u, scale).data, -BiasStep());
    ApplyDecay(t, p, {}, lr, weight_decay, true, false);
  }
};
OPTIM_RULE(Conda, "conda");

}  // namespace malmoi::optim::matrix
