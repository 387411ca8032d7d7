// MARS (Yuan et al. 2024, arXiv:2411.10438): a variance-reduced gradient fed to AdamW, Lion or a
// polar factor ("shampoo" in the paper).
#include "optim/matrix/newton_schulz.h"
#include "optim/matrix/rules/dense.h"

namespace malmoi::optim::matrix {

struct MARS : DenseRule<MARS> {
  std::vector<double> betas{0.95, 0.99};
  std::vector<double> betas_1d{0.9, 0.95};
  double gamma = 0.025;
  std::string mars_type = "adamw";
  bool optimize_1d = false;
  double lr_1d = 3e-3;
  std::optional<double> lr_1d_factor;
  double weight_decay_1d = 0.1;
  bool ams_bound = false;
  double eps = 1e-8;

  MARS() { lr = 3e-3; }
  void Bind(Fields& f) override {
    f("lr", lr)("betas", betas)("gamma", gamma)("mars_type", mars_type, "adamw|lion|shampoo");
    f("optimize_1d", optimize_1d)("lr_1d", lr_1d)("betas_1d", betas_1d);
    f("lr_1d_factor", lr_1d_factor)("weight_decay", weight_decay);
    f("weight_decay_1d", weight_decay_1d)("weight_decouple", weight_decouple);
    f("fixed_decay", fixed_decay)("ams_bound", ams_bound)("eps", eps)("maximize", maximize);
  }
  void Begin() override {
    if (!lr_1d_factor) lr_1d_factor = lr != 0 ? lr_1d / lr : 0;  // Of the first rate.
  }
  void Declare(StateList& s, const Shape&) const override {
    s.Like("exp_avg");
    s.Square("exp_avg_sq");
    s.Like("last_grad");
    if (ams_bound) s.Square("max_exp_avg_sq");
  }

  template <class T>
  void DivideByRoot(TensorStep& t, std::span<T> update, std::span<const T> c,
                    const std::vector<double>& b) const {
    const std::span<T> v = t.State<T>(1);
    SquareInto(v, c, b[1]);
    std::span<T> top = v;
    if (ams_bound) {
      top = t.State<T>(3);
      for (std::size_t i = 0; i < top.size(); ++i) top[i] = std::max(top[i], v[i]);
    }
    const T root = static_cast<T>(std::sqrt(Debias(b[1])));
    const T first = static_cast<T>(Debias(b[0]));
    for (std::size_t i = 0; i < update.size(); ++i)
      update[i] /= (std::sqrt(top[i] + static_cast<T>(1e-15)) + static_cast<T>(eps)) / root * first;
  }
  template <class T>
  void Mixed(TensorStep& t, std::span<T> update, std::span<const T> g) const {
    const std::span<T> last = t.State<T>(2);
    const std::span<T> m = t.State<T>(0);
    std::vector<T> c(g.size());
    const T factor = static_cast<T>(gamma * (betas[0] / (1.0 - betas[0])));
    for (std::size_t i = 0; i < c.size(); ++i) c[i] = (g[i] - last[i]) * factor + g[i];
    const T norm = Norm<T>(c);
    if (norm > T(1))
      for (T& x : c) x /= norm;
    LerpInto<T>(m, c, 1.0 - betas[0]);
    std::copy(m.begin(), m.end(), update.begin());
    if (cautious) CautiousMask(update, g);
    const bool wide = t.shape().size() >= 2;
    if (mars_type == "adamw" || (mars_type == "shampoo" && !wide))
      return DivideByRoot<T>(t, update, c, betas);
    if (mars_type == "lion") {
      for (T& x : update) x = x > T(0) ? T(1) : (x < T(0) ? T(-1) : T(0));
      return;
    }
    Scale(update, 1.0 / (1.0 - betas[0]));
    NewtonSchulzOptions o;
    o.eps = eps;
    const Matrix<float> polar = NewtonSchulz(AsMatrix(Const(update), t.rows()), o);
    const auto ratio = static_cast<double>(t.shape()[0]) / static_cast<double>(t.shape()[1]);
    const auto scale = static_cast<float>(std::sqrt(std::max(1.0, ratio)));
    for (std::size_t i = 0; i < update.size(); ++i)
      update[i] = static_cast<T>(RoundTo(Precision::kBf16, polar.data[i] * scale));
  }
  template <class T>
  void Run(TensorStep& t) const {
    const std::span<T> p = t.P<T>();
    const std::span<T> g = t.G<T>();
    const std::span<T> update = t.Scratch<T>(0);
    const bool mixed = optimize_1d || t.shape().size() >= 2;
    const double rate = mixed ? lr : lr * lr_1d_factor.value_or(1.0);
    if (mixed) {
      Mixed<T>(t, update, g);
    } else {
      const std::span<T> m = t.State<T>(0);
      LerpInto(m, Const(g), 1.0 - betas_1d[0]);
      std::copy(m.begin(), m.end(), update.begin());
      if (cautious) CautiousMask(update, Const(g));
      DivideByRoot<T>(t, update, g, betas_1d);
    }
    // Coupled decay comes after the update and so reaches the next step's last_grad only.
    ApplyDecay(t, p, g, rate, mixed ? weight_decay : weight_decay_1d, weight_decouple, fixed_decay);
    AddScaled(p, update, -rate);
    const std::span<T> last = t.State<T>(2);
    std::copy(g.begin(), g.end(), last.begin());
  }
};
OPTIM_RULE(MARS, "mars");

}  // namespace malmoi::optim::matrix
