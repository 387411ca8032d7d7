#include "optim/wrappers/with_base.h"

#include <utility>
#include <vector>

namespace malmoi::optim {

Error WithBase::NotInPieces() {
  return Error(Code::kUnsupported,
               "a wrapped optimizer cannot step in pieces: step it as a whole, or its base");
}

Status WithBase::OpenBase(std::vector<Group> groups, const json::Value& options,
                          const EngineOptions& engine, std::string_view default_base) {
  Fields fields;
  Bind(fields);
  std::vector<json::Value::Member> rest;
  const json::Value* base = nullptr;
  for (const auto& [name, value] : options.members()) {
    if (name == "base_optimizer") {
      base = &value;
    } else if (fields.Has(name)) {
      MALMOI_TRY(fields.Set(name, value));
    } else {
      rest.emplace_back(name, value);
    }
  }
  MALMOI_TRY(Check());
  std::string name(default_base);
  if (base != nullptr)
    for (const auto& [key, value] : base->members()) {
      if (key == "name")
        name = std::string(value.AsString().value_or(""));
      else
        rest.emplace_back(key, value);
    }
  if (name.empty())
    return Error(Code::kInvalidArgument,
                 "a wrapper needs option base_optimizer, an object with the base's name and "
                 "options");
  MALMOI_TRY(base_, Optimizer::Create(name, std::move(groups), json::Value::Object(std::move(rest)),
                                      engine));
  return Ok();
}

Result<json::Value> WithBase::Option(std::size_t group, std::string_view name) const {
  Fields fields;
  const_cast<WithBase*>(this)->Bind(fields);
  if (fields.Has(name)) return fields.Get(name);
  return base_->Option(group, name);
}

Status WithBase::SetOption(std::size_t group, std::string_view name, const json::Value& value) {
  Fields fields;
  Bind(fields);
  if (!fields.Has(name)) return base_->SetOption(group, name, value);
  const json::Value before = fields.Get(name);
  MALMOI_TRY(fields.Set(name, value));
  if (auto ok = Check(); !ok.ok()) {
    MALMOI_TRY(fields.Set(name, before));
    return ok;
  }
  return Ok();
}

json::Value WithBase::GroupState(std::size_t group) const {
  Fields fields;
  auto* self = const_cast<WithBase*>(this);
  self->Bind(fields);
  self->BindState(fields);
  auto members = base_->GroupState(group).members();
  const json::Value own = fields.All();
  for (const auto& member : own.members()) members.push_back(member);
  return json::Value::Object(std::move(members));
}

Status WithBase::SetGroupState(std::size_t group, const json::Value& values) {
  Fields fields;
  Bind(fields);
  BindState(fields);
  std::vector<json::Value::Member> rest;
  for (const auto& [name, value] : values.members()) {
    if (fields.Has(name)) {
      MALMOI_TRY(fields.Set(name, value));
    } else {
      rest.emplace_back(name, value);
    }
  }
  return base_->SetGroupState(group, json::Value::Object(std::move(rest)));
}

}  // namespace malmoi::optim
