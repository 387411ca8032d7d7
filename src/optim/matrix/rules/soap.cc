// SOAP (Vyas et al. 2024, arXiv:2409.11321): Adam in the eigenbasis of Shampoo's statistics.
#include <numeric>

#include "optim/matrix/rules/dense.h"

namespace malmoi::optim::matrix {

// The first step only gathers statistics. Between decompositions the basis is refined by one power
// step and a QR decomposition, done in f32 for every dtype as in the reference. Where a
// decomposition is impossible (statistics not finite) the basis stays.
struct SOAP : DenseRule<SOAP> {
  std::vector<double> betas{0.95, 0.95};
  std::optional<double> shampoo_beta;
  std::int64_t precondition_frequency = 10;
  std::int64_t max_precondition_dim = 10000;
  bool merge_dims = false;
  bool precondition_1d = false;
  bool correct_bias = true;
  bool normalize_gradient = false;
  std::string data_format = "channels_first";
  double eps = 1e-8;

  SOAP() {
    lr = 3e-3;
    weight_decay = 1e-2;
  }
  void Bind(Fields& f) override {
    f("lr", lr)("betas", betas)("shampoo_beta", shampoo_beta)("weight_decay", weight_decay);
    f("precondition_frequency", precondition_frequency);
    f("max_precondition_dim", max_precondition_dim)("merge_dims", merge_dims);
    f("precondition_1d", precondition_1d)("correct_bias", correct_bias);
    f("normalize_gradient", normalize_gradient);
    f("data_format", data_format, "channels_first|channels_last")("eps", eps);
    f("maximize", maximize);
  }
  Status Check() const override {
    if (precondition_frequency <= 0 || max_precondition_dim <= 0)
      return Error(Code::kInvalidArgument,
                   "precondition_frequency and max_precondition_dim must be positive");
    if (merge_dims && data_format == "channels_last")
      return Error(Code::kUnsupported,
                   "merge_dims with data_format channels_last: permute the "
                   "tensors to channels_first");
    return Ok();
  }
  Shape Modes(const Shape& shape) const {
    if (merge_dims && shape.size() > 1) {
      Shape merged = MergeSmall(shape, max_precondition_dim);
      if (Elements(merged) == Elements(shape)) return merged;
      return {static_cast<std::int64_t>(Elements(shape))};
    }
    return shape;
  }
  bool Rotates(const Shape& shape, std::int64_t dim) const {
    return dim <= max_precondition_dim && (shape.size() != 1 || precondition_1d);
  }
  void Declare(StateList& s, const Shape& shape) const override {
    s.Like("exp_avg");
    s.Square("exp_avg_sq");
    const Shape modes = Modes(shape);
    for (std::size_t i = 0; i < modes.size(); ++i) {
      const std::int64_t d = Rotates(shape, modes[i]) ? modes[i] : 0;
      s.Sized("GG." + std::to_string(i), {d, d});
      s.Sized("Q." + std::to_string(i), {d, d});
    }
    s.Scalar("precondition_frequency", ScalarKind::kInt,
             static_cast<double>(precondition_frequency));
    s.Scalar("shampoo_beta", ScalarKind::kFloat, shampoo_beta.value_or(betas[1]));
  }
  template <class T>
  static Matrix<T> Square(TensorStep& t, std::size_t slot, std::int64_t dim) {
    return AsMatrix(Const(t.State<T>(static_cast<int>(slot))), static_cast<std::size_t>(dim));
  }
  template <class T>
  Numbers<T> Project(TensorStep& t, std::span<const T> x, bool back) const {
    const Shape modes = Modes(t.shape());
    Matrix<T> m(1, x.size(), x.data());
    for (std::size_t i = 0; i < modes.size(); ++i) {
      const auto dim = static_cast<std::size_t>(modes[i]);
      if (!Rotates(t.shape(), modes[i])) {
        m = RotateMode<T>(m, dim, nullptr, Op::kNone);
        continue;
      }
      const Matrix<T> q = Square<T>(t, 3 + 2 * i, modes[i]);
      m = RotateMode(m, dim, &q, back ? Op::kTranspose : Op::kNone, t.bf16_products());
    }
    return std::move(m.data);
  }
  template <class T>
  void AddStatistics(TensorStep& t, std::span<const T> g) const {
    const Shape modes = Modes(t.shape());
    for (std::size_t i = 0; i < modes.size(); ++i) {
      if (!Rotates(t.shape(), modes[i])) continue;
      const Matrix<T> outer = GramOf(Unfold(g, modes, i), t.bf16_products());
      LerpInto<T>(t.State<T>(static_cast<int>(2 + 2 * i)), outer.data, 1.0 - t.scalar(1));
    }
  }
  template <class T>
  void FirstBasis(TensorStep& t) const {
    const Shape modes = Modes(t.shape());
    for (std::size_t i = 0; i < modes.size(); ++i) {
      if (!Rotates(t.shape(), modes[i])) continue;
      Matrix<T> gg = Square<T>(t, 2 + 2 * i, modes[i]);
      for (std::size_t k = 0; k < gg.rows; ++k) gg(k, k) += static_cast<T>(1e-30);
      const std::span<T> q = t.State<T>(static_cast<int>(3 + 2 * i));
      auto eigen = EigenSymmetric(gg);
      Matrix<T> basis = eigen.ok() ? std::move(eigen.value().vectors) : Identity<T>(gg.rows);
      for (std::size_t r = 0; r < basis.rows; ++r)  // Largest first.
        for (std::size_t c = 0; c < basis.cols; ++c)
          q[r * basis.cols + c] = basis(r, basis.cols - 1 - c);
    }
  }
  // One power step; the second moment's axis is sorted with the basis.
  template <class T>
  void RefineBasis(TensorStep& t) const {
    const Shape modes = Modes(t.shape());
    for (std::size_t i = 0; i < modes.size(); ++i) {
      if (!Rotates(t.shape(), modes[i])) continue;
      const Matrix<T> gg = Square<T>(t, 2 + 2 * i, modes[i]);
      const Matrix<T> q = Square<T>(t, 3 + 2 * i, modes[i]);
      const Matrix<T> product = Multiply(gg, q);
      std::vector<T> estimate(gg.rows);
      for (std::size_t r = 0; r < gg.rows; ++r)
        for (std::size_t c = 0; c < gg.rows; ++c) estimate[c] += q(r, c) * product(r, c);
      std::vector<std::size_t> order(gg.rows);
      std::iota(order.begin(), order.end(), 0);
      std::stable_sort(order.begin(), order.end(),
                       [&](std::size_t a, std::size_t b) { return estimate[a] > estimate[b]; });
      Matrix<float> sorted(gg.rows, gg.rows);
      for (std::size_t r = 0; r < gg.rows; ++r)
        for (std::size_t c = 0; c < gg.rows; ++c)
          sorted(r, c) = static_cast<float>(product(r, order[c]));
      auto qr = QrReduced(sorted);
      if (!qr.ok()) continue;
      std::copy(qr.value().q.data.begin(), qr.value().q.data.end(),
                t.State<T>(static_cast<int>(3 + 2 * i)).begin());
      const std::span<T> v = t.State<T>(1);
      const Matrix<T> before = Unfold(Const(v), modes, i);
      Matrix<T> after = before;
      for (std::size_t r = 0; r < before.rows; ++r)
        std::copy_n(&before.data[order[r] * before.cols], before.cols,
                    &after.data[r * before.cols]);
      Fold(after, modes, i, v);
    }
  }
  template <class T>
  void Run(TensorStep& t) const {
    const std::span<T> g = t.G<T>();
    if (t.first()) {
      AddStatistics<T>(t, g);
      FirstBasis<T>(t);
    }
    if (step_count == 1) return;
    const auto step = static_cast<double>(step_count - 1);
    double rate = lr;
    if (correct_bias)
      rate *= std::sqrt(1.0 - std::pow(betas[1], step)) / (1.0 - std::pow(betas[0], step));
    const std::span<T> p = t.P<T>();
    const std::span<T> m = t.State<T>(0);
    const std::span<T> v = t.State<T>(1);
    const Numbers<T> projected = Project<T>(t, g, false);
    LerpInto(m, Const(g), 1.0 - betas[0]);
    const T w = static_cast<T>(1.0 - betas[1]);
    Numbers<T> u = Project<T>(t, m, false);
    for (std::size_t i = 0; i < u.size(); ++i) {
      v[i] = v[i] + w * (projected[i] * projected[i] - v[i]);
      u[i] /= std::sqrt(v[i]) + static_cast<T>(eps);
    }
    u = Project<T>(t, u, true);
    if (normalize_gradient) {
      const T rms = Norm<T>(u) / std::sqrt(static_cast<T>(u.size())) + static_cast<T>(eps);
      for (T& x : u) x /= rms;
    }
    AddScaled(p, u, -rate);
    ApplyDecay(t, p, {}, lr, weight_decay, true, false);
    AddStatistics<T>(t, g);
    if ((step_count - 1) % precondition_frequency == 0) RefineBasis<T>(t);
  }
};
OPTIM_RULE(SOAP, "soap");

}  // namespace malmoi::optim::matrix
