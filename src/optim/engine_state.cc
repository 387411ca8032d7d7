// The part of Engine that shows and replaces state.
#include <cmath>
#include <cstring>

#include "optim/engine.h"
#include "optim/storage.h"

namespace malmoi::optim {
namespace {

Error Invalid(const std::string& message) {
  return Error(Code::kInvalidArgument, message);
}

json::Value ScalarValue(const ScalarState& s) {
  switch (s.kind) {
    case ScalarKind::kInt:
      return json::Value::Int(static_cast<std::int64_t>(s.value));
    case ScalarKind::kBool:
      return json::Value::Bool(s.value != 0);
    default:
      return json::Value::Double(s.value);
  }
}

double ReadNumber(const StateTensor& t) {
  if (t.storage == Storage::kF64 && t.bytes.size() == 8) {
    double v;
    std::memcpy(&v, t.bytes.data(), 8);
    return v;
  }
  float v = 0;
  if (t.storage == Storage::kF32 && t.bytes.size() == 4) std::memcpy(&v, t.bytes.data(), 4);
  if (t.storage == Storage::kBf16 && t.bytes.size() == 2) {
    std::uint16_t b;
    std::memcpy(&b, t.bytes.data(), 2);
    FromBf16(&b, &v, 1);
  }
  return static_cast<double>(v);
}

Status CopyStream(const StateTensor& from, Stream* to) {
  if (from.shape != to->shape) {
    return Invalid("state '" + from.name + "' has another shape than the parameter needs");
  }
  if (from.bytes.size() != StorageBytes(from.storage, to->n)) {
    return Invalid("state '" + from.name + "' has " + std::to_string(from.bytes.size()) +
                   " bytes, expected " + std::to_string(StorageBytes(from.storage, to->n)));
  }
  if (from.storage == to->storage) {
    std::memcpy(to->bytes.data(), from.bytes.data(), from.bytes.size());
    return Ok();
  }
  if (from.storage == Storage::kQ8) return Invalid("state '" + from.name + "' is 8-bit");
  Buffer<float> wide(to->n);
  if (from.storage == Storage::kF32) std::memcpy(wide.data(), from.bytes.data(), to->n * 4);
  if (from.storage == Storage::kBf16) {
    Buffer<std::uint16_t> halves(to->n);
    std::memcpy(halves.data(), from.bytes.data(), to->n * 2);
    FromBf16(halves.data(), wide.data(), to->n);
  }
  if (from.storage == Storage::kF64) {
    for (std::size_t i = 0; i < to->n; ++i) {
      double v;
      std::memcpy(&v, from.bytes.data() + 8 * i, 8);
      wide[i] = static_cast<float>(v);
    }
  }
  switch (to->storage) {
    case Storage::kF32:
      std::memcpy(to->bytes.data(), wide.data(), to->n * 4);
      break;
    case Storage::kBf16:
      ToBf16(wide.data(), reinterpret_cast<std::uint16_t*>(to->bytes.data()), to->n);
      break;
    case Storage::kQ8:
      ToQ8(wide.data(), to->non_negative, to->bytes.data(), to->scales.data(), to->n);
      break;
    case Storage::kF64: {
      auto* out = reinterpret_cast<double*>(to->bytes.data());
      for (std::size_t i = 0; i < to->n; ++i) out[i] = static_cast<double>(wide[i]);
      break;
    }
  }
  return Ok();
}

}  // namespace

Result<json::Value> Engine::Option(std::size_t group, std::string_view name) const {
  if (group >= rules_.size()) return Invalid("no group " + std::to_string(group));
  Fields fields;
  rules_[group]->BindAll(fields);
  if (!fields.Has(name)) return Invalid("no option '" + std::string(name) + "'");
  return fields.Get(name);
}

Status Engine::SetOption(std::size_t group, std::string_view name, const json::Value& value) {
  if (group >= rules_.size()) return Invalid("no group " + std::to_string(group));
  Fields fields;
  Rule& rule = *rules_[group];
  rule.BindAll(fields);
  const json::Value before = fields.Get(name);
  MALMOI_TRY(fields.Set(name, value));
  if (auto ok = rule.CheckAll(); !ok.ok()) {
    MALMOI_TRY(fields.Set(name, before));
    return ok;
  }
  return Ok();
}

json::Value Engine::GroupState(std::size_t group) const {
  Fields fields;
  if (group < rules_.size()) {
    rules_[group]->BindAll(fields);
    rules_[group]->BindStateAll(fields);
  }
  return fields.All();
}

Status Engine::SetGroupState(std::size_t group, const json::Value& values) {
  if (group >= rules_.size()) return Invalid("no group " + std::to_string(group));
  Fields fields;
  Rule& rule = *rules_[group];
  rule.BindAll(fields);
  rule.BindStateAll(fields);
  const json::Value before = fields.All();
  const auto restore = [&] {
    for (const auto& [name, value] : before.members()) (void)fields.Set(name, value);
  };
  for (const auto& [name, value] : values.members()) {
    if (!fields.Has(name)) continue;  // "params" and what a wrapper adds.
    if (auto ok = fields.Set(name, value); !ok.ok()) {
      restore();
      return ok;
    }
  }
  if (auto ok = rule.CheckAll(); !ok.ok()) {
    restore();
    return ok;
  }
  return Ok();
}

Result<ParameterState> Engine::State(std::size_t parameter) const {
  if (parameter >= tensors_.size()) {
    return Invalid("no parameter " + std::to_string(parameter));
  }
  ParameterState out;
  out.scalars = json::Value::Object({});
  const Tensor& t = *tensors_[parameter];
  if (!t.state.initialized) return out;
  const bool f64 = t.parameter.storage == Storage::kF64;
  for (const Stream& s : t.state.streams) {
    StateTensor entry{s.name, s.storage, s.shape, {s.bytes.data(), StorageBytes(s.storage, s.n)}};
    if (s.storage == Storage::kQ8) {
      Buffer<unsigned char> wide(s.n * 4);
      FromQ8(s.bytes.data(), s.scales.data(), s.non_negative, reinterpret_cast<float*>(wide.data()),
             s.n);
      entry.storage = Storage::kF32;
      entry.bytes = {wide.data(), s.n * 4};
      out.owned.push_back(std::move(wide));
    }
    out.tensors.push_back(std::move(entry));
  }
  std::vector<json::Value::Member> members;
  for (const ScalarState& s : t.state.scalars) {
    if (s.kind != ScalarKind::kTensor0 && s.kind != ScalarKind::kTensor1) {
      members.emplace_back(s.name, ScalarValue(s));
      continue;
    }
    Buffer<unsigned char> bytes(8);
    const auto narrow = static_cast<float>(s.value);
    std::memcpy(bytes.data(), f64 ? static_cast<const void*>(&s.value) : &narrow, f64 ? 8 : 4);
    out.tensors.push_back({s.name,
                           f64 ? Storage::kF64 : Storage::kF32,
                           s.kind == ScalarKind::kTensor0 ? Shape{} : Shape{1},
                           {bytes.data(), f64 ? 8u : 4u}});
    // The exact value beside, so that a resumed run continues bit for bit.
    members.emplace_back(s.name, json::Value::Double(s.value));
    out.owned.push_back(std::move(bytes));
  }
  if (!t.kahan.empty()) {
    out.tensors.push_back({"kahan_comp",
                           Storage::kBf16,
                           t.parameter.shape,
                           {t.kahan.data(), Elements(t.parameter.shape) * 2}});
  }
  out.scalars = json::Value::Object(std::move(members));
  return out;
}

Status Engine::SetState(std::size_t parameter, const ParameterState& state) {
  if (parameter >= tensors_.size()) return Invalid("no parameter " + std::to_string(parameter));
  Tensor& t = *tensors_[parameter];
  if (Elements(t.parameter.shape) == 0) {
    if (state.tensors.empty()) return Ok();
    return Invalid("parameter '" + t.parameter.name + "' has no elements and keeps no state");
  }
  TensorState kept = std::move(t.state);
  Buffer<unsigned char> kept_kahan = std::move(t.kahan);
  t.kahan = {};
  InitState(t);
  const auto apply = [&]() -> Status {
    std::size_t streams = 0;
    for (const StateTensor& entry : state.tensors) {
      const std::string where = "parameter '" + t.parameter.name + "'";
      if (entry.name == "kahan_comp") {
        if (!t.kahan.empty() && entry.bytes.size() == Elements(t.parameter.shape) * 2) {
          std::memcpy(t.kahan.data(), entry.bytes.data(), entry.bytes.size());
        }
      } else if (Stream* stream = t.state.Find(entry.name)) {
        MALMOI_TRY(CopyStream(entry, stream).With(where));
        ++streams;
      } else if (ScalarState* scalar = t.state.FindScalar(entry.name)) {
        scalar->value = ReadNumber(entry);
      } else {
        return Invalid(where + ": this optimizer keeps no state '" + entry.name + "'");
      }
    }
    for (const auto& [name, value] : state.scalars.members()) {
      ScalarState* scalar = t.state.FindScalar(name);
      const auto number =
          value.is_bool() ? std::optional<double>(*value.AsBool() ? 1.0 : 0.0) : value.AsDouble();
      if (scalar == nullptr || !number) {
        return Invalid("parameter '" + t.parameter.name + "': this optimizer keeps no number '" +
                       name + "'");
      }
      scalar->value = *number;
    }
    if (streams != t.state.streams.size()) {
      return Invalid("parameter '" + t.parameter.name + "': " + std::to_string(streams) + " of " +
                     std::to_string(t.state.streams.size()) + " states given");
    }
    return Ok();
  };
  if (state.tensors.empty() && state.scalars.members().empty()) {
    t.state = {};
    return Ok();
  }
  if (auto ok = apply(); !ok.ok()) {
    t.state = std::move(kept);
    t.kahan = std::move(kept_kahan);
    return ok;
  }
  return Ok();
}

}  // namespace malmoi::optim
