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
};

std::span<const RuleRow* const> RuleRows();
std::span<const FactoryRow> FactoryRows();
const RuleRow* FindRule(std::string_view name);  // By registry or class name, any case; or null.
const FactoryRow* FindFactory(std::string_view name);

}  // namespace malmoi::optim
