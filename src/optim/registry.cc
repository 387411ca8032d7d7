#include "optim/registry.h"

#include <algorithm>

#include "base/strings.h"
#include "optim/engine.h"

namespace malmoi::optim {

#define OPTIM_ROW(Class) extern const RuleRow k##Class##Row;
#include "optim/rules/table.inc"
#undef OPTIM_ROW

namespace {

constexpr const RuleRow* kRules[] = {
#define OPTIM_ROW(Class) &k##Class##Row,
#include "optim/rules/table.inc"
#undef OPTIM_ROW
};

std::string Lower(std::string_view s) {
  std::string out(s);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return out;
}

}  // namespace

std::span<const RuleRow* const> RuleRows() {
  return kRules;
}

std::span<const FactoryRow> FactoryRows() {
  return {};
}

const RuleRow* FindRule(std::string_view name) {
  const std::string wanted = Lower(name);
  for (const RuleRow* row : kRules) {
    if (wanted == row->name || wanted == Lower(row->class_name)) return row;
  }
  return nullptr;
}

const FactoryRow* FindFactory(std::string_view name) {
  const std::string wanted = Lower(name);
  for (const FactoryRow& row : FactoryRows()) {
    if (wanted == row.name || wanted == Lower(row.class_name)) return &row;
  }
  return nullptr;
}

Result<std::unique_ptr<Optimizer>> Optimizer::Create(std::string_view name,
                                                     std::vector<Group> groups,
                                                     const json::Value& options,
                                                     const EngineOptions& engine) {
  if (const RuleRow* row = FindRule(name)) {
    return Engine::Make(*row, std::move(groups), options, engine);
  }
  if (const FactoryRow* row = FindFactory(name)) {
    return row->make(std::move(groups), options, engine);
  }
  return Error(Code::kNotFound, "no optimizer '" + std::string(name) + "'; there are " +
                                    std::to_string(OptimizerNames().size()) +
                                    ", see: malmoi optim list");
}

std::vector<std::string> OptimizerNames() {
  std::vector<std::string> names;
  for (const RuleRow* row : kRules) names.emplace_back(row->name);
  for (const FactoryRow& row : FactoryRows()) names.emplace_back(row.name);
  std::sort(names.begin(), names.end());
  return names;
}

Result<json::Value> DefaultOptions(std::string_view name) {
  const RuleRow* row = FindRule(name);
  if (row == nullptr) return Error(Code::kNotFound, "no rule '" + std::string(name) + "'");
  const auto rule = row->make();
  Fields fields;
  rule->BindAll(fields);
  return fields.All();
}

}  // namespace malmoi::optim
