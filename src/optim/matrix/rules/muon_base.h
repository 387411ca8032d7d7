#pragma once

#include "optim/matrix/newton_schulz.h"
#include "optim/matrix/rules/dense.h"

namespace malmoi::optim::matrix {

// The options and the two halves that Muon and its family share: groups with use_muon are
// orthogonalised, the others follow AdamW with adamw_lr, adamw_betas, adamw_wd and adamw_eps. (The
// reference keeps those under the plain names in such a group; the Python adapter translates.)
template <class Derived>
struct MuonRule : DenseRule<Derived> {
  bool use_muon = true;
  bool use_adjusted_lr = false;
  bool nesterov = true;
  double momentum = 0.95;
  std::int64_t ns_steps = 5;
  json::Value ns_coeffs = json::Value::String("original");
  double adamw_lr = 3e-4;
  double adamw_wd = 0;
  double adamw_eps = 1e-10;
  std::vector<double> adamw_betas{0.9, 0.95};

  void BindFamily(Fields& f) {
    f("lr", this->lr)("weight_decay", this->weight_decay)("use_muon", use_muon);
    f("ns_steps", ns_steps)("ns_coeffs", ns_coeffs)("use_adjusted_lr", use_adjusted_lr);
    f("adamw_lr", adamw_lr)("adamw_betas", adamw_betas)("adamw_wd", adamw_wd);
    f("maximize", this->maximize);
  }
  Status Check() const override {
    MALMOI_TRY(ParseQuinticWeights(ns_coeffs));
    if (ns_steps <= 0)
      return Error(Code::kInvalidArgument,
                   "ns_steps is " + std::to_string(ns_steps) + ": it must be positive");
    if (!(momentum >= 0 && momentum < 1))
      return Error(Code::kInvalidArgument, "momentum must be in the range [0, 1)");
    return Ok();
  }
  void DeclareAdamW(StateList& s) const {
    s.Like("exp_avg");
    s.Square("exp_avg_sq");
  }
  NewtonSchulzOptions Iteration() const {
    NewtonSchulzOptions o;
    o.steps = static_cast<int>(ns_steps);
    auto weights = ParseQuinticWeights(ns_coeffs);
    if (weights.ok()) o.weights = std::move(weights).value();
    return o;
  }
  double AdjustedLr(const TensorStep& t) const {
    const auto out = static_cast<double>(t.rows());
    const auto in = static_cast<double>(t.cols());
    return this->lr * (use_adjusted_lr ? 0.2 * std::sqrt(std::max(out, in))
                                       : std::sqrt(std::max(1.0, out / in)));
  }
  // A tall kernel's update is a transposed copy in the reference, which the mask misses there.
  template <class T>
  void Cautious(const TensorStep& t, Matrix<float>* update, std::span<const T> g) const {
    if (!this->cautious || (t.shape().size() > 2 && t.rows() > t.cols())) return;
    std::vector<T> masked(update->data.begin(), update->data.end());
    CautiousMask<T>(masked, g);
    for (std::size_t i = 0; i < masked.size(); ++i)
      update->data[i] = RoundTo(Precision::kBf16, static_cast<float>(masked[i]));
  }
  template <class T>
  void DecayMuon(const TensorStep& t, std::span<T> p, std::span<T> g) const {
    ApplyDecay(t, p, g, this->lr, this->weight_decay, this->weight_decouple, false);
  }
  template <class T>
  void AdamWHalf(TensorStep& t) const {
    const std::span<T> p = t.P<T>();
    const std::span<T> g = t.G<T>();
    const std::span<T> m = t.State<T>(0);
    const std::span<T> v = t.State<T>(1);
    ApplyDecay(t, p, g, adamw_lr, adamw_wd, this->weight_decouple, false);
    LerpInto(m, Const(g), 1.0 - adamw_betas[0]);
    const T root = static_cast<T>(std::sqrt(this->Debias(adamw_betas[1])));
    const T step = static_cast<T>(-adamw_lr / this->Debias(adamw_betas[0]));
    const T eps = static_cast<T>(adamw_eps);
    const T w = static_cast<T>(1.0 - adamw_betas[1]);
    for (std::size_t i = 0; i < p.size(); ++i) {
      v[i] = Fused(w, g[i] * g[i] - v[i], v[i]);
      p[i] += step * m[i] / (std::sqrt(v[i]) / root + eps);
    }
  }
};

}  // namespace malmoi::optim::matrix
