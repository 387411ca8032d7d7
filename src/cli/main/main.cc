// The program. Everything it does is a command in cli/.
#include <csignal>
#include <cstdio>

#include "base/cancel.h"
#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/settings.h"
#include "ingest/reader.h"
#include "obs/log.h"
#include "os/cpu_info.h"
#include "qdrant/snapshot_child.h"

namespace {

malmoi::Cancel cancel;

// The first signal asks for an orderly end; the default action is back for the second.
void OnSignal(int signal) {
  cancel.Set();
  std::signal(signal, SIG_DFL);
}

int Fail(const char* command, const malmoi::Error& error) {
  std::fprintf(stderr, "malmoi %s: %s\n", command, error.message().c_str());
  return malmoi::cli::kUsage;
}

malmoi::obs::Level LogLevel(const std::string& name) {
  if (name == "error") return malmoi::obs::Level::kError;
  if (name == "info") return malmoi::obs::Level::kInfo;
  if (name == "debug") return malmoi::obs::Level::kDebug;
  return malmoi::obs::Level::kWarn;
}

}  // namespace

int main(int argc, char** argv) {
  malmoi::ingest::MaybeRunReaderChild(argc, argv);
  malmoi::qdrant::MaybeRunSnapshotChild(argc, argv);
  const auto parsed = malmoi::cli::ParseArguments(argc, argv);
  if (parsed.exit_code) return *parsed.exit_code;
  const auto& arguments = parsed.arguments;
  const char* command = arguments.command.c_str();
  if (auto level = malmoi::os::CheckCpuLevel(); !level.ok()) return Fail(command, level.error());
  const auto settings = malmoi::cli::Settings::Load(arguments.flags);
  if (!settings.ok()) return Fail(command, settings.error());
  malmoi::obs::LogToStderr();
  malmoi::obs::SetLogLevel(LogLevel(settings.value().Get("log")));
  std::signal(SIGINT, OnSignal);
  std::signal(SIGTERM, OnSignal);
  std::signal(SIGPIPE, SIG_IGN);
  return malmoi::cli::Run({.arguments = arguments,
                           .settings = settings.value(),
                           .out = stdout,
                           .err = stderr,
                           .cancel = &cancel});
}
