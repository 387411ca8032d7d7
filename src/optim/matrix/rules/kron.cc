// PSGD with Kronecker factors (Li 2015, arXiv:1512.04202; Kron of Li and others 2024).
#include <limits>
#include <numeric>

#include "optim/matrix/rules/dense.h"
#include "optim/matrix/rules/noise.h"

namespace malmoi::optim::matrix {
namespace {

// A lower bound of a symmetric matrix's spectral norm from its heaviest row or column.
double NormLowerBound(Matrix<float> a) {
  float top = 0;
  for (const float x : a.data) top = std::max(top, std::fabs(x));
  if (!(top > 0)) return 0;
  for (float& x : a.data) x /= top;
  std::vector<float> by_col(a.cols);
  std::vector<float> by_row(a.rows);
  for (std::size_t i = 0; i < a.rows; ++i)
    for (std::size_t j = 0; j < a.cols; ++j) {
      by_col[j] += a(i, j) * a(i, j);
      by_row[i] += a(i, j) * a(i, j);
    }
  const auto col =
      static_cast<std::size_t>(std::max_element(by_col.begin(), by_col.end()) - by_col.begin());
  const auto row =
      static_cast<std::size_t>(std::max_element(by_row.begin(), by_row.end()) - by_row.begin());
  const bool use_col = by_col[col] > by_row[row];
  Matrix<float> x(a.rows, 1);
  for (std::size_t i = 0; i < a.rows; ++i) x.data[i] = use_col ? a(i, col) : a(row, i);
  const auto unit = [](Matrix<float> v) {
    const float n = std::max(static_cast<float>(FrobeniusNorm<float>(v.data)),
                             std::numeric_limits<float>::min());
    for (float& e : v.data) e /= n;
    return v;
  };
  // The matrix is symmetric, so that both ways are a product with it, a norm, and one more.
  const Op first = use_col ? Op::kTranspose : Op::kNone;
  const Op second = use_col ? Op::kNone : Op::kTranspose;
  const Matrix<float> once = unit(Multiply(a, first, x, Op::kNone));
  const Matrix<float> twice = Multiply(a, second, once, Op::kNone);
  return static_cast<double>(top) * FrobeniusNorm<float>(twice.data);
}

}  // namespace

// Factors of one tensor: one a dimension, upper triangular or, where that is too large, diagonal.
// All products go mode by mode, so memory is that of the factors and the tensor; the reference
// forms products of whole factors. Arithmetic is in f32 for every dtype (precondition_dtype).
struct Kron : DenseRule<Kron> {
  double momentum = 0.9;
  std::optional<double> pre_conditioner_update_probability;
  std::int64_t max_size_triangular = 8192;
  std::int64_t min_ndim_triangular = 2;
  std::string memory_save_mode;
  bool momentum_into_precondition_update = true;
  double balance_prob = 0.01;
  double precondition_lr = 0.1;
  double precondition_init_scale = 1.0;
  std::int64_t update_counter = 0;
  bool updates = false;   // In this step.
  bool balances = false;  // In this step.
  Noise noise;
  std::optional<double> uniform;  // The caller's.

  void Bind(Fields& f) override {
    f("lr", lr)("momentum", momentum)("weight_decay", weight_decay);
    f("weight_decouple", weight_decouple);
    f("pre_conditioner_update_probability", pre_conditioner_update_probability);
    f("max_size_triangular", max_size_triangular)("min_ndim_triangular", min_ndim_triangular);
    f("memory_save_mode", memory_save_mode, "|one_diag|smart_one_diag|all_diag");
    f("momentum_into_precondition_update", momentum_into_precondition_update);
    f("balance_prob", balance_prob)("precondition_lr", precondition_lr);
    f("precondition_init_scale", precondition_init_scale)("maximize", maximize);
  }
  void BindState(Fields& f) override { f("update_counter", update_counter); }
  void Begin() override {
    // The probability falls from 1 after 500 steps to 0.03; an update comes each 1 / probability.
    const double before = static_cast<double>(step_count - 1);
    const double probability = pre_conditioner_update_probability.value_or(static_cast<double>(
        std::clamp(std::exp(static_cast<float>(-0.001 * (before - 500.0))), 0.03F, 1.0F)));
    ++update_counter;
    updates = probability > 0 && static_cast<double>(update_counter) >= 1.0 / probability;
    if (updates) update_counter = 0;
    noise.drawn.clear();
  }
  Status Accept(const StepInputs& inputs) override {
    noise.Accept(inputs);
    uniform = inputs.uniform;
    return Ok();
  }
  // The first group decides for all.
  void Start(std::span<Rule* const> rules) override {
    noise.Start(step_count);
    TorchGenerator numpy = noise.seeded ? TorchGenerator(noise.seed) : *noise.generator;
    balances = updates && uniform.value_or(numpy.NumpyUniform()) < balance_prob;
    for (Rule* rule : rules) {
      auto* other = static_cast<Kron*>(rule);
      other->noise.generator = noise.generator;
      other->updates = updates;
      other->balances = balances;
    }
  }
  int phases() const override { return updates ? 2 : 1; }
  void Visited(const TensorStep& t) override {
    if (updates && t.phase() == 0) noise.Draw<float>(t.index(), t.n());
  }
  static void Balance(std::vector<Matrix<float>>* factors) {
    std::vector<float> tops;
    float product = 1;
    for (const Matrix<float>& q : *factors) {
      float top = 0;
      for (const float x : q.data) top = std::max(top, std::fabs(x));
      tops.push_back(top);
      product *= top;
    }
    const float mean = std::pow(product, 1.0F / static_cast<float>(tops.size()));
    for (std::size_t i = 0; i < tops.size(); ++i)
      for (float& x : (*factors)[i].data) x *= mean / tops[i];
  }
  std::vector<bool> Diagonal(const Shape& shape) const {
    const std::size_t rank = shape.size();
    std::vector<bool> diagonal(rank, memory_save_mode == "all_diag");
    std::vector<std::size_t> order(rank);
    std::iota(order.begin(), order.end(), 0);
    std::sort(order.begin(), order.end(),
              [&](std::size_t a, std::size_t b) { return shape[a] < shape[b]; });
    const bool one =
        memory_save_mode == "one_diag" || (memory_save_mode == "smart_one_diag" && rank >= 2 &&
                                           shape[order[rank - 1]] > shape[order[rank - 2]]);
    if (one && rank > 0) diagonal[order.back()] = true;
    for (std::size_t i = 0; i < rank; ++i)
      if (shape[i] == 1 || shape[i] > max_size_triangular ||
          static_cast<std::int64_t>(rank) < min_ndim_triangular)
        diagonal[i] = true;
    return diagonal;
  }
  void Declare(StateList& s, const Shape& shape) const override {
    s.Like("momentum_buffer");
    const std::vector<bool> diagonal = Diagonal(shape);
    if (shape.empty()) s.Sized("Q.0", {});
    for (std::size_t i = 0; i < shape.size(); ++i)
      s.Sized("Q." + std::to_string(i), diagonal[i] ? Shape{shape[i]} : Shape{shape[i], shape[i]});
  }

  struct Factors {
    Shape shape;
    std::vector<bool> diagonal;
    std::vector<Matrix<float>> q;  // Diagonal ones as a column.
  };
  template <class T>
  Factors Load(TensorStep& t) const {
    Factors f{t.shape(), Diagonal(t.shape()), {}};
    if (f.shape.empty()) {
      f.shape = {1};
      f.diagonal = {true};
    }
    for (std::size_t i = 0; i < f.shape.size(); ++i) {
      const std::span<T> q = t.State<T>(static_cast<int>(1 + i));
      const auto dim = static_cast<std::size_t>(f.shape[i]);
      Matrix<float> m(dim, f.diagonal[i] ? 1 : dim);
      if (t.first()) {
        const auto scale = static_cast<float>(
            std::pow(precondition_init_scale, 1.0 / static_cast<double>(f.shape.size())));
        for (std::size_t k = 0; k < dim; ++k) m.data[f.diagonal[i] ? k : k * dim + k] = scale;
      } else {
        std::copy(q.begin(), q.end(), m.data.begin());
      }
      f.q.push_back(std::move(m));
    }
    return f;
  }
  enum class Apply : unsigned char { kQ, kQtQ, kInverseTranspose };
  // x times op(Q) along every mode.
  static Numbers<float> Along(const Factors& f, std::span<const float> x, Apply how) {
    Matrix<float> m(1, x.size(), x.data());
    for (std::size_t i = 0; i < f.shape.size(); ++i) {
      const auto dim = static_cast<std::size_t>(f.shape[i]);
      const Matrix<float>& q = f.q[i];
      m.rows = dim;
      m.cols = x.size() / dim;
      if (f.diagonal[i]) {
        for (std::size_t r = 0; r < dim; ++r) {
          const float d = q.data[r];
          const float factor = how == Apply::kQ ? d : d * d;
          for (std::size_t c = 0; c < m.cols; ++c) {
            float& e = m.data[r * m.cols + c];
            e = how == Apply::kInverseTranspose ? e / d : e * factor;
          }
        }
        m = Transpose(m);
        continue;
      }
      if (how == Apply::kInverseTranspose) {
        m = SolveUpperRight(Transpose(m), q);
        continue;
      }
      m = Multiply(m, Op::kTranspose, q, Op::kTranspose);  // Fibres v become Q v, modes rotate.
      if (how == Apply::kQtQ) m = Multiply(m, q);
    }
    return std::move(m.data);
  }
  void UpdateFactors(Factors* f, std::span<const float> v, std::span<const float> g) const {
    constexpr float kTiny = 1.1754943508222875e-38F;
    const Numbers<float> a = Along(*f, g, Apply::kQ);
    const Numbers<float> b = Along(*f, v, Apply::kInverseTranspose);
    for (std::size_t i = 0; i < f->shape.size(); ++i) {
      const Matrix<float> ai = Unfold<float>(a, f->shape, i);
      const Matrix<float> bi = Unfold<float>(b, f->shape, i);
      Matrix<float>& q = f->q[i];
      const auto step = static_cast<float>(precondition_lr);
      if (f->diagonal[i]) {
        float top = 0;
        std::vector<float> move(q.size());
        for (std::size_t r = 0; r < q.size(); ++r) {
          float x = 0;
          float y = 0;
          for (std::size_t c = 0; c < ai.cols; ++c) {
            x += ai(r, c) * ai(r, c);
            y += bi(r, c) * bi(r, c);
          }
          move[r] = (x - y) * step * q.data[r];
          top = std::max(top, std::fabs(x + y));
        }
        for (std::size_t r = 0; r < q.size(); ++r) q.data[r] -= move[r] / (top + kTiny);
        continue;
      }
      const Matrix<float> x = Gram(ai);
      const Matrix<float> y = Gram(bi);
      Matrix<float> sum = x;
      Matrix<float> move(x.rows, x.cols);
      for (std::size_t k = 0; k < x.size(); ++k) sum.data[k] += y.data[k];
      const float bound = static_cast<float>(NormLowerBound(sum)) + kTiny;
      for (std::size_t r = 0; r < x.rows; ++r)
        for (std::size_t c = r; c < x.cols; ++c) move(r, c) = (x(r, c) - y(r, c)) * step / bound;
      move = Multiply(move, q);
      for (std::size_t k = 0; k < q.size(); ++k) q.data[k] -= move.data[k];
    }
  }
  template <class T>
  void Run(TensorStep& t) const {
    if (updates && t.phase() == 0) return;  // Only draws.
    const std::span<T> p = t.P<T>();
    const std::span<T> g = t.G<T>();
    const std::span<T> m = t.State<T>(0);
    const bool wide = t.shape().size() >= 2;
    if (wide && !weight_decouple) ApplyDecay(t, p, g, lr, weight_decay, false, false);
    Factors f = Load<T>(t);
    Scale(m, momentum);
    AddScaled(m, g, 1.0 - momentum);
    const T correction = static_cast<T>(Debias(momentum));
    std::vector<float> corrected(m.size());
    for (std::size_t i = 0; i < m.size(); ++i) corrected[i] = static_cast<float>(m[i] / correction);
    if (updates) {
      if (balances && wide) Balance(&f.q);
      const std::vector<double>& drawn = noise.Of(t.index());
      const std::vector<float> v(drawn.begin(), drawn.end());
      const std::vector<float> raw(g.begin(), g.end());
      UpdateFactors(&f, v, momentum_into_precondition_update ? corrected : raw);
    }
    if (updates || t.first())
      for (std::size_t i = 0; i < f.q.size(); ++i)
        std::copy(f.q[i].data.begin(), f.q[i].data.end(),
                  t.State<T>(static_cast<int>(1 + i)).begin());
    const Numbers<float> out = Along(f, corrected, Apply::kQtQ);
    std::vector<T> u(out.begin(), out.end());
    const T rms = Norm<T>(u) / std::sqrt(static_cast<T>(u.size()));
    Scale<T>(u, static_cast<double>(
                    std::min(T(1) / (rms + static_cast<T>(1e-6)) * static_cast<T>(1.1), T(1))));
    if (weight_decay != 0 && wide && weight_decouple && t.decays())
      AddScaled<T>(u, p, weight_decay);
    AddScaled(p, u, -lr);
  }
};
OPTIM_RULE(Kron, "kron");

}  // namespace malmoi::optim::matrix
