// Alice (Gong et al. 2025, arXiv:2502.07752): a tracked low-rank basis, Adam in it, and a
// compensation for what it drops.
#include <algorithm>
#include <numeric>

#include "optim/matrix/rules/dense.h"
#include "optim/matrix/rules/noise.h"

namespace malmoi::optim::matrix {

struct Alice : DenseRule<Alice> {
  std::vector<double> betas{0.9, 0.9, 0.999};
  double alpha = 0.3;
  double alpha_c = 0.4;
  std::int64_t update_interval = 200;
  std::int64_t rank = 256;
  double gamma = 1.01;
  std::int64_t leading_basis = 40;
  double eps = 1e-8;
  Noise noise;
  std::map<std::size_t, std::vector<std::int64_t>> orders;  // By tensor, in this step.

  Alice() { lr = 0.02; }
  void Bind(Fields& f) override {
    f("lr", lr)("betas", betas)("alpha", alpha)("alpha_c", alpha_c);
    f("update_interval", update_interval)("rank", rank)("gamma", gamma);
    f("leading_basis", leading_basis)("weight_decay", weight_decay);
    f("weight_decouple", weight_decouple)("fixed_decay", fixed_decay)("eps", eps);
    f("maximize", maximize);
  }
  Status Check() const override {
    if (rank <= 0 || leading_basis <= 0 || update_interval <= 0 || leading_basis > rank)
      return Error(Code::kInvalidArgument,
                   "rank, leading_basis and update_interval must be "
                   "positive, and leading_basis at most rank");
    return Ok();
  }
  Status Accept(const StepInputs& inputs) override {
    noise.Accept(inputs);
    return Ok();
  }
  void Begin() override { orders.clear(); }
  void Start(std::span<Rule* const> rules) override {
    noise.Start(step_count);
    for (Rule* rule : rules) static_cast<Alice*>(rule)->noise.generator = noise.generator;
  }
  int phases() const override { return 2; }
  // Which vectors of the complement join the leading ones.
  void Visited(const TensorStep& t) override {
    const std::int64_t m = Sides(t.shape()).first;
    const std::int64_t r = std::min(rank, m);
    const std::int64_t leading = std::min(leading_basis, r);
    if (t.phase() != 0 || leading == r || !Refreshes(t)) return;
    const std::int64_t others = m - r < r - leading ? m - leading : m - r;
    orders[t.index()] = noise.generator->Permutation(others);
  }
  bool Refreshes(const TensorStep& t) const {
    return t.first() || step_count % update_interval == 0;
  }
  static std::pair<std::int64_t, std::int64_t> Sides(const Shape& shape) {
    const auto n = static_cast<std::int64_t>(Elements(shape));
    if (shape.size() < 2) return {n, 1};
    return {shape[0], shape[0] == 0 ? 0 : n / shape[0]};
  }
  void Declare(StateList& s, const Shape& shape) const override {
    const auto [m, n] = Sides(shape);
    const std::int64_t r = std::min(rank, m);
    s.Sized("U", {m, r});
    s.Sized("Q", {r, r});
    s.Sized("m", {r, n});
    s.Sized("v", {r, n});
    s.Sized("p", {n});
    s.Sized("phi", {1});
  }
  // The leading eigenvectors of one subspace iteration, filled up with others of the complement.
  template <class T>
  Matrix<T> NewBasis(const TensorStep& t, const Matrix<T>& q, const Matrix<T>& old,
                     std::size_t leading) const {
    const std::size_t r = old.cols;
    Matrix<float> a(q.rows, q.cols);
    std::copy(q.data.begin(), q.data.end(), a.data.begin());
    Matrix<float> u(old.rows, r);
    std::copy(old.data.begin(), old.data.end(), u.data.begin());
    auto qr = QrReduced(Multiply(a, u));
    if (!qr.ok()) return old;
    u = std::move(qr.value().q);
    auto eigen = EigenSymmetric(Multiply(Multiply(u, Op::kTranspose, a, Op::kNone), u));
    if (!eigen.ok()) return old;
    const Matrix<float> vectors = Multiply(u, eigen.value().vectors);
    Matrix<T> out(old.rows, r);
    const auto put = [&](std::size_t to, const Matrix<float>& from, std::size_t column) {
      for (std::size_t i = 0; i < out.rows; ++i) out(i, to) = static_cast<T>(from(i, column));
    };
    // Largest first; equal values (zeros) in the order that LAPACK has them.
    std::vector<std::size_t> order(r);
    std::iota(order.begin(), order.end(), std::size_t{0});
    const std::vector<float>& values = eigen.value().values;
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t x, std::size_t y) { return values[x] > values[y]; });
    for (std::size_t j = 0; j < leading; ++j) put(j, vectors, order[j]);
    if (leading == r) return out;
    auto full = QrComplete(vectors);
    if (!full.ok()) return old;
    std::vector<std::pair<const Matrix<float>*, std::size_t>> others;
    for (std::size_t j = r; j < full.value().cols; ++j) others.push_back({&full.value(), j});
    if (others.size() < r - leading)
      for (std::size_t j = leading; j < r; ++j) others.push_back({&vectors, order[j]});
    const std::vector<std::int64_t>& drawn = orders.at(t.index());
    for (std::size_t j = leading; j < r; ++j) {
      const auto& [from, column] = others[static_cast<std::size_t>(drawn[j - leading])];
      put(j, *from, column);
    }
    return out;
  }
  template <class T>
  Matrix<T> Compensate(TensorStep& t, const Matrix<T>& g, const Matrix<T>& u,
                       const Matrix<T>& sigma) const {
    const std::span<T> energy = t.State<T>(4);
    const std::span<T> phi = t.State<T>(5);
    Matrix<T> c = g;
    MultiplyAdd(T(-1), u, Op::kNone, sigma, Op::kNone, T(1), &c);
    const T root = static_cast<T>(std::sqrt(static_cast<double>(g.rows - u.cols)));
    for (std::size_t j = 0; j < g.cols; ++j) {
      T all = 0;
      T kept = 0;
      for (std::size_t i = 0; i < g.rows; ++i) all += g(i, j) * g(i, j);
      for (std::size_t i = 0; i < sigma.rows; ++i) kept += sigma(i, j) * sigma(i, j);
      const T w = static_cast<T>(1.0 - betas[0]);
      energy[j] = std::max(energy[j] + w * (all - kept - energy[j]), static_cast<T>(1e-8));
      for (std::size_t i = 0; i < g.rows; ++i) c(i, j) = root * c(i, j) / std::sqrt(energy[j]);
    }
    if (phi[0] > T(0)) {
      const T limit = static_cast<T>(gamma);
      const T factor = limit / std::max(Norm<T>(c.data) / phi[0], limit);
      for (T& x : c.data) x *= factor;
    }
    phi[0] = Norm<T>(c.data);
    return c;
  }
  template <class T>
  void Run(TensorStep& t) const {
    if (t.phase() == 0) return;  // Only draws.
    const std::span<T> p = t.P<T>();
    const std::span<T> flat = t.G<T>();
    ApplyDecay(t, p, flat, lr, weight_decay, weight_decouple, fixed_decay);
    const auto rows = static_cast<std::size_t>(Sides(t.shape()).first);
    const std::size_t r = std::min(static_cast<std::size_t>(rank), rows);
    const Matrix<T> g = AsMatrix(Const(flat), rows);
    const std::span<T> basis = t.State<T>(0);
    const std::span<T> q = t.State<T>(1);
    Matrix<T> u = AsMatrix(Const(basis), rows);
    if (Refreshes(t)) {
      const Matrix<T> uq = Multiply(u, AsMatrix(Const(q), r));
      Matrix<T> tracked = Multiply(uq, Op::kNone, u, Op::kTranspose);
      MultiplyAdd(static_cast<T>(1.0 - betas[2]), g, Op::kNone, g, Op::kTranspose,
                  static_cast<T>(betas[2]), &tracked);
      u = NewBasis(t, tracked, u, std::min(static_cast<std::size_t>(leading_basis), r));
      CopyTo(u.data, basis);
    }
    const Matrix<T> sigma = Multiply(u, Op::kTranspose, g, Op::kNone);
    LerpInto<T>(q, Gram(sigma).data, 1.0 - betas[2]);
    const std::span<T> m = t.State<T>(2);
    const std::span<T> v = t.State<T>(3);
    LerpInto<T>(m, sigma.data, 1.0 - betas[0]);
    Matrix<T> direction(sigma.rows, sigma.cols);
    const T w = static_cast<T>(1.0 - betas[1]);
    for (std::size_t i = 0; i < sigma.size(); ++i) {
      v[i] += w * (sigma.data[i] * sigma.data[i] - v[i]);
      direction.data[i] = m[i] / (std::sqrt(v[i]) + static_cast<T>(eps));
    }
    Matrix<T> update = Multiply(u, direction);
    AddScaled<T>(update.data, Compensate(t, g, u, sigma).data, alpha_c);
    AddScaled(p, update.data, -lr * alpha);
  }
};
OPTIM_RULE(Alice, "alice");

}  // namespace malmoi::optim::matrix
