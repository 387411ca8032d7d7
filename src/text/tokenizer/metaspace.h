#pragma once

#include <string>

#include "base/result.h"
#include "json/value.h"

namespace malmoi::text {

// SentencePiece's visible space. The pre-tokenizer and the decoder share these.
enum class PrependScheme { kAlways, kFirst, kNever };
struct MetaspaceOptions {
  std::string replacement;  // One character, "▁" as a rule.
  PrependScheme scheme = PrependScheme::kAlways;
  bool split = true;
};
// Reads also the older form, `add_prefix_space`. Errors: kInvalidArgument.
Result<MetaspaceOptions> ReadMetaspaceOptions(const json::Value& value);

}  // namespace malmoi::text
