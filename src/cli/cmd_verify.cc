// malmoi verify: do the citations of a saved answer still hold? malmoi status: what is indexed.
#include <unistd.h>

#include "base/strings.h"
#include "cli/backend.h"
#include "cli/commands.h"
#include "json/value.h"
#include "os/vfs.h"

namespace malmoi::cli {
namespace {

constexpr std::size_t kAnswerBytesMax = 64 << 20;

Result<std::string> ReadAnswer(const std::string& path) {
  if (path != "-") return os::ReadFile(os::PosixVfs(), path);
  std::string out;
  char buffer[65536];
  for (;;) {
    const ssize_t n = ::read(STDIN_FILENO, buffer, sizeof(buffer));
    if (n < 0) return Error(Code::kIo, "standard input cannot be read");
    if (n == 0) return out;
    out.append(buffer, static_cast<std::size_t>(n));
    if (out.size() > kAnswerBytesMax) {
      return Error(Code::kOutOfRange,
                   "the answer on standard input is longer than " + FormatBytes(kAnswerBytesMax));
    }
  }
}

}  // namespace

Result<int> CmdVerify(const Context& context) {
  const std::string& path = context.arguments.positional.at(0);
  MALMOI_TRY(const std::string answer, ReadAnswer(path));
  MALMOI_TRY(const auto backend, Backend::Open(context.settings, false));
  MALMOI_TRY(const std::string checks, backend->Verify(context.settings.Get("collection"), answer));
  MALMOI_TRY(const json::Value parsed, json::Parse(checks));
  std::size_t total = 0;
  std::size_t held = 0;
  for (const json::Value& check : parsed.Find("citations")->items()) {
    ++total;
    held += check.GetBool("holds");
    if (context.arguments.json) continue;
    const bool holds = check.GetBool("holds");
    std::fprintf(context.out, "[%lld] %s  %s bytes %lld to %lld%s%s\n",
                 static_cast<long long>(check.GetInt("n")), holds ? "holds" : "FAILS",
                 std::string(check.GetString("path")).c_str(),
                 static_cast<long long>(check.GetInt("start")),
                 static_cast<long long>(check.GetInt("end")), holds ? "" : ": ",
                 std::string(check.GetString("reason")).c_str());
  }
  if (context.arguments.json) {
    std::fprintf(context.out, "%s\n", checks.c_str());
  } else {
    std::fprintf(context.out, "%zu of %zu citations hold\n", held, total);
  }
  return held == total ? kFound : kNothing;
}

Result<int> CmdStatus(const Context& context) {
  MALMOI_TRY(const auto backend, Backend::Open(context.settings, false));
  MALMOI_TRY(const std::string status, backend->StatusOf(context.settings.Get("collection")));
  if (context.arguments.json) {
    std::fprintf(context.out, "%s\n", status.c_str());
    return kFound;
  }
  MALMOI_TRY(const json::Value parsed, json::Parse(status));
  for (const auto& [name, value] : parsed.members()) {
    const auto text = value.AsString();
    std::fprintf(context.out, "%-20s %s\n", name.c_str(),
                 text ? std::string(*text).c_str() : value.Dump().c_str());
  }
  return kFound;
}

}  // namespace malmoi::cli
