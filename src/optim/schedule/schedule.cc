#include "optim/schedule/schedule.h"

#include <algorithm>
#include <cmath>

#include "base/strings.h"
#include "optim/schedule/schedule_internal.h"

namespace malmoi::optim {

double Schedule::Step() {
  ++step_;
  lr_ = Next();
  return lr_;
}

std::vector<double> Schedule::Save() const {
  std::vector<double> out{static_cast<double>(step_), lr_};
  for (const double* v : const_cast<Schedule*>(this)->Extra()) out.push_back(*v);
  return out;
}

Status Schedule::Restore(const std::vector<double>& state) {
  const std::vector<double*> extra = Extra();
  if (state.size() != extra.size() + 2)
    return Error(Code::kInvalidArgument, "restoring a schedule from " +
                                             std::to_string(state.size()) + " values: expected " +
                                             std::to_string(extra.size() + 2));
  if (!(state[0] >= 0 && state[0] < 9e15) || !std::isfinite(state[1]))
    return Error(Code::kInvalidArgument, "restoring a schedule: step or rate is not a number");
  step_ = static_cast<std::int64_t>(state[0]);
  lr_ = state[1];
  for (std::size_t i = 0; i < extra.size(); ++i) *extra[i] = state[i + 2];
  return Ok();
}

double Proportion::At(double lr) const {
  if (!(max_lr > min_lr)) return max_value;
  return min_value + (max_value - min_value) * (lr - min_lr) / (max_lr - min_lr);
}

void ScheduleOptions::Fail(std::string_view key, std::string_view why) {
  if (error_.empty())
    error_ = "schedule " + std::string(name_) + ": " + std::string(key) + " " + std::string(why);
}

Status ScheduleOptions::status() const {
  if (!error_.empty()) return Error(Code::kInvalidArgument, error_);
  return Ok();
}

bool ScheduleOptions::Has(std::string_view key) const {
  const json::Value* v = options_.Find(key);
  return v != nullptr && !v->is_null();
}

double ScheduleOptions::Number(std::string_view key, std::optional<double> fallback) {
  const json::Value* v = options_.Find(key);
  if (v == nullptr || v->is_null()) {
    if (!fallback) Fail(key, "is required");
    return fallback.value_or(0);
  }
  std::optional<double> number = v->AsDouble();
  if (!number && v->is_string()) number = ParseDouble(*v->AsString());
  if (!number || !std::isfinite(*number)) {
    Fail(key, "is " + v->Dump() + ": it must be a finite number");
    return 0;
  }
  return *number;
}

double ScheduleOptions::NonNegative(std::string_view key, std::optional<double> fallback) {
  const double v = Number(key, fallback);
  if (v < 0) Fail(key, "is " + std::to_string(v) + ": it must not be negative");
  return v;
}

std::int64_t ScheduleOptions::Count(std::string_view key, std::optional<std::int64_t> fallback,
                                    std::int64_t low) {
  std::optional<double> wide;
  if (fallback) wide = static_cast<double>(*fallback);
  const double v = Number(key, wide);
  if (!(v >= static_cast<double>(low) && v <= 1e15) || v != std::floor(v)) {
    Fail(key, "is " + FormatFixed(v, 3) + ": it must be a whole number of at least " +
                  std::to_string(low));
    return std::max<std::int64_t>(low, 1);
  }
  return static_cast<std::int64_t>(v);
}

bool ScheduleOptions::Flag(std::string_view key, bool fallback) {
  const json::Value* v = options_.Find(key);
  if (v == nullptr || v->is_null()) return fallback;
  if (!v->is_bool()) Fail(key, "is " + v->Dump() + ": it must be true or false");
  return v->AsBool().value_or(fallback);
}

std::string ScheduleOptions::Choice(std::string_view key, std::string_view fallback,
                                    const std::vector<std::string_view>& choices) {
  const json::Value* v = options_.Find(key);
  if (v == nullptr || v->is_null()) return std::string(fallback);
  const std::string text(v->AsString().value_or(""));
  if (std::find(choices.begin(), choices.end(), text) == choices.end()) {
    std::string all;
    for (std::string_view c : choices) all += (all.empty() ? "" : ", ") + std::string(c);
    Fail(key, "is " + v->Dump() + ": it must be one of " + all);
    return std::string(fallback);
  }
  return text;
}

namespace {

struct Entry {
  std::string_view name;
  ScheduleResult (*make)(ScheduleOptions&, double);
};
constexpr Entry kEntries[] = {
    {"chebyshev", MakeChebyshev},
    {"constant", MakeConstant},
    {"cosine", MakeCosine},
    {"cosine_annealing", MakeCosineAnnealing},
    {"cosine_annealing_with_warm_restart", MakeWarmRestart},
    {"cosine_annealing_with_warmup", MakeWarmupRestart},
    {"cyclic", MakeCyclic},
    {"linear", MakeLinear},
    {"multi_step", MakeMultiStep},
    {"multiplicative", MakeMultiplicativeOf},
    {"one_cycle", MakeOneCycle},
    {"poly", MakePoly},
    {"proportion", nullptr},
    {"rex", MakeRex},
    {"step", MakeStep},
    {"warmup_stable_decay", MakeWarmupStableDecay},
};

}  // namespace

const std::vector<std::string_view>& ScheduleNames() {
  static const std::vector<std::string_view> names = [] {
    std::vector<std::string_view> all;
    for (const Entry& e : kEntries) all.push_back(e.name);
    return all;
  }();
  return names;
}

Result<std::unique_ptr<Schedule>> MakeSchedule(std::string_view name, const json::Value& options,
                                               double base_lr) {
  if (!(base_lr >= 0) || !std::isfinite(base_lr))
    return Error(Code::kInvalidArgument,
                 "schedule " + std::string(name) + ": the base rate must be finite and >= 0");
  for (const Entry& e : kEntries)
    if (EqualsIgnoreCase(e.name, name) && e.make != nullptr) {
      ScheduleOptions o(e.name, options);
      return e.make(o, base_lr);
    }
  return Error(Code::kNotFound, "schedule \"" + std::string(name) +
                                    "\" is not one of the sixteen names of ScheduleNames()");
}

}  // namespace malmoi::optim
