#pragma once

#include "base/result.h"
#include "cli/commands.h"

namespace malmoi::cli {

// malmoi bench store --vectors FILE [--queries FILE] | --beir DIR: recall and speed of searches.
Result<int> CmdBenchRecall(const Context& context);

}  // namespace malmoi::cli
