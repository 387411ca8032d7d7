#include "optim/registry.h"

#include <algorithm>
#include <map>

#include "base/strings.h"
#include "optim/engine.h"
#include "optim/wrappers/rows.h"

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

std::vector<const RuleRow*>& Rows() {
  static std::vector<const RuleRow*> rows(std::begin(kRules), std::end(kRules));
  return rows;
}

// Rows whose optimizers need something of the machine.
std::map<const RuleRow*, Status (*)()>& Conditions() {
  static std::map<const RuleRow*, Status (*)()> conditions;
  return conditions;
}

std::vector<FactoryRow>& Factories() {
  static std::vector<FactoryRow> rows = [] {
    std::vector<FactoryRow> all;
    for (const auto& some : {AroundRows(), SharpnessRows(), PrecisionRows()})
      all.insert(all.end(), some.begin(), some.end());
    return all;
  }();
  return rows;
}

}  // namespace

std::span<const RuleRow* const> RuleRows() {
  return Rows();
}

void AddRuleRows(std::span<const RuleRow* const> rows, Status (*available)()) {
  for (const RuleRow* row : rows) {
    if (available != nullptr) Conditions()[row] = available;
    const auto same = std::find_if(Rows().begin(), Rows().end(), [&](const RuleRow* there) {
      return std::string_view(there->name) == row->name;
    });
    if (same == Rows().end()) {
      Rows().push_back(row);
    } else {
      *same = row;
    }
  }
}

void AddFactoryRows(std::span<const FactoryRow> rows) {
  for (const FactoryRow& row : rows) {
    if (FindFactory(row.name) == nullptr) Factories().push_back(row);
  }
}

std::span<const FactoryRow> FactoryRows() {
  return Factories();
}

const RuleRow* FindRule(std::string_view name) {
  const std::string wanted = Lower(name);
  for (const RuleRow* row : Rows()) {
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
    if (const auto needs = Conditions().find(row); needs != Conditions().end())
      MALMOI_TRY(needs->second().With(row->name));
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
  for (const RuleRow* row : Rows()) names.emplace_back(row->name);
  for (const FactoryRow& row : FactoryRows()) names.emplace_back(row.name);
  std::sort(names.begin(), names.end());
  return names;
}

Result<json::Value> DefaultOptions(std::string_view name) {
  const RuleRow* row = FindRule(name);
  if (row == nullptr) {
    const FactoryRow* factory = FindFactory(name);
    if (factory != nullptr && factory->defaults != nullptr) return factory->defaults();
    return Error(Code::kNotFound, "no rule '" + std::string(name) + "'");
  }
  const auto rule = row->make();
  Fields fields;
  rule->BindAll(fields);
  return fields.All();
}

}  // namespace malmoi::optim
