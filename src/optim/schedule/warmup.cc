// The reference's own schedules: warm-ups, restarts, REX, warmup-stable-decay, Chebyshev.
#include <algorithm>
#include <cmath>
#include <numbers>

#include "optim/schedule/schedule_internal.h"

namespace malmoi::optim {
namespace {

constexpr double kPi = std::numbers::pi;

struct WarmupShape {
  double total = 0;
  double max_lr = 0;
  double min_lr = 0;
  double init_lr = 0;
  double warmup = 0;
};

// Linear from init_lr to max_lr, then `decay` of the steps since. The rate is min_lr before the
// first step, and the first step gives init_lr.
class WarmupSchedule final : public Schedule {
 public:
  using Decay = std::function<double(const WarmupShape&, double since)>;
  WarmupSchedule(WarmupShape shape, Decay decay) : shape_(shape), decay_(std::move(decay)) {
    lr_ = shape.min_lr;
  }

 private:
  double Next() override {
    const auto t = static_cast<double>(step_ - 1);
    if (t < shape_.warmup)
      return shape_.init_lr + (shape_.max_lr - shape_.init_lr) * t / shape_.warmup;
    if (t == shape_.warmup) return shape_.max_lr;
    return decay_(shape_, t - shape_.warmup);
  }
  WarmupShape shape_;
  Decay decay_;
};

Result<WarmupShape> ReadWarmup(ScheduleOptions& o) {
  WarmupShape s;
  s.total = static_cast<double>(o.Count("t_max", std::nullopt, 0));
  s.max_lr = o.NonNegative("max_lr", std::nullopt);
  s.min_lr = o.NonNegative("min_lr", 0.0);
  s.init_lr = o.NonNegative("init_lr", 0.0);
  s.warmup = static_cast<double>(o.Count("warmup_steps", 0, 0));
  MALMOI_TRY(o.status());
  return s;
}

struct RestartShape {
  double first = 0;
  double mult = 1;
  double max_lr = 1e-4;
  double min_lr = 1e-6;
  double warmup = 0;
  double gamma = 0.9;
};

class WarmupRestartSchedule final : public Schedule {
 public:
  explicit WarmupRestartSchedule(RestartShape shape) : shape_(shape), length_(shape.first) {
    lr_ = shape.min_lr;
  }

 private:
  double Next() override {
    position_ += 1;
    if (position_ >= length_) {
      cycle_ += 1;
      position_ -= length_;
      length_ = std::max(1.0, std::trunc((length_ - shape_.warmup) * shape_.mult)) + shape_.warmup;
    }
    const double top = shape_.max_lr * std::pow(shape_.gamma, cycle_);
    if (position_ < shape_.warmup)
      return (top - shape_.min_lr) * position_ / shape_.warmup + shape_.min_lr;
    return shape_.min_lr +
           (top - shape_.min_lr) *
               (1 + std::cos(kPi * (position_ - shape_.warmup) / (length_ - shape_.warmup))) / 2.0;
  }
  std::vector<double*> Extra() override { return {&position_, &length_, &cycle_}; }
  RestartShape shape_;
  double position_ = 0;
  double length_;
  double cycle_ = 0;
};

class RexSchedule final : public Schedule {
 public:
  RexSchedule(double total, double top, double low) : total_(total), top_(top), low_(low) {
    lr_ = low;
  }

 private:
  double Next() override {
    const auto t = static_cast<double>(step_);
    if (t >= total_) return low_;
    const double progress = t / total_;
    return low_ + (top_ - low_) * ((1.0 - progress) / (1.0 - progress / 2.0));
  }
  double total_;
  double top_;
  double low_;
};

class LambdaSchedule final : public Schedule {
 public:
  LambdaSchedule(double base, std::function<double(std::int64_t)> f)
      : base_(base), f_(std::move(f)) {
    lr_ = base_ * f_(0);
  }

 private:
  double Next() override { return base_ * f_(step_); }
  double base_;
  std::function<double(std::int64_t)> f_;
};

struct StableShape {
  std::int64_t warmup = 0;
  std::int64_t stable = 0;
  std::int64_t decay = 0;
  double floor = 0;
  double cycles = 0.5;
  std::string cooldown;
};

double StableRatio(const StableShape& s, std::int64_t k) {
  if (k < s.warmup)
    return static_cast<double>(k) / static_cast<double>(std::max<std::int64_t>(1, s.warmup));
  if (k < s.warmup + s.stable) return 1.0;
  if (k >= s.warmup + s.stable + s.decay) return s.floor;
  const double p = static_cast<double>(k - s.warmup - s.stable) / static_cast<double>(s.decay);
  if (s.cooldown == "1-sqrt") return 1.0 - std::sqrt(p);
  if (s.cooldown == "1-square") return 1.0 - p * p;
  if (s.cooldown == "linear") return 1.0 - p;
  const double value = std::max(0.0, 0.5 * (1.0 + std::cos(kPi * s.cycles * 2.0 * p)));
  return (1.0 - s.floor) * value + s.floor;
}

}  // namespace

ScheduleResult MakeLinear(ScheduleOptions& o, double) {
  MALMOI_TRY(const WarmupShape shape, ReadWarmup(o));
  return std::unique_ptr<Schedule>(new WarmupSchedule(shape, [](const WarmupShape& s, double t) {
    return s.max_lr + (s.min_lr - s.max_lr) * t / (s.total - s.warmup);
  }));
}

ScheduleResult MakeCosine(ScheduleOptions& o, double) {
  MALMOI_TRY(const WarmupShape shape, ReadWarmup(o));
  return std::unique_ptr<Schedule>(new WarmupSchedule(shape, [](const WarmupShape& s, double t) {
    const double phase = t / (s.total - s.warmup) * kPi;
    return s.min_lr + (s.max_lr - s.min_lr) * (std::cos(phase) + 1.0) / 2.0;
  }));
}

ScheduleResult MakePoly(ScheduleOptions& o, double) {
  const double order = o.Number("poly_order", 0.5);
  if (!(order > 0)) o.Fail("poly_order", "must be positive");
  MALMOI_TRY(const WarmupShape shape, ReadWarmup(o));
  return std::unique_ptr<Schedule>(
      new WarmupSchedule(shape, [order](const WarmupShape& s, double t) {
        return s.min_lr + (s.max_lr - s.min_lr) * std::pow(t, order);
      }));
}

ScheduleResult MakeWarmupRestart(ScheduleOptions& o, double) {
  RestartShape s;
  s.first = static_cast<double>(o.Count("first_cycle_steps", std::nullopt, 1));
  s.mult = o.Number("cycle_mult", 1.0);
  s.max_lr = o.NonNegative("max_lr", 1e-4);
  s.min_lr = o.NonNegative("min_lr", 1e-6);
  s.warmup = static_cast<double>(o.Count("warmup_steps", 0, 0));
  s.gamma = o.Number("gamma", 0.9);
  if (s.warmup >= s.first) o.Fail("warmup_steps", "must be smaller than first_cycle_steps");
  MALMOI_TRY(o.status());
  return std::unique_ptr<Schedule>(new WarmupRestartSchedule(s));
}

ScheduleResult MakeRex(ScheduleOptions& o, double) {
  const auto total = static_cast<double>(o.Count("total_steps", std::nullopt, 1));
  const double top = o.NonNegative("max_lr", 1.0);
  const double low = o.NonNegative("min_lr", 0.0);
  MALMOI_TRY(o.status());
  return std::unique_ptr<Schedule>(new RexSchedule(total, top, low));
}

Result<std::vector<double>> ChebyshevPermutedSteps(std::int64_t epochs) {
  constexpr std::int64_t kLimit = 1 << 24;
  if (epochs < 1 || epochs > kLimit)
    return Error(Code::kInvalidArgument, "Chebyshev steps of " + std::to_string(epochs) +
                                             " epochs: expected 1 to " + std::to_string(kLimit));
  constexpr double kSmall = 0.05;
  constexpr double kBig = 1.0;
  const double c = (kBig + kSmall) / 2.0;
  const double r = (kBig - kSmall) / 2.0;
  std::vector<std::int64_t> order{0};
  while (static_cast<std::int64_t>(order.size()) < epochs - 2) {
    std::vector<std::int64_t> next;
    const auto n = static_cast<std::int64_t>(order.size());
    for (const std::int64_t i : order) {
      next.push_back(i);
      next.push_back(2 * n - 1 - i);
    }
    order = std::move(next);
  }
  std::vector<double> steps;
  for (const std::int64_t i : order)
    if (i < epochs) {
      const double theta = (static_cast<double>(i) + 0.5) * kPi / static_cast<double>(epochs);
      steps.push_back(1.0 / (c - r * std::cos(theta)));
    }
  return steps;
}

ScheduleResult MakeChebyshev(ScheduleOptions& o, double base_lr) {
  const std::int64_t epochs = o.Count("num_epochs", std::nullopt, 1);
  const bool warmup = o.Flag("is_warmup", false);
  MALMOI_TRY(o.status());
  if (warmup)
    return std::unique_ptr<Schedule>(new LambdaSchedule(base_lr, [](std::int64_t) { return 1.0; }));
  std::int64_t power = 1;  // 2^(floor(log2(epochs - 1)) + 1)
  if (epochs > 1)
    while (power <= epochs - 1) power *= 2;
  MALMOI_TRY(std::vector<double> steps, ChebyshevPermutedSteps(power));
  return std::unique_ptr<Schedule>(
      new LambdaSchedule(base_lr, [steps = std::move(steps)](std::int64_t k) {
        const auto last = static_cast<std::int64_t>(steps.size()) - 1;
        return steps[static_cast<std::size_t>(std::clamp<std::int64_t>(k - 2, 0, last))];
      }));
}

ScheduleResult MakeWarmupStableDecay(ScheduleOptions& o, double base_lr) {
  StableShape s;
  s.warmup = o.Count("num_warmup_steps", std::nullopt, 0);
  s.stable = o.Count("num_stable_steps", std::nullopt, 0);
  s.decay = o.Count("num_decay_steps", std::nullopt, 0);
  s.floor = o.Number("min_lr_ratio", 0.0);
  s.cycles = o.Number("num_cycles", 0.5);
  s.cooldown = o.Choice("cooldown_type", "1-sqrt", {"cosine", "1-sqrt", "linear", "1-square"});
  MALMOI_TRY(o.status());
  return std::unique_ptr<Schedule>(
      new LambdaSchedule(base_lr, [s](std::int64_t k) { return StableRatio(s, k); }));
}

}  // namespace malmoi::optim
