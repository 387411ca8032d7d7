// The schedules of torch.optim.lr_scheduler, recursive where torch's are.
#include <cmath>
#include <map>
#include <numbers>

#include "base/strings.h"
#include "optim/schedule/schedule_internal.h"

namespace malmoi::optim {
namespace {

constexpr double kPi = std::numbers::pi;

class ConstantSchedule final : public Schedule {
 public:
  ConstantSchedule(double base, double factor, std::int64_t total)
      : factor_(factor), total_(total) {
    lr_ = base * factor;
  }

 private:
  double Next() override { return step_ == total_ ? lr_ * (1.0 / factor_) : lr_; }
  double factor_;
  std::int64_t total_;
};

class MilestoneSchedule final : public Schedule {
 public:
  MilestoneSchedule(double base, std::map<std::int64_t, int> milestones, double gamma)
      : milestones_(std::move(milestones)), gamma_(gamma) {
    lr_ = base;
  }

 private:
  double Next() override {
    const auto it = milestones_.find(step_);
    return it == milestones_.end() ? lr_ : lr_ * std::pow(gamma_, it->second);
  }
  std::map<std::int64_t, int> milestones_;
  double gamma_;
};

class FactorSchedule final : public Schedule {
 public:
  FactorSchedule(double base, std::function<double(std::int64_t)> factor)
      : factor_(std::move(factor)) {
    lr_ = base;
  }

 private:
  double Next() override { return lr_ * factor_(step_); }
  std::function<double(std::int64_t)> factor_;
};

class CosineAnnealingSchedule final : public Schedule {
 public:
  CosineAnnealingSchedule(double base, std::int64_t t_max, double eta_min)
      : base_(base), t_max_(t_max), eta_min_(eta_min) {
    lr_ = base;
  }

 private:
  double Next() override {
    const auto t = static_cast<double>(t_max_);
    if ((step_ - 1 - t_max_) % (2 * t_max_) == 0)
      return lr_ + (base_ - eta_min_) * (1 - std::cos(kPi / t)) / 2;
    const auto k = static_cast<double>(step_);
    return (1 + std::cos(kPi * k / t)) / (1 + std::cos(kPi * (k - 1) / t)) * (lr_ - eta_min_) +
           eta_min_;
  }
  double base_;
  std::int64_t t_max_;
  double eta_min_;
};

class WarmRestartSchedule final : public Schedule {
 public:
  WarmRestartSchedule(double base, double t0, double mult, double eta_min)
      : base_(base), length_(t0), mult_(mult), eta_min_(eta_min) {
    lr_ = base;
  }

 private:
  double Next() override {
    position_ += 1;
    if (position_ >= length_) {
      position_ -= length_;
      length_ *= mult_;
    }
    return eta_min_ + (base_ - eta_min_) * (1 + std::cos(kPi * position_ / length_)) / 2;
  }
  std::vector<double*> Extra() override { return {&position_, &length_}; }
  double base_;
  double position_ = 0;
  double length_;
  double mult_;
  double eta_min_;
};

struct CyclicShape {
  double base = 0;
  double top = 0;
  double total = 0;
  double ratio = 0;
  std::string mode;
  double gamma = 1;
  bool by_cycle = true;
  bool momentum = false;
  double base_momentum = 0.8;
  double max_momentum = 0.9;
};

class CyclicSchedule final : public Schedule {
 public:
  explicit CyclicSchedule(CyclicShape shape) : shape_(std::move(shape)) { lr_ = At(); }

  std::optional<double> momentum() const override {
    if (!shape_.momentum) return std::nullopt;
    return shape_.max_momentum - (shape_.max_momentum - shape_.base_momentum) * Height();
  }

 private:
  double Next() override { return At(); }
  double At() const { return shape_.base + (shape_.top - shape_.base) * Height(); }
  double Height() const {
    const auto k = static_cast<double>(step_);
    const double cycle = std::floor(1 + k / shape_.total);
    const double x = 1.0 + k / shape_.total - cycle;
    const double height = x <= shape_.ratio ? x / shape_.ratio : (x - 1) / (shape_.ratio - 1);
    const double argument = shape_.by_cycle ? cycle : k;
    if (shape_.mode == "triangular2") return height / std::pow(2.0, argument - 1);
    if (shape_.mode == "exp_range") return height * std::pow(shape_.gamma, argument);
    return height;
  }
  CyclicShape shape_;
};

struct Phase {
  double end, lr0, lr1, momentum0, momentum1;
};

class OneCycleSchedule final : public Schedule {
 public:
  OneCycleSchedule(std::vector<Phase> phases, bool cosine, bool momentum)
      : phases_(std::move(phases)), cosine_(cosine), momentum_(momentum) {
    lr_ = Next();
  }
  std::optional<double> momentum() const override {
    if (!momentum_) return std::nullopt;
    const auto [phase, share] = Position();
    return Anneal(phase->momentum0, phase->momentum1, share);
  }

 private:
  double Next() override {
    const auto [phase, share] = Position();
    return Anneal(phase->lr0, phase->lr1, share);
  }
  std::pair<const Phase*, double> Position() const {
    const auto k = static_cast<double>(step_);
    double start = 0;
    for (std::size_t i = 0;; ++i) {
      const Phase& p = phases_[i];
      if (k <= p.end || i + 1 == phases_.size()) return {&p, (k - start) / (p.end - start)};
      start = p.end;
    }
  }
  double Anneal(double from, double to, double share) const {
    if (cosine_) return to + (from - to) / 2.0 * (std::cos(kPi * share) + 1);
    return (to - from) * share + from;
  }
  std::vector<Phase> phases_;
  bool cosine_;
  bool momentum_;
};

}  // namespace

ScheduleResult MakeConstant(ScheduleOptions& o, double base_lr) {
  const double factor = o.Number("factor", 1.0 / 3);
  if (!(factor > 0 && factor <= 1)) o.Fail("factor", "must be in (0, 1]");
  const std::int64_t total = o.Count("total_iters", 5, 0);
  MALMOI_TRY(o.status());
  return std::unique_ptr<Schedule>(new ConstantSchedule(base_lr, factor, total));
}

ScheduleResult MakeStep(ScheduleOptions& o, double base_lr) {
  const std::int64_t size = o.Count("step_size", std::nullopt, 1);
  const double gamma = o.Number("gamma", 0.1);
  MALMOI_TRY(o.status());
  return std::unique_ptr<Schedule>(new FactorSchedule(
      base_lr, [size, gamma](std::int64_t k) { return k % size == 0 ? gamma : 1.0; }));
}

ScheduleResult MakeMultiStep(ScheduleOptions& o, double base_lr) {
  const double gamma = o.Number("gamma", 0.1);
  const json::Value* list = o.Find("milestones");
  if (list == nullptr || !list->is_array()) o.Fail("milestones", "must be a list of steps");
  std::map<std::int64_t, int> milestones;
  if (list != nullptr)
    for (const json::Value& v : list->items()) {
      if (!v.AsInt()) o.Fail("milestones", "must hold whole numbers, not " + v.Dump());
      ++milestones[v.AsInt().value_or(0)];
    }
  MALMOI_TRY(o.status());
  return std::unique_ptr<Schedule>(new MilestoneSchedule(base_lr, std::move(milestones), gamma));
}

std::unique_ptr<Schedule> MakeMultiplicative(double base_lr,
                                             std::function<double(std::int64_t)> factor) {
  return std::make_unique<FactorSchedule>(base_lr, std::move(factor));
}

ScheduleResult MakeMultiplicativeOf(ScheduleOptions& o, double base_lr) {
  const double factor = o.Number("lr_lambda", std::nullopt);
  MALMOI_TRY(o.status());
  return MakeMultiplicative(base_lr, [factor](std::int64_t) { return factor; });
}

ScheduleResult MakeCosineAnnealing(ScheduleOptions& o, double base_lr) {
  const std::int64_t t_max = o.Count("T_max", std::nullopt, 1);
  const double eta_min = o.Number("eta_min", 0.0);
  MALMOI_TRY(o.status());
  return std::unique_ptr<Schedule>(new CosineAnnealingSchedule(base_lr, t_max, eta_min));
}

ScheduleResult MakeWarmRestart(ScheduleOptions& o, double base_lr) {
  const auto t0 = static_cast<double>(o.Count("T_0", std::nullopt, 1));
  const auto mult = static_cast<double>(o.Count("T_mult", 1, 1));
  const double eta_min = o.Number("eta_min", 0.0);
  MALMOI_TRY(o.status());
  return std::unique_ptr<Schedule>(new WarmRestartSchedule(base_lr, t0, mult, eta_min));
}

ScheduleResult MakeCyclic(ScheduleOptions& o, double) {
  CyclicShape s;
  s.base = o.NonNegative("base_lr", std::nullopt);
  s.top = o.NonNegative("max_lr", std::nullopt);
  const auto up = static_cast<double>(o.Count("step_size_up", 2000, 1));
  const double down =
      o.Has("step_size_down") ? static_cast<double>(o.Count("step_size_down", 1, 1)) : up;
  s.total = up + down;
  s.ratio = up / s.total;
  s.mode = o.Choice("mode", "triangular", {"triangular", "triangular2", "exp_range"});
  s.gamma = o.Number("gamma", 1.0);
  s.by_cycle = s.mode != "exp_range";
  s.momentum = o.Flag("cycle_momentum", true);
  s.base_momentum = o.Number("base_momentum", 0.8);
  s.max_momentum = o.Number("max_momentum", 0.9);
  MALMOI_TRY(o.status());
  return std::unique_ptr<Schedule>(new CyclicSchedule(std::move(s)));
}

ScheduleResult MakeOneCycle(ScheduleOptions& o, double) {
  const double top = o.NonNegative("max_lr", std::nullopt);
  double total = 0;
  if (o.Has("total_steps"))
    total = static_cast<double>(o.Count("total_steps", std::nullopt, 1));
  else
    total = static_cast<double>(o.Count("epochs", std::nullopt, 1)) *
            static_cast<double>(o.Count("steps_per_epoch", std::nullopt, 1));
  const double share = o.Number("pct_start", 0.3);
  if (!(share >= 0 && share <= 1)) o.Fail("pct_start", "must be in [0, 1]");
  const bool cosine = o.Choice("anneal_strategy", "cos", {"cos", "linear"}) == "cos";
  const bool three = o.Flag("three_phase", false);
  const double initial = top / o.Number("div_factor", 25.0);
  const double last = initial / o.Number("final_div_factor", 1e4);
  const bool momentum = o.Flag("cycle_momentum", true);
  const double low = o.Number("base_momentum", 0.85);
  const double high = o.Number("max_momentum", 0.95);
  MALMOI_TRY(o.status());
  const double rise = share * total - 1;
  std::vector<Phase> phases{{rise, initial, top, high, low}};
  if (three) {
    phases.push_back({2 * share * total - 2, top, initial, low, high});
    phases.push_back({total - 1, initial, last, high, high});
  } else {
    phases.push_back({total - 1, top, last, low, high});
  }
  return std::unique_ptr<Schedule>(new OneCycleSchedule(std::move(phases), cosine, momentum));
}

}  // namespace malmoi::optim
