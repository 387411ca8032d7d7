// Wrappers that look at a base's steps: Lookahead, OrthoGrad, schedule-free, TRAC, Magma.
#include <cmath>
#include <limits>
#include <numbers>

#include "optim/torch_generator.h"
#include "optim/wrappers/rows.h"
#include "optim/wrappers/wrapper.h"

namespace malmoi::optim {
namespace {

// Zhang et al. 2019 (arXiv:1907.08610): every k steps the parameters go back towards slow ones.
class Lookahead : public Wrapper {
 public:
  static constexpr std::string_view kDefaultBase = "";

 private:
  std::int64_t k_ = 5;
  double alpha_ = 0.5;
  std::string pullback_ = "none";
  std::int64_t counter_ = 0;

  void Bind(Fields& f) override {
    f("k", k_)("alpha", alpha_)("pullback_momentum", pullback_, "none|reset|pullback");
  }
  void BindState(Fields& f) override {
    Wrapper::BindState(f);
    f("counter", counter_);
  }
  Status Check() const override {
    if (k_ <= 0) return Error(Code::kInvalidArgument, "k must be positive");
    if (!(alpha_ >= 0 && alpha_ < 1))
      return Error(Code::kInvalidArgument, "alpha must be in the range [0.0, 1.0)");
    return Ok();
  }
  Status Opened() override {
    for (Item& item : items_) item.Keep("slow_params", item.P());
    return Ok();
  }
  Result<StepReport> Wrap(const StepInputs& inputs) override {
    auto report = base_->Step(inputs);
    if (!report.ok() || report.value().skipped || ++counter_ < k_) return report;
    counter_ = 0;
    for (std::size_t i = 0; i < items_.size(); ++i) {
      Item& item = items_[i];
      if (!item.active()) continue;
      Values p = item.P();
      LerpValues(&p, *item.Find("slow_params"), 1.0 - alpha_);
      item.SetP(p);
      item.Keep("slow_params", item.P());
      if (pullback_ != "none") MALMOI_TRY(PullBack(i));
    }
    return report;
  }
  // The base's momentum is averaged with a slow one, or cleared.
  Status PullBack(std::size_t i) {
    MALMOI_TRY(ParameterState state, base_->State(i));
    for (StateTensor& t : state.tensors) {
      if (t.name != "momentum_buffer") continue;
      Values m = LoadValues(t.bytes.data(), t.storage, Elements(t.shape));
      const Values* slow = items_[i].Find("slow_momentum");
      const Values zero(m.size());
      if (pullback_ == "reset")
        m = zero;
      else
        LerpValues(&m, slow == nullptr ? zero : *slow, 1.0 - alpha_);
      Buffer<unsigned char> bytes(t.bytes.size());
      StoreValues(m, bytes.data(), t.storage);
      t.bytes = {bytes.data(), bytes.size()};
      state.owned.push_back(std::move(bytes));
      if (pullback_ == "pullback") items_[i].Keep("slow_momentum", std::move(m));
      return base_->SetState(i, state);
    }
    return Ok();
  }
};

// Prieto et al. 2025 (arXiv:2501.04697): gradients orthogonal to their parameters, norm kept.
class OrthoGrad : public Wrapper {
 public:
  static constexpr std::string_view kDefaultBase = "";

 private:
  void Bind(Fields&) override {}
  void Project() {
    constexpr double kEps = 1e-30;
    for (Item& item : items_) {
      if (!item.active()) continue;
      const Values w = item.P();
      Values g = item.G();
      const double norm = NormValues(g);
      const double along = DotValues(w, g) / (DotValues(w, w) + kEps);
      for (std::size_t i = 0; i < g.size(); ++i) g[i] -= w[i] * along;
      const double rest = NormValues(g);
      const double resolution = item.parameter->storage == Storage::kF64
                                    ? std::numeric_limits<double>::epsilon()
                                    : double{std::numeric_limits<float>::epsilon()};
      const double factor = rest <= 4.0 * resolution * norm ? 0.0 : norm / (rest + kEps);
      for (double& x : g) x *= factor;
      item.SetG(g);
    }
  }
  Result<StepReport> Wrap(const StepInputs& inputs) override {
    if (inputs.closure) MALMOI_TRY(Evaluate(inputs));
    Project();
    return StepBase(inputs);
  }
};

// Defazio et al. 2024 (arXiv:2405.15682) around any base. Between steps the parameters are the
// training point; Eval moves them to the average.
class ScheduleFree : public Wrapper {
 public:
  static constexpr std::string_view kDefaultBase = "";
  Status Eval() override { return Move(1.0 - 1.0 / momentum_, false); }
  Status Train() override { return Move(1.0 - momentum_, true); }

 private:
  double momentum_ = 0.9;
  double weight_decay_ = 0;
  double r_ = 0;
  double power_ = 2.0;
  bool maximize_ = false;
  bool training_ = true;
  std::vector<double> lr_max_;
  std::vector<double> weight_sum_;

  void Bind(Fields& f) override {
    f("momentum", momentum_)("weight_decay", weight_decay_)("r", r_)("weight_lr_power", power_);
    f("maximize", maximize_);
  }
  void BindState(Fields& f) override {
    Wrapper::BindState(f);
    f("lr_max", lr_max_)("weight_sum", weight_sum_)("train_mode", training_);
  }
  Status Check() const override {
    if (!(momentum_ > 0 && momentum_ < 1))
      return Error(Code::kInvalidArgument, "momentum must be in the range (0.0, 1.0)");
    return Ok();
  }
  Status Move(double weight, bool training) {
    if (training_ == training) return Ok();
    training_ = training;
    for (Item& item : items_)
      if (const Values* z = item.Find("z")) {
        Values p = item.P();
        LerpValues(&p, *z, weight);
        item.SetP(p);
      }
    return Ok();
  }
  Result<StepReport> Wrap(const StepInputs& inputs) override {
    if (!training_)
      return Error(Code::kInvalidArgument,
                   "a schedule-free step while evaluating: call Train "
                   "before it");
    if (inputs.closure) MALMOI_TRY(Evaluate(inputs));
    lr_max_.resize(groups());
    weight_sum_.resize(groups());
    for (Item& item : items_) {
      if (!item.active()) continue;
      if (maximize_) {
        Values g = item.G();
        for (double& x : g) x = -x;
        item.SetG(g);
      }
      if (item.Find("z") == nullptr) item.Keep("z", item.P());
      Values& z = *item.Find("z");
      Values p = item.P();
      const double lr = Number(item.group, "lr", 0);
      for (double& x : z) x *= 1.0 - weight_decay_ * lr;
      for (double& x : p) x *= 1.0 - weight_decay_ * lr * (1.0 - momentum_);
      LerpValues(&p, z, 1.0 - 1.0 / momentum_);
      item.SetP(z);
      z = std::move(p);
    }
    auto report = StepBase(inputs);
    if (!report.ok()) return report;
    std::vector<double> share(groups());
    for (std::size_t k = 0; k < share.size(); ++k) {
      lr_max_[k] = std::max(lr_max_[k], Number(k, "lr", 0) * Number(k, "d", 1.0));
      const double weight =
          std::pow(static_cast<double>(steps_ + 1), r_) * std::pow(lr_max_[k], power_);
      weight_sum_[k] += weight;
      share[k] = weight_sum_[k] != 0 ? weight / weight_sum_[k] : 0;
    }
    for (Item& item : items_) {
      if (!item.active()) continue;
      Values& z = *item.Find("z");
      Values p = item.P();
      std::swap(z, p);
      LerpValues(&p, z, share[item.group]);
      LerpValues(&p, z, 1.0 - momentum_);
      item.SetP(p);
    }
    return report;
  }
};

// erf(i x) / i, whose series has no cancellation.
double ImaginaryErf(double x) {
  double term = x;
  double sum = x;
  for (int n = 1; n < 4000 && std::fabs(term) > 1e-17 * std::fabs(sum); ++n) {
    term *= x * x / n;
    sum += term / (2 * n + 1);
  }
  return 2.0 / std::sqrt(std::numbers::pi) * sum;
}

// Muppidi et al. 2024 (arXiv:2405.16642): the distance from the start is scaled by a tuner that
// needs no rate. The reference approximates the error function with 128 coefficients in f32.
class Trac : public Wrapper {
 public:
  static constexpr std::string_view kDefaultBase = "";

 private:
  std::vector<double> betas_{0.9, 0.99, 0.999, 0.9999, 0.99999, 0.999999};
  std::int64_t num_coefs_ = 128;
  double s_prev_ = 1e-8;
  double eps_ = 1e-8;
  double s_ = 0;
  std::vector<double> variance_;
  std::vector<double> sigma_;

  void Bind(Fields& f) override {
    f("betas", betas_)("num_coefs", num_coefs_)("s_prev", s_prev_)("eps", eps_);
  }
  void BindState(Fields& f) override {
    Wrapper::BindState(f);
    f("s", s_)("variance", variance_)("sigma", sigma_);
  }
  Result<StepReport> Wrap(const StepInputs& inputs) override {
    std::vector<Values> before(items_.size());
    std::vector<Values> gradients(items_.size());
    for (std::size_t i = 0; i < items_.size(); ++i) {
      before[i] = items_[i].P();
      if (items_[i].active()) gradients[i] = items_[i].G();
      if (items_[i].Find("theta_ref") == nullptr) items_[i].Keep("theta_ref", before[i]);
    }
    auto report = base_->Step(inputs);
    if (!report.ok()) return report;
    if (variance_.size() != betas_.size()) {
      variance_.assign(betas_.size(), 0.0);
      sigma_.assign(betas_.size(), 1e-8);
    }
    double h = 0;
    std::vector<Values> moves(items_.size());
    for (std::size_t i = 0; i < items_.size(); ++i) {
      if (gradients[i].empty()) continue;
      const Values& start = *items_[i].Find("theta_ref");
      const Values after = items_[i].P();
      Values& move = moves[i];
      move.resize(after.size());
      for (std::size_t j = 0; j < move.size(); ++j)
        move[j] = (before[i][j] - start[j]) / (s_ + eps_);
      h += DotValues(move, gradients[i]);
      for (std::size_t j = 0; j < move.size(); ++j) move[j] += after[j] - before[i][j];
    }
    const double factor = s_prev_ / ImaginaryErf(1.0 / std::numbers::sqrt2);
    s_ = 0;
    for (std::size_t k = 0; k < betas_.size(); ++k) {
      variance_[k] = variance_[k] * betas_[k] * betas_[k] + h * h;
      sigma_[k] = sigma_[k] * betas_[k] - h;
      s_ += ImaginaryErf(sigma_[k] / (std::sqrt(2.0 * variance_[k]) + eps_)) * factor;
    }
    const double scale = std::max(s_, 0.0);
    for (std::size_t i = 0; i < items_.size(); ++i) {
      if (moves[i].empty()) continue;
      Values p = *items_[i].Find("theta_ref");
      for (std::size_t j = 0; j < p.size(); ++j) p[j] += moves[i][j] * scale;
      items_[i].SetP(p);
    }
    return report;
  }
};

// Joo et al. 2026: whole tensors' steps are dropped at random, the others shortened by how well
// momentum and gradient agree.
class Magma : public Wrapper {
 public:
  static constexpr std::string_view kDefaultBase = "adamw";

 private:
  double mask_prob_ = 0.5;
  double tau_ = 2.0;
  double momentum_beta_ = 0.9;
  double alignment_ema_ = 0.9;
  std::string moment_key_ = "auto";
  std::int64_t draws_ = 0;

  void Bind(Fields& f) override {
    f("mask_prob", mask_prob_)("tau", tau_)("momentum_beta", momentum_beta_);
    f("alignment_ema", alignment_ema_)("moment_key", moment_key_);
  }
  void BindState(Fields& f) override {
    Wrapper::BindState(f);
    f("draws", draws_);
  }
  Status Check() const override {
    if (!(mask_prob_ >= 0 && mask_prob_ <= 1))
      return Error(Code::kInvalidArgument, "mask_prob must be in the range [0.0, 1.0]");
    if (!(tau_ > 0)) return Error(Code::kInvalidArgument, "tau must be positive");
    return Ok();
  }
  bool Draw() {  // A counter's hash below the probability, where no seed is given.
    std::uint64_t z = static_cast<std::uint64_t>(++draws_) * 0x9e3779b97f4a7c15U;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return static_cast<double>((z ^ (z >> 31)) >> 11) * 0x1p-53 < mask_prob_;
  }
  Result<Values> Moment(std::size_t i, const Values& g) {
    MALMOI_TRY(const ParameterState state, base_->State(i));
    for (const char* key : {"exp_avg", "momentum_buffer"})
      for (const StateTensor& t : state.tensors)
        if (moment_key_ == "auto" ? t.name == key : t.name == moment_key_)
          return LoadValues(t.bytes.data(), t.storage, Elements(t.shape));
    if (items_[i].Find("momentum") == nullptr) items_[i].Keep("momentum", Values(g.size()));
    Values& own = *items_[i].Find("momentum");
    LerpValues(&own, g, 1.0 - momentum_beta_);
    return own;
  }
  Result<StepReport> Wrap(const StepInputs& inputs) override {
    std::vector<Values> before;
    for (const Item& item : items_) before.push_back(item.P());
    auto report = base_->Step(inputs);
    if (!report.ok()) return report;
    std::optional<TorchGenerator> torch;
    if (inputs.has_seed) torch.emplace(inputs.seed);
    for (std::size_t i = 0; i < items_.size(); ++i) {
      Item& item = items_[i];
      if (!item.active()) continue;
      const Values g = item.G();
      MALMOI_TRY(const Values m, Moment(i, g));
      const double cosine =
          DotValues(m, g) / (std::max(NormValues(m), 1e-8) * std::max(NormValues(g), 1e-8));
      if (item.Find("alignment") == nullptr) item.Keep("alignment", {1.0});
      double& alignment = (*item.Find("alignment"))[0];
      alignment += (1.0 - alignment_ema_) * (1.0 / (1.0 + std::exp(-cosine / tau_)) - alignment);
      const double blend = (torch ? torch->Bernoulli(mask_prob_) : Draw()) ? alignment : 0.0;
      Values p = item.P();
      LerpValues(&p, before[i], 1.0 - blend);
      item.SetP(p);
    }
    return report;
  }
};

}  // namespace

std::span<const FactoryRow> AroundRows() {
  static constexpr FactoryRow kRows[] = {
      {"lookahead", "Lookahead", MakeWrapper<Lookahead>},
      {"magma", "Magma", MakeWrapper<Magma>},
      {"magma_wrapper", "MagmaWrapper", MakeWrapper<Magma>},
      {"orthograd", "OrthoGrad", MakeWrapper<OrthoGrad>},
      {"schedulefreewrapper", "ScheduleFreeWrapper", MakeWrapper<ScheduleFree>},
      {"trac", "TRAC", MakeWrapper<Trac>},
  };
  return kRows;
}

}  // namespace malmoi::optim
