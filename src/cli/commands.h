#pragma once

#include <cstdio>
#include <string>

#include "base/cancel.h"
#include "base/result.h"
#include "cli/arguments.h"
#include "cli/settings.h"

namespace malmoi::cli {

// What every command gets. Results go to `out`, everything else to `err`.
struct Context {
  const Arguments& arguments;
  const Settings& settings;
  std::FILE* out;
  std::FILE* err;
  const Cancel* cancel;  // Set by SIGINT and SIGTERM.
};

inline constexpr int kFound = 0;
inline constexpr int kNothing = 1;
inline constexpr int kUsage = 2;
inline constexpr int kFailure = 3;

// Each returns the exit code.
Result<int> CmdIndex(const Context& context);
Result<int> CmdSearch(const Context& context);
Result<int> CmdAsk(const Context& context);
Result<int> CmdVerify(const Context& context);
Result<int> CmdStatus(const Context& context);
Result<int> CmdEval(const Context& context);
Result<int> CmdServe(const Context& context);
Result<int> CmdServeStore(const Context& context);
Result<int> CmdStoreCopy(const Context& context);
Result<int> CmdStoreImport(const Context& context);
Result<int> CmdServeEmbed(const Context& context);
Result<int> CmdModels(const Context& context);
Result<int> CmdEmbedCheck(const Context& context);
Result<int> CmdEmbedQuality(const Context& context);
Result<int> CmdDoctor(const Context& context);
Result<int> CmdBench(const Context& context);
Result<int> CmdBenchStore(const Context& context);      // Of CmdBench, "store".
Result<int> CmdBenchTokenizer(const Context& context);  // And "tokenizer [JSON [TEXTS]]".
Result<int> CmdOptim(const Context& context);
Result<int> CmdBenchOptim(const Context& context);
Result<int> CmdConfig(const Context& context);

// Runs the command that the arguments name and turns an error into its message and exit code:
// 2 for kInvalidArgument and kOutOfRange, 3 for the rest.
int Run(const Context& context);

// The request of search and ask. Errors: kInvalidArgument for a filter that is neither KEY=VALUE
// nor JSON.
struct FilterText {
  std::string json;  // Empty: none.
};
Result<FilterText> ParseFilterFlags(const std::vector<std::string>& flags);

}  // namespace malmoi::cli
