// Losses and schedules through the C interface.
#include <memory>

#include "capi/capi_internal.h"
#include "optim/loss/loss.h"
#include "optim/schedule/schedule.h"

using malmoi::Code;
using malmoi::capi::Fail;
using malmoi::capi::ParseObject;
namespace optim = malmoi::optim;

struct malmoi_schedule {
  std::unique_ptr<optim::Schedule> schedule;
};

namespace {

std::int64_t Count(int64_t rank, const int64_t* shape) {
  std::int64_t n = 1;
  for (int64_t i = 0; i < rank; ++i) n *= shape[i];
  return n;
}

std::vector<double> Widen(int32_t dtype, const void* data, std::int64_t n) {
  std::vector<double> out(static_cast<std::size_t>(n));
  for (std::size_t i = 0; i < out.size(); ++i)
    out[i] = dtype == MALMOI_F64 ? static_cast<const double*>(data)[i]
                                 : static_cast<double>(static_cast<const float*>(data)[i]);
  return out;
}

}  // namespace

extern "C" {

int malmoi_loss(const char* name, const char* options, int32_t dtype, const void* x, int64_t x_rank,
                const int64_t* x_shape, int32_t y_dtype, const void* y, int64_t y_rank,
                const int64_t* y_shape, double* value, int64_t* value_count, double* gradient) {
  if ((dtype != MALMOI_F32 && dtype != MALMOI_F64) ||
      (y_dtype != MALMOI_F32 && y_dtype != MALMOI_F64 && y_dtype != -1))
    return Fail(Code::kInvalidArgument, "losses take f32 or f64, and int64 class numbers");
  auto parsed = ParseObject(options);
  if (!parsed.ok()) return Fail(parsed.error());
  const std::int64_t nx = Count(x_rank, x_shape);
  const std::int64_t ny = Count(y_rank, y_shape);
  const std::vector<double> prediction = Widen(dtype, x, nx);
  std::vector<double> target;
  optim::LossInput in{{x_shape, x_shape + x_rank}, prediction, {y_shape, y_shape + y_rank}, {}, {},
                      dtype == MALMOI_F32};
  if (y_dtype == -1) {
    in.classes = {static_cast<const std::int64_t*>(y), static_cast<std::size_t>(ny)};
  } else {
    target = Widen(y_dtype, y, ny);
    in.target = target;
  }
  auto out = optim::EvaluateLoss(name == nullptr ? "" : name, parsed.value(), in);
  if (!out.ok()) return Fail(out.error());
  const auto n = static_cast<std::int64_t>(out.value().value.size());
  if (n > *value_count)
    return Fail(Code::kInvalidArgument, "room for " + std::to_string(*value_count) +
                                            " values, but there are " + std::to_string(n));
  *value_count = n;
  std::copy(out.value().value.begin(), out.value().value.end(), value);
  std::copy(out.value().gradient.begin(), out.value().gradient.end(), gradient);
  return MALMOI_OK;
}

malmoi_schedule* malmoi_schedule_create(const char* name, const char* options, double base_lr) {
  auto parsed = ParseObject(options);
  if (!parsed.ok()) {
    Fail(parsed.error());
    return nullptr;
  }
  auto made = optim::MakeSchedule(name == nullptr ? "" : name, parsed.value(), base_lr);
  if (!made.ok()) {
    Fail(made.error());
    return nullptr;
  }
  return new malmoi_schedule{std::move(made).value()};
}

double malmoi_schedule_lr(const malmoi_schedule* schedule) {
  return schedule->schedule->lr();
}

double malmoi_schedule_step(malmoi_schedule* schedule) {
  return schedule->schedule->Step();
}

void malmoi_schedule_destroy(malmoi_schedule* schedule) {
  delete schedule;
}

}  // extern "C"
