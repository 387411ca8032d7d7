#include "cli/commands.h"
#include "json/writer.h"

namespace malmoi::cli {
namespace {

struct Command {
  const char* name;
  Result<int> (*run)(const Context&);
};
constexpr Command kCommands[] = {
    {"index", CmdIndex},
    {"search", CmdSearch},
    {"ask", CmdAsk},
    {"verify", CmdVerify},
    {"status", CmdStatus},
    {"eval", CmdEval},
    {"serve store", CmdServeStore},
    {"serve", CmdServe},
    {"store copy", CmdStoreCopy},
    {"store import", CmdStoreImport},
    {"models pull", CmdModels},
    {"models list", CmdModels},
    {"serve embed", CmdServeEmbed},
    {"embed check", CmdEmbedCheck},
    {"embed quality", CmdEmbedQuality},
    {"doctor", CmdDoctor},
    {"bench", CmdBench},
    {"config", CmdConfig},
    {"optim check", CmdOptim},
    {"optim list", CmdOptim},
};

int Report(const Context& context, const Error& error) {
  if (context.arguments.json) {
    json::Writer w;
    w.BeginObject().Key("error").BeginObject().Field("code", CodeName(error.code()));
    w.Field("message", error.message()).EndObject().EndObject();
    std::fprintf(context.out, "%s\n", w.text().c_str());
  }
  std::fprintf(context.err, "malmoi %s: %s\n", context.arguments.command.c_str(),
               error.message().c_str());
  const bool usage = error.code() == Code::kInvalidArgument || error.code() == Code::kOutOfRange;
  return usage ? kUsage : kFailure;
}

}  // namespace

int Run(const Context& context) {
  for (const Command& command : kCommands) {
    if (context.arguments.command != command.name) continue;
    const auto result = command.run(context);
    return result.ok() ? result.value() : Report(context, result.error());
  }
  std::fprintf(context.err, "malmoi: no command '%s'\n", context.arguments.command.c_str());
  return kUsage;
}

}  // namespace malmoi::cli
