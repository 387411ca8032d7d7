#include "optim/rule.h"

namespace malmoi::optim {
namespace {

Error OutOfRange(const char* name, double value, const char* wanted) {
  return Error(
      Code::kInvalidArgument,
      std::string(name) + " = " + json::Value::Double(value).Dump() + ": expected " + wanted);
}

}  // namespace

void Rule::BindAll(Fields& f) {
  Bind(f);
  f("lr", lr)("weight_decay", weight_decay)("weight_decouple", weight_decouple);
  f("fixed_decay", fixed_decay)("maximize", maximize)("use_gc", use_gc)("adanorm", adanorm);
  f("adanorm_r", adanorm_r)("adam_debias", adam_debias)("cautious", cautious);
  f("stable_adamw", stable_adamw);
  // Ways of computing the same in PyTorch; accepted and without effect here.
  f("foreach", ignored_)("capturable", ignored_)("differentiable", ignored_)("fused", ignored_);
}

void Rule::BindStateAll(Fields& f) {
  BindState(f);
  f("step", step_count);
}

Status Rule::CheckAll() {
  if (!(lr >= 0)) return OutOfRange("lr", lr, "a number >= 0");
  if (!(weight_decay >= 0)) return OutOfRange("weight_decay", weight_decay, "a number >= 0");
  Fields fields;
  BindAll(fields);
  for (const char* name : {"eps", "eps1", "eps2", "momentum"}) {
    const auto value = fields.Get(name).AsDouble();
    if (value && !(*value >= 0)) return OutOfRange(name, *value, "a number >= 0");
  }
  const json::Value betas = fields.Get("betas");
  for (const json::Value& item : betas.items()) {
    if (item.is_null() && !NullBeta()) {
      return Error(Code::kInvalidArgument, "betas has a null: expected numbers from 0 to 1");
    }
    const auto beta = item.AsDouble();
    if (beta && !(*beta >= 0 && *beta <= 1)) {
      return OutOfRange("betas", *beta, "numbers from 0 to 1");
    }
  }
  return Check();
}

}  // namespace malmoi::optim
