#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/result.h"
#include "json/value.h"

namespace malmoi::text {

// What a 'Replace' normalizer or decoder looks for: the next match at or after `from`, npos where
// there is none. The empty pattern stands for the regular expression ' {2,}'.
std::size_t FindReplaced(std::string_view text, std::string_view pattern, std::size_t from,
                         std::size_t* length);
// Errors: kUnsupported for any other regular expression.
Result<std::string> ReadReplacePattern(const json::Value& value, std::string_view slot);

}  // namespace malmoi::text
