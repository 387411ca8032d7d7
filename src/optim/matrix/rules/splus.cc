// SPlus (Frans et al. 2025, arXiv:2506.07254): signs in the eigenbasis of the statistics, and an
// average of the parameters for evaluation.
#include "optim/matrix/rules/dense.h"

namespace malmoi::optim::matrix {

struct SPlus : DenseRule<SPlus> {
  std::vector<double> betas{0.9, 0.999};
  double ema_rate = 0.999;
  std::int64_t inverse_steps = 100;
  double nonstandard_constant = 1e-3;
  std::int64_t max_dim = 10000;
  double eps = 1e-30;

  SPlus() {
    lr = 1e-1;
    weight_decay = 1e-2;
  }
  void Bind(Fields& f) override {
    f("lr", lr)("betas", betas)("weight_decay", weight_decay)("weight_decouple", weight_decouple);
    f("fixed_decay", fixed_decay)("ema_rate", ema_rate)("inverse_steps", inverse_steps);
    f("nonstandard_constant", nonstandard_constant)("max_dim", max_dim)("eps", eps);
    f("maximize", maximize);
  }
  Status Check() const override {
    if (inverse_steps <= 0 || max_dim <= 0)
      return Error(Code::kInvalidArgument, "inverse_steps and max_dim must be positive");
    return Ok();
  }
  void Declare(StateList& s, const Shape& shape) const override {
    s.Like("momentum");
    s.Point("ema");
    if (shape.size() != 2) return;
    for (const char* name : {"sides.", "q_sides."})
      for (std::size_t i = 0; i < 2; ++i) {
        const std::int64_t d = shape[i] < max_dim ? shape[i] : 0;
        s.Sized(name + std::to_string(i), {d, d});
      }
  }
  template <class T>
  void Run(TensorStep& t) const {
    const std::span<T> p = t.P<T>();
    const std::span<T> g = t.G<T>();
    const std::span<T> m = t.State<T>(0);
    const std::span<T> ema = t.State<T>(1);
    const bool flat = t.shape().size() == 2;
    const bool large = flat && (t.shape()[0] > max_dim || t.shape()[1] > max_dim);
    const double rate =
        lr * (!flat || large ? nonstandard_constant
                             : 2.0 / static_cast<double>(t.shape()[0] + t.shape()[1]));
    if (!weight_decouple) ApplyDecay(t, p, g, rate, weight_decay, false, fixed_decay);
    LerpInto(m, Const(g), 1.0 - betas[0]);
    Numbers<T> u(m.begin(), m.end());
    if (flat) {
      u = SignInBasis<T>(t, g);
    } else {
      for (T& x : u) x = Sign(x);
    }
    AddScaled(p, u, -rate);
    LerpInto(ema, Const(p), 1.0 - ema_rate);
    if (weight_decouple) ApplyDecay(t, p, {}, rate, weight_decay, true, fixed_decay);
  }
  void Switch(TensorStep& t, bool to_eval) override {
    if (t.f64())
      Average<double>(t, to_eval);
    else
      Average<float>(t, to_eval);
  }

 private:
  template <class T>
  static T Sign(T x) {
    return x > T(0) ? T(1) : (x < T(0) ? T(-1) : T(0));
  }
  // Exchanges p and the average: the average, corrected for its start, is evaluated.
  template <class T>
  void Average(TensorStep& t, bool to_eval) const {
    const std::span<T> p = t.P<T>();
    const std::span<T> ema = t.State<T>(1);
    const T factor = static_cast<T>(1.0 / Debias(ema_rate));
    for (std::size_t i = 0; i < p.size(); ++i) {
      const T other = to_eval ? ema[i] * factor : ema[i];
      ema[i] = to_eval ? p[i] : p[i] / factor;
      p[i] = other;
    }
  }
  template <class T>
  Numbers<T> SignInBasis(TensorStep& t, std::span<const T> g) const {
    const Matrix<T> grad = AsMatrix(g, t.rows());
    Matrix<T> u = AsMatrix(Const(t.State<T>(0)), t.rows());
    Matrix<T> q[2];
    for (int i = 0; i < 2; ++i) {
      const std::span<T> side = t.State<T>(2 + i);
      const std::span<T> basis = t.State<T>(4 + i);
      if (side.empty()) continue;
      const auto d = static_cast<std::size_t>(t.shape()[static_cast<std::size_t>(i)]);
      if (t.first()) CopyTo(Identity<T>(d).data, basis);
      q[i] = AsMatrix(Const(basis), d);
      LerpInto<T>(side, Gram(i == 0 ? grad : Transpose(grad)).data, 1.0 - betas[1]);
    }
    if (q[0].size() != 0) u = Multiply(q[0], Op::kTranspose, u, Op::kNone);
    if (q[1].size() != 0) u = Multiply(u, q[1]);
    for (T& x : u.data) x = Sign(x);
    if (q[0].size() != 0) u = Multiply(q[0], u);
    if (q[1].size() != 0) u = Multiply(u, Op::kNone, q[1], Op::kTranspose);
    if (step_count == 1 || step_count % inverse_steps == 0) Refresh<T>(t);
    return std::move(u.data);
  }
  // The reference decomposes in f32, whatever the dtype. A side that is not finite keeps its basis.
  template <class T>
  void Refresh(TensorStep& t) const {
    for (int i = 0; i < 2; ++i) {
      const std::span<T> side = t.State<T>(2 + i);
      if (side.empty()) continue;
      const auto d = static_cast<std::size_t>(t.shape()[static_cast<std::size_t>(i)]);
      Matrix<float> m(d, d);
      std::copy(side.begin(), side.end(), m.data.begin());
      for (std::size_t k = 0; k < d; ++k) m(k, k) += static_cast<float>(eps);
      auto eigen = EigenSymmetric(m);
      if (!eigen.ok()) continue;
      std::copy(eigen.value().vectors.data.begin(), eigen.value().vectors.data.end(),
                t.State<T>(4 + i).begin());
    }
  }
};
OPTIM_RULE(SPlus, "splus");

}  // namespace malmoi::optim::matrix
