#pragma once

#include <span>
#include <string_view>

#include "optim/optimizer.h"
#include "optim/rule.h"

namespace malmoi::optim {

// Optimizers that are not rules: wrappers, closures with their own loop.
struct FactoryRow {
  const char* name;
  const char* class_name;
  OptimizerFactory make;
  json::Value (*defaults)() = nullptr;  // Its options, where it can list them.
};

std::span<const RuleRow* const> RuleRows();
std::span<const FactoryRow> FactoryRows();
// Adds the rows of a library above this one (matrix/, which needs BLAS), before any optimizer is
// made and before threads are started. A row replaces one of its name. `available` is asked before
// an optimizer of such a row is made.
void AddRuleRows(std::span<const RuleRow* const> rows, Status (*available)() = nullptr);
void AddFactoryRows(std::span<const FactoryRow> rows);
const RuleRow* FindRule(std::string_view name);  // By registry or class name, any case; or null.
const FactoryRow* FindFactory(std::string_view name);

}  // namespace malmoi::optim
