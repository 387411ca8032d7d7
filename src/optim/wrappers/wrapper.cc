#include "optim/wrappers/wrapper.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "optim/storage.h"

namespace malmoi::optim {

Values LoadValues(const void* data, Storage storage, std::size_t n) {
  Values out(n);
  if (storage == Storage::kF64) {
    std::memcpy(out.data(), data, n * sizeof(double));
    return out;
  }
  std::vector<float> narrow(n);
  if (storage == Storage::kBf16)
    FromBf16(static_cast<const std::uint16_t*>(data), narrow.data(), n);
  else if (n > 0)
    std::memcpy(narrow.data(), data, n * sizeof(float));
  std::copy(narrow.begin(), narrow.end(), out.begin());
  return out;
}

void StoreValues(const Values& values, void* data, Storage storage) {
  if (values.empty()) return;
  if (storage == Storage::kF64) {
    std::memcpy(data, values.data(), values.size() * sizeof(double));
    return;
  }
  std::vector<float> narrow(values.size());
  std::transform(values.begin(), values.end(), narrow.begin(),
                 [](double v) { return static_cast<float>(v); });
  if (storage == Storage::kBf16)
    ToBf16(narrow.data(), static_cast<std::uint16_t*>(data), narrow.size());
  else
    std::memcpy(data, narrow.data(), narrow.size() * sizeof(float));
}

void LerpValues(Values* a, const Values& b, double w) {
  for (std::size_t i = 0; i < a->size(); ++i) {
    double& x = (*a)[i];
    x = w < 0.5 ? x + w * (b[i] - x) : b[i] - (b[i] - x) * (1.0 - w);
  }
}

double DotValues(const Values& a, const Values& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

double NormValues(const Values& a) {
  return std::sqrt(DotValues(a, a));
}

void Wrapper::Item::SetG(const Values& v) {
  if (given == nullptr) given = parameter->grad;
  StoreValues(v, gradient.data(), parameter->grad_storage);
  parameter->grad = gradient.data();
}

Values* Wrapper::Item::Find(std::string_view name) {
  for (auto& [key, values] : kept)
    if (key == name) return &values;
  return nullptr;
}

Values& Wrapper::Item::Keep(const std::string& name, Values v) {
  if (Values* old = Find(name)) return *old = std::move(v);
  kept.emplace_back(name, std::move(v));
  return kept.back().second;
}

void Wrapper::Item::Drop(std::string_view name) {
  std::erase_if(kept, [&](const auto& entry) { return entry.first == name; });
}

Status Wrapper::Open(std::vector<Group> groups, const json::Value& options,
                     const EngineOptions& engine, std::string_view default_base) {
  std::vector<std::size_t> group_of;
  for (std::size_t g = 0; g < groups.size(); ++g)
    group_of.insert(group_of.end(), groups[g].parameters.size(), g);
  MALMOI_TRY(OpenBase(std::move(groups), options, engine, default_base));
  for (Parameter* p : base_->parameters()) {
    Item item;
    item.parameter = p;
    item.group = group_of[items_.size()];
    item.n = Elements(p->shape);
    item.gradient = Buffer<unsigned char>(StorageBytes(p->grad_storage, item.n));
    items_.push_back(std::move(item));
  }
  return Opened();
}

void Wrapper::RestoreGradients() {
  for (Item& item : items_) {
    if (item.given != nullptr) item.parameter->grad = item.given;
    item.given = nullptr;
  }
}

Result<StepReport> Wrapper::Step(const StepInputs& inputs) {
  std::vector<Values> before;
  for (const Item& item : items_) before.push_back(item.P());
  auto report = Wrap(inputs);
  RestoreGradients();
  if (!report.ok()) {
    for (std::size_t i = 0; i < items_.size(); ++i) items_[i].SetP(before[i]);
    return report;
  }
  ++steps_;
  return report;
}

Result<StepReport> Wrapper::StepBase(const StepInputs& inputs) {
  StepInputs plain = inputs;
  plain.closure = nullptr;
  return base_->Step(plain);
}

Status Wrapper::Evaluate(const StepInputs& inputs) {
  if (!inputs.closure)
    return Error(Code::kInvalidArgument,
                 "this optimizer requires a closure that evaluates the "
                 "loss and its gradients again");
  RestoreGradients();
  inputs.closure();
  return Ok();
}

double Wrapper::GlobalNorm(bool adaptive) const {
  double sum = 0;
  for (const Item& item : items_) {
    if (!item.active()) continue;
    Values g = item.G();
    if (adaptive) {
      const Values p = item.P();
      for (std::size_t i = 0; i < g.size(); ++i) g[i] *= std::fabs(p[i]);
    }
    sum += DotValues(g, g);
  }
  return std::sqrt(sum);
}

double Wrapper::Number(std::size_t group, std::string_view name, double fallback) const {
  auto value = base_->Option(group, name);
  return value.ok() ? value.value().AsDouble().value_or(fallback) : fallback;
}

Result<ParameterState> Wrapper::State(std::size_t parameter) const {
  MALMOI_TRY(ParameterState state, base_->State(parameter));
  const Item& item = items_[parameter];
  for (const auto& [name, values] : item.kept) {
    Buffer<unsigned char> bytes(values.size() * sizeof(double));
    std::memcpy(bytes.data(), values.data(), values.size() * sizeof(double));
    Shape shape = item.parameter->shape;
    if (values.size() != item.n) shape = {static_cast<std::int64_t>(values.size())};
    state.tensors.push_back(
        {"wrapper." + name, Storage::kF64, std::move(shape), {bytes.data(), bytes.size()}});
    state.owned.push_back(std::move(bytes));
  }
  return state;
}

Status Wrapper::SetState(std::size_t parameter, const ParameterState& state) {
  if (parameter >= items_.size())
    return Error(Code::kInvalidArgument, "no parameter " + std::to_string(parameter));
  ParameterState rest;
  rest.scalars = state.scalars;
  std::vector<std::pair<std::string, Values>> kept;
  for (const StateTensor& t : state.tensors) {
    if (!t.name.starts_with("wrapper.")) {
      rest.tensors.push_back(t);
      continue;
    }
    const std::size_t n = Elements(t.shape);
    if (t.bytes.size() != StorageBytes(t.storage, n))
      return Error(Code::kInvalidArgument,
                   "state '" + t.name + "' has " + std::to_string(t.bytes.size()) + " bytes");
    kept.emplace_back(t.name.substr(8), LoadValues(t.bytes.data(), t.storage, n));
  }
  MALMOI_TRY(base_->SetState(parameter, rest));
  items_[parameter].kept = std::move(kept);
  return Ok();
}

}  // namespace malmoi::optim
