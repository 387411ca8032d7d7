#include "optim/optimizer.h"

#include <algorithm>
#include <memory>
#include <optional>

#include "capi/capi_internal.h"
#include "optim/torch_generator.h"
#ifdef MALMOI_WITH_MATRIX
#include "optim/matrix/register.h"
#endif

using malmoi::Code;
using malmoi::Error;
using malmoi::Result;
using malmoi::Status;
using malmoi::capi::Copy;
using malmoi::capi::Fail;
using malmoi::capi::ParseObject;
using malmoi::capi::Succeed;
namespace json = malmoi::json;
namespace optim = malmoi::optim;

struct malmoi_optimizer {
  std::unique_ptr<optim::Optimizer> optimizer;
  // What malmoi_optim_state last gave out.
  optim::ParameterState state;
  std::vector<malmoi_state_entry> entries;
  std::string scalars;
  std::optional<optim::TorchGenerator> random;  // The caller's torch.
  std::optional<double> uniform;
};

namespace {

void RegisterOnce() {
#ifdef MALMOI_WITH_MATRIX
  [[maybe_unused]] static const bool done = [] {
    optim::matrix::Register();
    return true;
  }();
#endif
}

Result<optim::Storage> StorageOf(int32_t dtype) {
  if (dtype == MALMOI_F32) return optim::Storage::kF32;
  if (dtype == MALMOI_F64) return optim::Storage::kF64;
  if (dtype == MALMOI_BF16) return optim::Storage::kBf16;
  return Error(Code::kInvalidArgument,
               "dtype " + std::to_string(dtype) + ": expected f32 (0), f64 (1) or bf16 (2)");
}
int32_t DtypeOf(optim::Storage storage) {
  if (storage == optim::Storage::kF64) return MALMOI_F64;
  return storage == optim::Storage::kBf16 ? MALMOI_BF16 : MALMOI_F32;
}

Result<optim::EngineOptions> ReadEngine(const json::Value* v) {
  optim::EngineOptions e;
  if (v == nullptr || v->is_null()) return e;
  const std::int64_t threads = v->GetInt("threads", 1);
  if (threads < 1 || threads > 1024)
    return Error(Code::kInvalidArgument,
                 "engine threads is " + std::to_string(threads) + ": expected 1 to 1024");
  e.threads = static_cast<std::size_t>(threads);
  const std::string_view state = v->GetString("state", "param");
  if (state == "bf16")
    e.state_storage = optim::Storage::kBf16;
  else if (state == "q8")
    e.state_storage = optim::Storage::kQ8;
  else if (state != "param")
    return Error(Code::kInvalidArgument,
                 "engine state is \"" + std::string(state) + "\": expected param, bf16 or q8");
  e.f32_states = v->GetBool("f32_states", false);
  e.clip_norm = v->GetDouble("clip_norm", 0);
  e.stochastic_rounding = v->GetBool("stochastic_rounding", false);
  e.kahan = v->GetBool("kahan", false);
  e.bf16_products = v->GetBool("bf16_products", false);
  e.seed = static_cast<std::uint64_t>(v->GetInt("seed", 0));
  if (const json::Value* names = v->Find("no_decay"))
    for (const json::Value& n : names->items()) e.no_decay.emplace_back(n.AsString().value_or(""));
  return e;
}

Result<std::vector<optim::Group>> ReadGroups(const malmoi_tensor* tensors, int64_t count,
                                             const json::Value* overrides) {
  std::vector<optim::Group> groups;
  if (overrides != nullptr)
    for (const json::Value& o : overrides->items()) groups.push_back({{}, o});
  if (groups.empty()) groups.emplace_back();
  for (int64_t i = 0; i < count; ++i) {
    const malmoi_tensor& t = tensors[i];
    if (t.group < 0 || t.group >= static_cast<int64_t>(groups.size()) || t.rank < 0 ||
        t.rank > 64 || (t.rank > 0 && t.shape == nullptr))
      return Error(Code::kInvalidArgument, "tensor " + std::to_string(i) + ": group " +
                                               std::to_string(t.group) + " or rank " +
                                               std::to_string(t.rank) + " is out of range");
    optim::Parameter p;
    p.name = t.name == nullptr ? std::to_string(i) : t.name;
    MALMOI_TRY(p.storage, StorageOf(t.dtype));
    MALMOI_TRY(p.grad_storage, StorageOf(t.grad_dtype));
    p.shape.assign(t.shape, t.shape + t.rank);
    p.data = t.data;
    p.grad = t.grad;
    groups[static_cast<std::size_t>(t.group)].parameters.push_back(std::move(p));
  }
  return groups;
}

Result<std::unique_ptr<optim::Optimizer>> Create(const char* name, const malmoi_tensor* tensors,
                                                 int64_t count, const char* config) {
  RegisterOnce();
  MALMOI_TRY(const json::Value parsed, ParseObject(config));
  MALMOI_TRY(std::vector<optim::Group> groups, ReadGroups(tensors, count, parsed.Find("groups")));
  MALMOI_TRY(const optim::EngineOptions engine, ReadEngine(parsed.Find("engine")));
  const json::Value* options = parsed.Find("options");
  return optim::Optimizer::Create(name == nullptr ? "" : name, std::move(groups),
                                  options == nullptr ? json::Value::Object({}) : *options, engine);
}

int CheckIndex(int64_t index, std::size_t size, const char* what) {
  if (index >= 0 && static_cast<std::size_t>(index) < size) return MALMOI_OK;
  return Fail(Code::kInvalidArgument, std::string(what) + " " + std::to_string(index) +
                                          " does not exist; there are " + std::to_string(size));
}

}  // namespace

extern "C" {

char* malmoi_optim_names(void) {
  RegisterOnce();
  std::vector<json::Value> names;
  for (std::string& name : optim::OptimizerNames()) names.push_back(json::Value::String(name));
  return Copy(json::Value::Array(std::move(names)).Dump());
}

char* malmoi_optim_defaults(const char* name) {
  RegisterOnce();
  auto options = optim::DefaultOptions(name == nullptr ? "" : name);
  if (options.ok()) return Copy(options.value().Dump());
  Fail(options.error());
  return nullptr;
}

malmoi_optimizer* malmoi_optim_create(const char* name, const malmoi_tensor* tensors, int64_t count,
                                      const char* config) {
  auto made = Create(name, tensors, count, config);
  if (!made.ok()) {
    Fail(made.error());
    return nullptr;
  }
  auto* handle = new malmoi_optimizer;
  handle->optimizer = std::move(made).value();
  return handle;
}

void malmoi_optim_destroy(malmoi_optimizer* optimizer) {
  delete optimizer;
}

int malmoi_optim_bind(malmoi_optimizer* o, void* const* data, const void* const* grads,
                      int64_t count) {
  const auto parameters = o->optimizer->parameters();
  if (count != static_cast<int64_t>(parameters.size()))
    return Fail(Code::kInvalidArgument, "binding " + std::to_string(count) + " tensors of " +
                                            std::to_string(parameters.size()));
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    if (data != nullptr) parameters[i]->data = data[i];
    if (grads != nullptr) parameters[i]->grad = grads[i];
  }
  return MALMOI_OK;
}

int malmoi_optim_step(malmoi_optimizer* o, malmoi_step* step) {
  optim::StepInputs in;
  if (step != nullptr) {
    if (step->closure != nullptr) in.closure = [step] { return step->closure(step->context); };
    in.loss = step->loss;
    in.has_loss = step->has_loss != 0;
    in.check_inf = step->check_inf != 0;
    in.grad_scale = step->grad_scale;
    if (step->hessian != nullptr)
      in.hessian.assign(step->hessian, step->hessian + o->optimizer->parameters().size());
  }
  if (o->random) {
    in.generator = &*o->random;
    in.uniform = o->uniform;
  }
  auto report = o->optimizer->Step(in);
  if (!report.ok()) return Fail(report.error());
  if (step != nullptr) {
    step->skipped = report.value().skipped ? 1 : 0;
    step->grad_norm = report.value().grad_norm;
  }
  return MALMOI_OK;
}

int malmoi_optim_set_random(malmoi_optimizer* o, const void* state, int64_t bytes, double uniform) {
  auto made =
      optim::TorchGenerator::FromTorch({static_cast<const std::byte*>(state),
                                        static_cast<std::size_t>(std::max<int64_t>(bytes, 0))});
  if (!made.ok()) return Fail(made.error());
  o->random = std::move(made).value();
  o->uniform = uniform < 0 ? std::nullopt : std::optional<double>(uniform);
  return MALMOI_OK;
}

int malmoi_optim_random(const malmoi_optimizer* o, void* state, int64_t bytes) {
  constexpr std::size_t kBytes = optim::TorchGenerator::kStateBytes;
  if (!o->random || bytes != static_cast<int64_t>(kBytes)) {
    return Fail(Code::kInvalidArgument, o->random ? "expected room for 5056 bytes"
                                                  : "malmoi_optim_set_random was not called");
  }
  o->random->ToTorch(std::span<std::byte, kBytes>(static_cast<std::byte*>(state), kBytes));
  return MALMOI_OK;
}

int malmoi_optim_begin(malmoi_optimizer* o) {
  return Succeed(o->optimizer->BeginStep());
}

int malmoi_optim_begin_with(malmoi_optimizer* o, const malmoi_step* step) {
  optim::StepInputs in;
  if (step != nullptr) {
    in.loss = step->loss;
    in.has_loss = step->has_loss != 0;
    in.grad_scale = step->grad_scale;
  }
  return Succeed(o->optimizer->BeginStep(in));
}

int malmoi_optim_coupled(const malmoi_optimizer* o) {
  return o->optimizer->Coupled() ? 1 : 0;
}

int malmoi_optim_step_param(malmoi_optimizer* o, int64_t index) {
  if (const int rc = CheckIndex(index, o->optimizer->parameters().size(), "parameter")) return rc;
  return Succeed(o->optimizer->StepParam(static_cast<std::size_t>(index)));
}

int malmoi_optim_end(malmoi_optimizer* o) {
  return Succeed(o->optimizer->EndStep());
}

int malmoi_optim_eval(malmoi_optimizer* o, int32_t eval) {
  return Succeed(eval != 0 ? o->optimizer->Eval() : o->optimizer->Train());
}

int malmoi_optim_set_options(malmoi_optimizer* o, int64_t group, const char* text) {
  if (const int rc = CheckIndex(group, o->optimizer->groups(), "group")) return rc;
  auto values = ParseObject(text);
  if (!values.ok()) return Fail(values.error());
  for (const auto& [name, value] : values.value().members())
    if (const int rc =
            Succeed(o->optimizer->SetOption(static_cast<std::size_t>(group), name, value)))
      return rc;
  return MALMOI_OK;
}

char* malmoi_optim_group_state(malmoi_optimizer* o, int64_t group) {
  if (CheckIndex(group, o->optimizer->groups(), "group") != MALMOI_OK) return nullptr;
  return Copy(o->optimizer->GroupState(static_cast<std::size_t>(group)).Dump());
}

int malmoi_optim_set_group_state(malmoi_optimizer* o, int64_t group, const char* text) {
  if (const int rc = CheckIndex(group, o->optimizer->groups(), "group")) return rc;
  auto values = ParseObject(text);
  if (!values.ok()) return Fail(values.error());
  return Succeed(o->optimizer->SetGroupState(static_cast<std::size_t>(group), values.value()));
}

int malmoi_optim_state(malmoi_optimizer* o, int64_t index, const malmoi_state_entry** entries,
                       int64_t* count, const char** scalars) {
  if (const int rc = CheckIndex(index, o->optimizer->parameters().size(), "parameter")) return rc;
  auto state = o->optimizer->State(static_cast<std::size_t>(index));
  if (!state.ok()) return Fail(state.error());
  o->state = std::move(state).value();
  o->entries.clear();
  for (const optim::StateTensor& t : o->state.tensors)
    o->entries.push_back({t.name.c_str(), DtypeOf(t.storage), static_cast<int64_t>(t.shape.size()),
                          t.shape.data(), t.bytes.data(), static_cast<int64_t>(t.bytes.size())});
  o->scalars = o->state.scalars.is_object() ? o->state.scalars.Dump() : "{}";
  *entries = o->entries.data();
  *count = static_cast<int64_t>(o->entries.size());
  *scalars = o->scalars.c_str();
  return MALMOI_OK;
}

int malmoi_optim_set_state(malmoi_optimizer* o, int64_t index, const malmoi_state_entry* entries,
                           int64_t count, const char* scalars) {
  if (const int rc = CheckIndex(index, o->optimizer->parameters().size(), "parameter")) return rc;
  optim::ParameterState state;
  for (int64_t i = 0; i < count; ++i) {
    auto storage = StorageOf(entries[i].dtype);
    if (!storage.ok()) return Fail(storage.error());
    state.tensors.push_back({entries[i].name,
                             storage.value(),
                             {entries[i].shape, entries[i].shape + entries[i].rank},
                             {static_cast<const unsigned char*>(entries[i].data),
                              static_cast<std::size_t>(entries[i].bytes)}});
  }
  auto values = ParseObject(scalars);
  if (!values.ok()) return Fail(values.error());
  state.scalars = std::move(values).value();
  return Succeed(o->optimizer->SetState(static_cast<std::size_t>(index), state));
}

int malmoi_optim_save(malmoi_optimizer* o, const char* path) {
  return Succeed(optim::SaveState(*o->optimizer, path));
}

int malmoi_optim_load(malmoi_optimizer* o, const char* path) {
  return Succeed(optim::LoadState(*o->optimizer, path));
}

}  // extern "C"
