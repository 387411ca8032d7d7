#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "json/value.h"

namespace malmoi::optim {

// A learning rate over time, for one parameter group.
//
// lr() is the rate now; Step() moves on by one and returns the new one. Stepping is recursive where
// torch's is: it starts from lr(), so a rate set by hand in between is respected.
// Thread safety: none; one schedule belongs to one training loop.
class Schedule {
 public:
  virtual ~Schedule() = default;

  double lr() const { return lr_; }
  void set_lr(double lr) { lr_ = lr; }
  // The momentum that cycles against the rate (cyclic, one_cycle), where that is on.
  virtual std::optional<double> momentum() const { return std::nullopt; }
  double Step();
  std::int64_t step() const { return step_; }

  // Everything that Step() depends on, for a checkpoint; Restore() takes what Save() gave for a
  // schedule of the same name and options. Errors: kInvalidArgument.
  std::vector<double> Save() const;
  Status Restore(const std::vector<double>& state);

 protected:
  virtual double Next() = 0;  // The rate at step_, which Step() has raised already.
  virtual std::vector<double*> Extra() { return {}; }

  double lr_ = 0;
  std::int64_t step_ = 0;
};

// The schedule of that name (see ScheduleNames) with the reference's option names; `base_lr` is the
// optimizer's rate before. Options that the reference requires are required here.
// multiplicative takes `lr_lambda` as a number, or use MakeMultiplicative.
// Errors: kNotFound for the name; kInvalidArgument naming the option, its value and its range.
Result<std::unique_ptr<Schedule>> MakeSchedule(std::string_view name, const json::Value& options,
                                               double base_lr);
std::unique_ptr<Schedule> MakeMultiplicative(double base_lr,
                                             std::function<double(std::int64_t)> factor);

// Follows another schedule's rate linearly: max_value at max_lr, min_value at min_lr
// (GSAM's rho). `lr` is that schedule's rate.
struct Proportion {
  double max_lr = 0;
  double min_lr = 0;
  double max_value = 2.0;
  double min_value = 2.0;
  double At(double lr) const;
};

// Sixteen names, sorted; "proportion" is among them although it is not a Schedule.
const std::vector<std::string_view>& ScheduleNames();

// The permuted Chebyshev steps of n epochs. Errors: kInvalidArgument for n < 1.
Result<std::vector<double>> ChebyshevPermutedSteps(std::int64_t epochs);

}  // namespace malmoi::optim
