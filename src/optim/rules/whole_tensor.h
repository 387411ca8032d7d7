// Rules written over whole tensors, by rows or columns: AdaTAM, Nero, TAM.
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
    t.f64() ? Run<double>(t) : Run<float>(t);
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
    t.f64() ? Run<double>(t) : Run<float>(t);
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
      p[i] -= static_cast<T>(lr) * (m[i] / (std::sqrt(v[i]) + static_cast<T>(eps)));
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
  void Step(TensorStep& t) const override { t.f64() ? Run<double>(t) : Run<float>(t); }
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
