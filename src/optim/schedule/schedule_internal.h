#pragma once

#include <string>

#include "optim/schedule/schedule.h"

namespace malmoi::optim {

// Typed reads of a schedule's options that remember the first error.
class ScheduleOptions {
 public:
  ScheduleOptions(std::string_view name, const json::Value& options)
      : name_(name), options_(options) {}

  double Number(std::string_view key, std::optional<double> fallback);
  std::int64_t Count(std::string_view key, std::optional<std::int64_t> fallback, std::int64_t low);
  bool Flag(std::string_view key, bool fallback);
  std::string Choice(std::string_view key, std::string_view fallback,
                     const std::vector<std::string_view>& choices);
  bool Has(std::string_view key) const;
  const json::Value* Find(std::string_view key) const { return options_.Find(key); }
  double NonNegative(std::string_view key, std::optional<double> fallback);
  void Fail(std::string_view key, std::string_view why);
  Status status() const;

 private:
  std::string_view name_;
  const json::Value& options_;
  std::string error_;
};

using ScheduleResult = Result<std::unique_ptr<Schedule>>;
ScheduleResult MakeConstant(ScheduleOptions& o, double base_lr);
ScheduleResult MakeStep(ScheduleOptions& o, double base_lr);
ScheduleResult MakeMultiStep(ScheduleOptions& o, double base_lr);
ScheduleResult MakeMultiplicativeOf(ScheduleOptions& o, double base_lr);
ScheduleResult MakeCyclic(ScheduleOptions& o, double base_lr);
ScheduleResult MakeOneCycle(ScheduleOptions& o, double base_lr);
ScheduleResult MakeCosineAnnealing(ScheduleOptions& o, double base_lr);
ScheduleResult MakeWarmRestart(ScheduleOptions& o, double base_lr);
ScheduleResult MakeWarmupRestart(ScheduleOptions& o, double base_lr);
ScheduleResult MakeLinear(ScheduleOptions& o, double base_lr);
ScheduleResult MakeCosine(ScheduleOptions& o, double base_lr);
ScheduleResult MakePoly(ScheduleOptions& o, double base_lr);
ScheduleResult MakeChebyshev(ScheduleOptions& o, double base_lr);
ScheduleResult MakeRex(ScheduleOptions& o, double base_lr);
ScheduleResult MakeWarmupStableDecay(ScheduleOptions& o, double base_lr);

}  // namespace malmoi::optim
