#pragma once

#include "base/result.h"
#include "json/value.h"
#include "vec/filter.h"

namespace malmoi::vec {

// The JSON of a condition with a "key". Several tests in one object are alternatives, as Qdrant
// has them. Errors: kInvalidArgument.
Result<Condition> ParseFieldCondition(const json::Value& json);
Result<std::string> ParseKey(const json::Value* json);
Error FilterError(std::string message);

}  // namespace malmoi::vec
