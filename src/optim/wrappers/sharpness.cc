// Sharpness-aware minimisation around a base: SAM (Foret et al. 2020, arXiv:2010.01412), GSAM
// (arXiv:2203.08065), WSAM (arXiv:2305.15817), LookSAM (arXiv:2203.02714), Friendly SAM
// (arXiv:2403.12350). A step needs a closure; the gradients before it are those at the parameters.
#include <cmath>

#include "optim/wrappers/rows.h"
#include "optim/wrappers/wrapper.h"

namespace malmoi::optim {
namespace {

class Sharpness : public Wrapper {
 public:
  static constexpr std::string_view kDefaultBase = "";

 protected:
  double rho_ = 0.05;
  bool adaptive_ = false;
  bool use_gc_ = false;
  double perturb_eps_ = 1e-12;

  void Bind(Fields& f) override {
    f("rho", rho_)("adaptive", adaptive_)("use_gc", use_gc_)("perturb_eps", perturb_eps_);
  }
  Status Check() const override {
    if (!(rho_ >= 0)) return Error(Code::kInvalidArgument, "rho must be non-negative");
    if (!(perturb_eps_ >= 0))
      return Error(Code::kInvalidArgument, "perturb_eps must be non-negative");
    return Ok();
  }
  static void Centralize(const Item& item, Values* g) {
    if (item.parameter->shape.size() < 2 || item.n == 0) return;
    const auto rows = static_cast<std::size_t>(item.parameter->shape[0]);
    const std::size_t cols = item.n / rows;
    for (std::size_t r = 0; r < rows; ++r) {
      double mean = 0;
      for (std::size_t c = 0; c < cols; ++c) mean += (*g)[r * cols + c];
      mean /= static_cast<double>(cols);
      for (std::size_t c = 0; c < cols; ++c) (*g)[r * cols + c] -= mean;
    }
  }
  // p += (p^2 or 1) g rho / norm, from gradients that SetG may have changed; gives what was added.
  Values Climb(Item& item, double scale) {
    Values g = item.G();
    if (use_gc_) {
      Centralize(item, &g);
      item.SetG(g);
    }
    Values p = item.P();
    Values e(g.size());
    for (std::size_t i = 0; i < g.size(); ++i) {
      e[i] = (adaptive_ ? p[i] * p[i] : 1.0) * g[i] * scale;
      p[i] += e[i];
    }
    item.SetP(p);
    return e;
  }
};

class Sam : public Sharpness {
  Result<StepReport> Wrap(const StepInputs& inputs) override {
    const double scale = rho_ / (GlobalNorm(adaptive_) + perturb_eps_);
    std::vector<Values> before(items_.size());
    for (std::size_t i = 0; i < items_.size(); ++i) {
      before[i] = items_[i].P();
      if (items_[i].active()) Climb(items_[i], scale);
    }
    MALMOI_TRY(Evaluate(inputs));
    for (std::size_t i = 0; i < items_.size(); ++i) items_[i].SetP(before[i]);
    return StepBase(inputs);
  }
};

class FriendlySam : public Sharpness {
  double sigma_ = 1.0;
  double lmbda_ = 0.9;
  void Bind(Fields& f) override {
    Sharpness::Bind(f);
    f("sigma", sigma_)("lmbda", lmbda_);
  }
  Result<StepReport> Wrap(const StepInputs& inputs) override {
    std::vector<Values> before(items_.size());
    for (Item& item : items_) {
      if (!item.active()) continue;
      Values g = item.G();
      Values* momentum = item.Find("momentum");
      if (momentum == nullptr) {
        item.Keep("momentum", g);
        continue;
      }
      Values apart = g;
      for (std::size_t i = 0; i < g.size(); ++i) apart[i] -= sigma_ * (*momentum)[i];
      item.SetG(apart);
      LerpValues(momentum, g, 1.0 - lmbda_);
    }
    const double scale = rho_ / (GlobalNorm(adaptive_) + perturb_eps_);
    for (std::size_t i = 0; i < items_.size(); ++i) {
      before[i] = items_[i].P();
      if (items_[i].active()) Climb(items_[i], scale);
    }
    MALMOI_TRY(Evaluate(inputs));
    for (std::size_t i = 0; i < items_.size(); ++i) items_[i].SetP(before[i]);
    return StepBase(inputs);
  }
};

class LookSam : public Sharpness {
 public:
  LookSam() { rho_ = 0.1; }

 private:
  std::int64_t k_ = 10;
  double alpha_ = 0.7;
  void Bind(Fields& f) override {
    Sharpness::Bind(f);
    f("k", k_)("alpha", alpha_);
  }
  Status Check() const override {
    if (k_ <= 0 || !(alpha_ > 0 && alpha_ < 1))
      return Error(Code::kInvalidArgument, "k must be positive and alpha in (0, 1)");
    return Sharpness::Check();
  }
  Result<StepReport> Wrap(const StepInputs& inputs) override {
    const bool climbs = steps_ % k_ == 0;
    std::vector<Values> before(items_.size());
    std::vector<Values> first(items_.size());
    const double scale = climbs ? rho_ / (GlobalNorm(adaptive_) + perturb_eps_) : 0;
    for (std::size_t i = 0; climbs && i < items_.size(); ++i) {
      if (!items_[i].active()) continue;
      before[i] = items_[i].P();
      Climb(items_[i], scale);
      first[i] = items_[i].G();
    }
    MALMOI_TRY(Evaluate(inputs));
    for (std::size_t i = 0; i < items_.size(); ++i) {
      Item& item = items_[i];
      if (!before[i].empty()) item.SetP(before[i]);
      if (!item.active()) continue;
      Values g = item.G();
      const double norm = NormValues(g);
      if (climbs && !first[i].empty()) {
        const double first_norm = std::max(NormValues(first[i]), perturb_eps_);
        for (double& x : first[i]) x /= first_norm;
        const double along = DotValues(first[i], g) / std::max(norm, perturb_eps_);
        Values gv = g;
        for (std::size_t j = 0; j < gv.size(); ++j) gv[j] -= norm * along * first[i][j];
        item.Keep("gv", std::move(gv));
      } else if (Values* gv = climbs ? nullptr : item.Find("gv")) {
        const double factor = alpha_ * norm / (NormValues(*gv) + 1e-8);
        for (std::size_t j = 0; j < g.size(); ++j) g[j] += factor * (*gv)[j];
        item.SetG(g);
      }
    }
    return StepBase(inputs);
  }
};

class WeightedSam : public Sharpness {
  double gamma_ = 0.9;
  bool decouple_ = true;
  std::optional<double> max_norm_;
  void Bind(Fields& f) override {
    f("rho", rho_)("adaptive", adaptive_)("eps", perturb_eps_)("gamma", gamma_);
    f("decouple", decouple_)("max_norm", max_norm_);
  }
  void Clip() {
    if (!max_norm_) return;
    const double factor = std::min(1.0, *max_norm_ / (GlobalNorm(false) + 1e-6));
    for (Item& item : items_) {
      if (!item.active()) continue;
      Values g = item.G();
      for (double& x : g) x *= factor;
      item.SetG(g);
    }
  }
  Result<StepReport> Wrap(const StepInputs& inputs) override {
    const double alpha = gamma_ / (1.0 - gamma_);
    const double scale = rho_ / (GlobalNorm(adaptive_) + perturb_eps_);
    std::vector<Values> added(items_.size());
    std::vector<Values> first(items_.size());
    for (std::size_t i = 0; i < items_.size(); ++i) {
      if (!items_[i].active()) continue;
      first[i] = items_[i].G();
      added[i] = Climb(items_[i], scale);
    }
    MALMOI_TRY(Evaluate(inputs));
    for (std::size_t i = 0; i < items_.size(); ++i) {
      Values p = items_[i].P();
      for (std::size_t j = 0; j < added[i].size(); ++j) p[j] -= added[i][j];
      items_[i].SetP(p);
    }
    Clip();
    for (std::size_t i = 0; i < items_.size(); ++i) {
      Item& item = items_[i];
      if (!item.active()) continue;
      Values g = item.G();
      first[i].resize(g.size());
      if (decouple_) {
        Values sharpness = g;
        for (std::size_t j = 0; j < g.size(); ++j) sharpness[j] -= first[i][j];
        item.SetG(first[i]);
        added[i] = std::move(sharpness);
      } else {
        LerpValues(&g, first[i], 1.0 - alpha);
        item.SetG(g);
      }
    }
    auto report = StepBase(inputs);
    if (!report.ok() || !decouple_) return report;
    for (std::size_t i = 0; i < items_.size(); ++i) {
      if (!items_[i].active()) continue;
      const double rate = Number(items_[i].group, "lr", 0) * alpha;
      Values p = items_[i].P();
      for (std::size_t j = 0; j < p.size(); ++j) p[j] -= rate * added[i][j];
      items_[i].SetP(p);
    }
    return report;
  }
};

class Gsam : public Sharpness {
  double alpha_ = 0.4;
  void Bind(Fields& f) override {
    Sharpness::Bind(f);
    f("alpha", alpha_);
  }
  Result<StepReport> Wrap(const StepInputs& inputs) override {
    const double scale = rho_ / (GlobalNorm(adaptive_) + perturb_eps_);
    std::vector<Values> added(items_.size());
    std::vector<Values> first(items_.size());
    double first_sum = 0;
    for (std::size_t i = 0; i < items_.size(); ++i) {
      if (!items_[i].active()) continue;
      first[i] = items_[i].G();
      first_sum += DotValues(first[i], first[i]);
      added[i] = Climb(items_[i], scale);
    }
    MALMOI_TRY(Evaluate(inputs));
    const double norm = GlobalNorm(false);
    const double first_norm = std::sqrt(first_sum);
    double inner = 0;
    for (std::size_t i = 0; i < items_.size(); ++i)
      if (items_[i].active() && !first[i].empty()) inner += DotValues(first[i], items_[i].G());
    const double cosine = inner / (norm * first_norm + perturb_eps_);
    const double along = cosine * first_norm / (norm + perturb_eps_);
    for (std::size_t i = 0; i < items_.size(); ++i) {
      Item& item = items_[i];
      if (item.active()) {
        Values g = item.G();
        first[i].resize(g.size());
        for (std::size_t j = 0; j < g.size(); ++j) g[j] -= alpha_ * (first[i][j] - along * g[j]);
        item.SetG(g);
      }
      Values p = item.P();
      for (std::size_t j = 0; j < added[i].size(); ++j) p[j] -= added[i][j];
      item.SetP(p);
    }
    return StepBase(inputs);
  }
};

}  // namespace

std::span<const FactoryRow> SharpnessRows() {
  static constexpr FactoryRow kRows[] = {
      {"sam", "SAM", MakeWrapper<Sam>},
      {"friendlysam", "FriendlySAM", MakeWrapper<FriendlySam>},
      {"looksam", "LookSAM", MakeWrapper<LookSam>},
      {"wsam", "WSAM", MakeWrapper<WeightedSam>},
      {"gsam", "GSAM", MakeWrapper<Gsam>},
  };
  return kRows;
}

}  // namespace malmoi::optim
