// Spectral sphere optimisation (Xie et al. 2026): the polar factor of momentum + lambda theta with
// theta = u v^T of the weight's top singular pair, lambda such that the step is tangent to the
// sphere of constant spectral norm.
#include <optional>

#include "optim/matrix/newton_schulz.h"
#include "optim/matrix/rules/dense.h"
#include "optim/matrix/torch_order.h"
#include "optim/torch_norm.h"

namespace malmoi::optim::matrix {
namespace {

constexpr Precision kBf = Precision::kBf16;

Matrix<float> Rounded(Matrix<float> a) {
  RoundTo(kBf, a.data);
  return a;
}

// A column over its norm, both in bf16.
Matrix<float> Unit(Matrix<float> v) {
  const float norm = std::max(RoundTo(kBf, static_cast<float>(FrobeniusNorm<float>(v.data))),
                              RoundTo(kBf, 1e-12F));
  for (float& x : v.data) x = RoundTo(kBf, x / norm);
  return v;
}

// a x in bf16; of small matrices in the reference's order: where a sum is nearly a tie its rounding
// moves theta by its last digit, and lambda by all of them.
Matrix<float> Times(const Matrix<float>& a, const Matrix<float>& x) {
  constexpr std::size_t kFollowed = std::size_t{1} << 16;
  if (a.size() > kFollowed) return Rounded(Multiply(a, x));
  Matrix<float> out(a.rows, x.cols);
  LowProduct(kBf, 1.0, a, x, 0.0, &out);
  return out;
}

// Newton-Schulz with the schedule of Polar Express for eight steps.
Matrix<float> MatrixSign(const Matrix<float>& x, std::int64_t steps) {
  static const std::vector<QuinticWeights> kWeights = {
      {8.2051, -22.9019, 16.4607}, {4.0664, -2.8612, 0.5184}, {3.9096, -2.8234, 0.525},
      {3.2856, -2.4153, 0.4853},   {2.2779, -1.6198, 0.3985}, {1.8726, -1.2307, 0.3585},
      {1.8564, -1.2132, 0.3568},   {1.875, -1.25, 0.375}};
  const bool tall = x.rows > x.cols;
  Matrix<float> y = tall ? Transpose(x) : x;
  const float norm = std::max(NormF32(x.data), 1e-7F);
  for (float& v : y.data) v = RoundTo(kBf, v / norm);
  // A tall matrix is a turned view at first; products come out in rows.
  Layout layout = tall ? Layout::kColumns : Layout::kRows;
  for (std::int64_t i = 0; i < steps; ++i) {
    const auto& w = kWeights[std::min<std::size_t>(static_cast<std::size_t>(i), 7)];
    const Matrix<float> a = LowGram(kBf, y, layout);
    Matrix<float> b = a;
    LowProduct(kBf, w[2], a, a, w[1], &b, Layout::kRows, true);
    Matrix<float> next = y;
    LowProduct(kBf, 1.0, b, y, w[0], &next, layout);
    y = std::move(next);
    layout = Layout::kRows;
  }
  return tall ? Transpose(y) : y;
}

struct Sphere {
  const Matrix<float>& momentum;  // Of norm one.
  const Matrix<float>& theta;
  std::int64_t steps;

  Matrix<float> At(double lambda) const {
    Matrix<float> z = momentum;
    for (std::size_t i = 0; i < z.size(); ++i)
      z.data[i] += RoundTo(kBf, static_cast<float>(lambda) * theta.data[i]);
    return MatrixSign(z, steps);
  }
  double Slope(double lambda) const {
    const Matrix<float> phi = At(lambda);
    // Where the slope is nearly flat the order of its sum decides which lambda is the best.
    Numbers<float> terms(phi.size());
    for (std::size_t i = 0; i < phi.size(); ++i)
      terms[i] = RoundTo(kBf, theta.data[i] * phi.data[i]);
    return static_cast<double>(RoundTo(kBf, TorchSumOfLow(terms)));
  }
};

struct Bracket {
  double left, right, f_left, f_right;
};

std::optional<Bracket> FindBracket(const Sphere& s, double tolerance) {
  constexpr int kExpansions = 10;
  double at = 0;
  double f = s.Slope(at);
  if (std::fabs(f) < tolerance) return Bracket{at, at, f, f};
  double step = f < 0 ? 1e-3 : -1e-3;
  for (int i = 0; i < kExpansions; ++i) {
    const double next = at + step;
    const double g = s.Slope(next);
    if ((f <= 0) != (g <= 0)) {
      if (f <= 0 && 0 <= g) return Bracket{at, next, f, g};
      return Bracket{next, at, g, f};
    }
    step *= 2;
    at = next;
    f = g;
  }
  return std::nullopt;
}

double SolveLambda(const Sphere& s, double tolerance, std::int64_t iterations) {
  std::optional<Bracket> b = FindBracket(s, tolerance);
  if (!b) return 0;
  double best = std::fabs(b->f_left) < std::fabs(b->f_right) ? b->left : b->right;
  double best_f = std::fabs(b->f_left) < std::fabs(b->f_right) ? b->f_left : b->f_right;
  if (std::fabs(best_f) <= tolerance) return best;
  for (std::int64_t i = 0; i < iterations; ++i) {
    const double middle = 0.5 * (b->left + b->right);
    const double f = s.Slope(middle);
    if (std::fabs(f) < std::fabs(best_f)) {
      best = middle;
      best_f = f;
    }
    if (std::fabs(f) <= tolerance) return middle;
    (f < 0 ? b->left : b->right) = middle;
  }
  return best;
}

}  // namespace

struct SpectralSphere : DenseRule<SpectralSphere> {
  double momentum = 0.9;
  bool nesterov = true;
  std::int64_t power_iteration_steps = 10;
  std::int64_t msign_steps = 5;
  double solver_tolerance_f = 1e-8;
  std::int64_t solver_max_iterations = 100;

  SpectralSphere() {
    lr = 3e-4;
    weight_decay = 0.01;
  }
  void Bind(Fields& f) override {
    f("lr", lr)("momentum", momentum)("weight_decay", weight_decay);
    f("weight_decouple", weight_decouple)("nesterov", nesterov);
    f("power_iteration_steps", power_iteration_steps)("msign_steps", msign_steps);
    f("solver_tolerance_f", solver_tolerance_f)("solver_max_iterations", solver_max_iterations);
    f("maximize", maximize);
  }
  void Declare(StateList& s, const Shape&) const override { s.Point("momentum_buffer"); }

  template <class T>
  void Run(TensorStep& t) const {
    const std::span<T> p = t.P<T>();
    const std::span<T> g = t.G<T>();
    const std::span<T> buffer = t.State<T>(0);
    ApplyDecay(t, p, g, lr, weight_decay, weight_decouple, false);
    LerpInto(buffer, Const(g), 1.0 - momentum);
    if (nesterov) LerpInto(g, Const(buffer), momentum);
    const std::span<T> from = nesterov ? g : buffer;
    Matrix<float> m(t.rows(), t.cols());
    std::copy(from.begin(), from.end(), m.data.begin());
    const float norm = std::max(NormF32(m.data), 1e-8F);
    for (float& x : m.data) x /= norm;
    Matrix<float> w(t.rows(), t.cols());
    std::copy(p.begin(), p.end(), w.data.begin());
    w = Rounded(std::move(w));
    Matrix<float> v(t.cols(), 1);
    std::fill(v.data.begin(), v.data.end(), 1.0F);
    const Matrix<float> turned = Transpose(w);
    for (std::int64_t i = 0; i < power_iteration_steps; ++i) v = Unit(Times(turned, Times(w, v)));
    const Matrix<float> u = Unit(Times(w, v));
    const Matrix<float> theta = Rounded(Multiply(u, Op::kNone, v, Op::kTranspose));
    const Sphere sphere{m, theta, msign_steps};
    const Matrix<float> update =
        sphere.At(SolveLambda(sphere, solver_tolerance_f, solver_max_iterations));
    AddScaled(p, update.data, -lr);
  }
};
OPTIM_RULE(SpectralSphere, "spectralsphere");

}  // namespace malmoi::optim::matrix
