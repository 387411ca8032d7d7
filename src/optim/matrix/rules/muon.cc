// Muon (Jordan et al. 2024) and the rules that differ from it in the momentum or the scale.
#include "optim/matrix/rules/muon_base.h"
#include "optim/matrix/torch_order.h"

namespace malmoi::optim::matrix {

// The momentum's polar factor, approximated in bf16. Source: Jordan 2024; ns_method
// "gram_newton_schulz" in f16. Deviation of the reference from the paper: the momentum is an
// exponential average.
template <class Derived>
struct MuonWith : MuonRule<Derived> {
  std::string ns_method = "newton_schulz";
  std::vector<double> ns_reset_steps{2};
  bool averaged = true;  // MuonClip sums instead.

  MuonWith() { this->lr = 2e-2; }
  void Bind(Fields& f) override {
    this->BindFamily(f);
    f("momentum", this->momentum)("weight_decouple", this->weight_decouple);
    f("nesterov", this->nesterov)("ns_method", ns_method, "newton_schulz|gram_newton_schulz");
    f("ns_reset_steps", ns_reset_steps)("adamw_eps", this->adamw_eps);
  }
  void Declare(StateList& s, const Shape&) const override {
    if (this->use_muon)
      s.Point("momentum_buffer");
    else
      this->DeclareAdamW(s);
  }
  template <class T>
  void Run(TensorStep& t) const {
    if (!this->use_muon) return this->template AdamWHalf<T>(t);
    const std::span<T> p = t.P<T>();
    const std::span<T> g = t.G<T>();
    const std::span<T> buffer = t.State<T>(0);
    this->DecayMuon(t, p, g);
    if (averaged) {
      LerpInto(buffer, Const(g), 1.0 - this->momentum);
    } else {
      Scale(buffer, this->momentum);
      AddScaled(buffer, g, 1.0);
    }
    if (this->nesterov) LerpInto(g, Const(buffer), this->momentum);
    const Matrix<T> input = AsMatrix(Const(this->nesterov ? g : buffer), t.rows());
    NewtonSchulzOptions o = this->Iteration();
    Matrix<float> update;
    if (ns_method == "gram_newton_schulz") {
      o.precision = Precision::kF16;
      o.restarts.assign(ns_reset_steps.begin(), ns_reset_steps.end());
      update = GramNewtonSchulz(input, o);
    } else {
      update = NewtonSchulz(input, o);
    }
    this->Cautious(t, &update, Const(g));
    AddScaled(p, update.data, -this->AdjustedLr(t));
  }
};

struct Muon : MuonWith<Muon> {};
OPTIM_RULE(Muon, "muon");

// Muon on one process; the tensors are spread over threads instead of ranks.
struct DistributedMuon : MuonWith<DistributedMuon> {};
OPTIM_RULE(DistributedMuon, "distributedmuon");

// Kimi 2025 (arXiv:2507.20534). The clipping of query and key weights needs the attention's
// logits: the caller scales the weights after the step (qk_clip_threshold, qk_clip_alpha).
struct MuonClip : MuonWith<MuonClip> {
  double qk_clip_threshold = 100.0;
  double qk_clip_alpha = 0.5;
  MuonClip() {
    nesterov = false;
    use_adjusted_lr = true;
    averaged = false;
  }
  void Bind(Fields& f) override {
    MuonWith<MuonClip>::Bind(f);
    f("qk_clip_threshold", qk_clip_threshold)("qk_clip_alpha", qk_clip_alpha);
  }
};
OPTIM_RULE(MuonClip, "muonclip");

// Zhang et al. 2025 (arXiv:2509.02981): step sizes from an AdaGrad accumulator of gradient norms.
struct AdaGO : MuonRule<AdaGO> {
  double gamma = 10.0;
  double eps = 5e-4;
  double v = 1e-6;
  AdaGO() {
    lr = 5e-2;
    nesterov = false;
  }
  void Bind(Fields& f) override {
    BindFamily(f);
    f("momentum", momentum)("weight_decouple", weight_decouple)("gamma", gamma)("eps", eps);
    f("v", v)("nesterov", nesterov)("adamw_eps", adamw_eps);
  }
  void Declare(StateList& s, const Shape&) const override {
    if (!use_muon) return DeclareAdamW(s);
    s.Point("momentum_buffer");
    s.Scalar("v", ScalarKind::kTensor0, v);
  }
  template <class T>
  void Run(TensorStep& t) const {
    if (!use_muon) return AdamWHalf<T>(t);
    const std::span<T> p = t.P<T>();
    const std::span<T> g = t.G<T>();
    const std::span<T> buffer = t.State<T>(0);
    DecayMuon(t, p, g);
    LerpInto(buffer, Const(g), 1.0 - momentum);
    T norm = Norm(Const(g));
    const T sum =
        static_cast<T>(t.scalar(0)) + std::min(norm * norm, static_cast<T>(gamma * gamma));
    t.scalar(0) = static_cast<double>(sum);
    if (nesterov) {
      LerpInto(g, Const(buffer), momentum);
      norm = Norm(Const(g));
    }
    Matrix<float> update =
        NewtonSchulz(AsMatrix(Const(nesterov ? g : buffer), t.rows()), Iteration());
    Cautious(t, &update, Const(g));
    const T step =
        std::max(static_cast<T>(AdjustedLr(t)) * std::min(norm, static_cast<T>(gamma)) / sum,
                 static_cast<T>(eps));
    AddScaled(p, update.data, -static_cast<double>(step));
  }
};
OPTIM_RULE(AdaGO, "adago");

// Si et al. 2025 (arXiv:2507.11005): a second moment of the polar factor. All of the update is kept
// in bf16, as in the reference.
struct AdaMuon : MuonRule<AdaMuon> {
  std::vector<double> betas{0.9, 0.95};
  double eps = 1e-10;
  AdaMuon() {
    lr = 2e-2;
    use_adjusted_lr = true;
    adamw_betas = {0.9, 0.999};
  }
  void Bind(Fields& f) override {
    BindFamily(f);
    f("betas", betas)("weight_decouple", weight_decouple)("eps", eps);
  }
  void Begin() override { adamw_eps = eps; }
  void Declare(StateList& s, const Shape& shape) const override {
    if (!use_muon) return DeclareAdamW(s);
    s.Point("m");
    s.Sized("v", {static_cast<std::int64_t>(Elements(shape))});
  }
  template <class T>
  void Run(TensorStep& t) const {
    if (!use_muon) return AdamWHalf<T>(t);
    const std::span<T> p = t.P<T>();
    const std::span<T> g = t.G<T>();
    const std::span<T> m = t.State<T>(0);
    const std::span<T> second = t.State<T>(1);
    DecayMuon(t, p, g);
    LerpInto(m, Const(g), 1.0 - betas[0]);
    Matrix<float> u = NewtonSchulz(AsMatrix(Const(m), t.rows()), Iteration());
    const T beta2 = static_cast<T>(betas[1]);
    const T rest = static_cast<T>(1.0 - betas[1]);
    const T correction = static_cast<T>(Debias(betas[1]));
    for (std::size_t i = 0; i < second.size(); ++i) {
      const T x = static_cast<T>(u.data[i]);
      second[i] = Fused(rest * x, x, beta2 * second[i]);
      u.data[i] = RoundTo(
          Precision::kBf16,
          static_cast<float>(x / (std::sqrt(second[i] / correction) + static_cast<T>(eps))));
    }
    const auto bf16 = [](double x) { return RoundTo(Precision::kBf16, static_cast<float>(x)); };
    const double scale = std::sqrt(static_cast<double>(std::min(t.rows(), t.cols())));
    const float norm = bf16(static_cast<double>(RoundTo(Precision::kBf16, NormF32(u.data))) + eps);
    const float factor = bf16(static_cast<double>(bf16(1.0 / static_cast<double>(norm))) * scale);
    for (float& x : u.data) x = RoundTo(Precision::kBf16, x * factor);
    AddScaled(p, u.data, -AdjustedLr(t));
  }
};
OPTIM_RULE(AdaMuon, "adamuon");

// Li et al. 2025 (arXiv:2510.05491): rows of the polar factor divided by their running RMS.
struct NorMuon : MuonRule<NorMuon> {
  double beta2 = 0.95;
  double eps = 1e-10;
  std::string update_scale = "preserve_norm";
  NorMuon() { lr = 2e-2; }
  void Bind(Fields& f) override {
    BindFamily(f);
    f("momentum", momentum)("beta2", beta2)("weight_decouple", weight_decouple);
    f("nesterov", nesterov)("update_scale", update_scale, "preserve_norm|match_rms");
    f("adamw_eps", adamw_eps)("eps", eps);
  }
  void Declare(StateList& s, const Shape& shape) const override {
    if (!use_muon) return DeclareAdamW(s);
    s.Point("momentum_buffer");
    s.Sized("second_momentum_buffer", {shape.empty() ? 1 : shape[0], 1});
  }
  template <class T>
  void Run(TensorStep& t) const {
    if (!use_muon) return AdamWHalf<T>(t);
    const std::span<T> p = t.P<T>();
    const std::span<T> g = t.G<T>();
    const std::span<T> buffer = t.State<T>(0);
    const std::span<T> second = t.State<T>(1);
    DecayMuon(t, p, g);
    LerpInto(buffer, Const(g), 1.0 - momentum);
    if (nesterov) LerpInto(g, Const(buffer), momentum);
    const Matrix<float> polar =
        NewtonSchulz(AsMatrix(Const(nesterov ? g : buffer), t.rows()), Iteration());
    Matrix<T> u(polar.rows, polar.cols);
    std::copy(polar.data.begin(), polar.data.end(), u.data.begin());
    const T before = Norm<T>(u.data);
    const T w = static_cast<T>(1.0 - beta2);
    for (std::size_t i = 0; i < u.rows; ++i) {
      const std::span<T> row(&u.data[i * u.cols], u.cols);
      double sum = 0;
      for (const T x : row) sum += static_cast<double>(x) * static_cast<double>(x);
      const T mean = static_cast<T>(sum / static_cast<double>(u.cols));
      second[i] = second[i] + w * (mean - second[i]);
      const T root = std::sqrt(second[i]) + static_cast<T>(eps);
      for (T& x : row) x /= root;
    }
    const T after = Norm<T>(u.data) + static_cast<T>(eps);
    const bool keep = update_scale == "preserve_norm";
    const T factor =
        keep ? before / after
             : T(1) / after * static_cast<T>(0.2 * std::sqrt(static_cast<double>(u.size())));
    for (T& x : u.data) x *= factor;
    AddScaled(p, u.data, -(keep ? AdjustedLr(t) : lr));
  }
};
OPTIM_RULE(NorMuon, "normuon");

}  // namespace malmoi::optim::matrix
