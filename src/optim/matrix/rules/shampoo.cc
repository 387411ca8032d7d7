// Shampoo (Gupta et al. 2018, arXiv:1802.09568), one preconditioner a dimension.
#include "optim/matrix/roots.h"
#include "optim/matrix/rules/dense.h"

namespace malmoi::optim::matrix {

// The inverse 2k-th roots of the statistics (k dimensions) come from eigenvalues. As in the
// reference, the momentum is the last preconditioned gradient. Statistics that are not finite leave
// the last roots in place.
struct Shampoo : DenseRule<Shampoo> {
  double momentum = 0;
  std::int64_t preconditioning_compute_steps = 1;
  double matrix_eps = 1e-6;

  Shampoo() { weight_decouple = false; }
  void Bind(Fields& f) override {
    f("lr", lr)("momentum", momentum)("weight_decay", weight_decay);
    f("weight_decouple", weight_decouple)("fixed_decay", fixed_decay);
    f("preconditioning_compute_steps", preconditioning_compute_steps)("matrix_eps", matrix_eps);
    f("maximize", maximize);
  }
  Status Check() const override {
    if (preconditioning_compute_steps < 1)
      return Error(Code::kInvalidArgument, "preconditioning_compute_steps must be positive");
    return Ok();
  }
  void Declare(StateList& s, const Shape& shape) const override {
    s.Like("momentum_buffer");
    for (std::size_t i = 0; i < shape.size(); ++i) {
      s.Sized("pre_cond_" + std::to_string(i), {shape[i], shape[i]});
      s.Sized("inv_pre_cond_" + std::to_string(i), {shape[i], shape[i]});
    }
  }
  template <class T>
  void Run(TensorStep& t) const {
    const std::span<T> p = t.P<T>();
    const std::span<T> g = t.G<T>();
    const std::span<T> last = t.State<T>(0);
    const Shape& shape = t.shape();
    if (t.first()) {
      // The reference starts the momentum from the gradient before its sign is turned.
      for (std::size_t i = 0; i < g.size(); ++i) last[i] = maximize ? -g[i] : g[i];
      for (std::size_t i = 0; i < shape.size(); ++i) {
        Matrix<T> id = Identity<T>(static_cast<std::size_t>(shape[i]));
        for (T& x : id.data) x *= static_cast<T>(matrix_eps);
        CopyTo(id.data, t.State<T>(static_cast<int>(1 + 2 * i)));
      }
    }
    if (momentum > 0) LerpInto(g, Const(last), momentum);
    ApplyDecay(t, p, g, lr, weight_decay, weight_decouple, fixed_decay);
    Matrix<T> x(1, g.size(), g.data());
    for (std::size_t i = 0; i < shape.size(); ++i) {
      const auto dim = static_cast<std::size_t>(shape[i]);
      const std::span<T> statistic = t.State<T>(static_cast<int>(1 + 2 * i));
      const std::span<T> inverse = t.State<T>(static_cast<int>(2 + 2 * i));
      AddScaled(statistic, GramOf(Unfold(Const(g), shape, i), t.bf16_products()).data, 1.0);
      if (step_count % preconditioning_compute_steps == 0) {
        // In double: a statistic of few gradients has a condition number that f32 cannot carry.
        Matrix<double> wide(dim, dim);
        std::copy(statistic.begin(), statistic.end(), wide.data.begin());
        auto root = InverseRootSymmetric(wide, 2.0 * static_cast<double>(shape.size()));
        if (root.ok())
          for (std::size_t k = 0; k < inverse.size(); ++k)
            inverse[k] = static_cast<T>(root.value().data[k]);
      }
      const Matrix<T> factor = AsMatrix(Const(inverse), dim);
      x = RotateMode(x, dim, &factor, Op::kNone, t.bf16_products());
    }
    CopyTo(x.data, last);
    AddScaled(p, x.data, -lr);
  }
};
OPTIM_RULE(Shampoo, "shampoo");

}  // namespace malmoi::optim::matrix
