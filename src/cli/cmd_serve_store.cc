// malmoi serve store: the vector store alone, with Qdrant's REST and gRPC interfaces.
#include <poll.h>
#include <unistd.h>

#include "cli/commands.h"
#include "os/cpu_info.h"
#include "os/vfs.h"
#include "rpc/qdrant/server.h"
#include "serve/qdrant/store_server.h"
#include "serve/store_models.h"

namespace malmoi::cli {
namespace {

Result<serve::StoreSettings> ReadSettings(const std::map<std::string, std::string>& flags) {
  serve::StoreSettings settings;
  const auto flag = [&](const char* name) {
    const auto found = flags.find(name);
    return found == flags.end() ? std::string() : found->second;
  };
  if (const std::string path = flag("config-path"); !path.empty()) {
    MALMOI_TRY(const auto text, os::ReadFile(os::PosixVfs(), path));
    MALMOI_TRY(const auto values, serve::ParseYamlSettings(text));
    MALMOI_TRY(serve::ApplyStoreSettings(values, &settings));
  }
  MALMOI_TRY(serve::ApplyStoreSettings(serve::EnvironmentSettings(environ), &settings));
  std::map<std::string, std::string> given;
  for (const auto& [name, key] :
       {std::pair{"storage", "storage.storage_path"},
        std::pair{"snapshots", "storage.snapshots_path"}, std::pair{"host", "service.host"},
        std::pair{"port", "service.http_port"}, std::pair{"grpc-port", "service.grpc_port"},
        std::pair{"memory-budget", "storage.memory_budget_mb"}}) {
    if (flag(name).empty()) continue;
    given[key] = flag(name);
    serve::StoreSettings ignored;
    MALMOI_TRY(
        serve::ApplyStoreSettings({{key, given[key]}}, &ignored).With("--" + std::string(name)));
  }
  if (flag("port") == "0" && flag("grpc-port").empty() && settings.grpc_port) {
    given["service.grpc_port"] = "0";
  }
  MALMOI_TRY(serve::ApplyStoreSettings(given, &settings));
  if (settings.snapshots.empty()) settings.snapshots = os::JoinPath(settings.storage, "snapshots");
  if (settings.audit.directory.empty()) {
    settings.audit.directory = os::JoinPath(settings.storage, "audit");
  }
  return settings;
}

}  // namespace

Result<int> CmdServeStore(const Context& context) {
  MALMOI_TRY(const auto settings, ReadSettings(context.arguments.store));
  os::Vfs& vfs = os::PosixVfs();
  MALMOI_TRY(vfs.MakeDirs(settings.storage));
  const auto lock = os::FileLock::Acquire(os::JoinPath(settings.storage, ".lock"));
  if (!lock.ok() && lock.error().code() == Code::kAlreadyExists) {
    return Error(
        Code::kAlreadyExists,
        "the storage '" + settings.storage +
            "' is in use by another process, a server or a program with the library: end " +
            "it, or name another --storage");
  }
  if (!lock.ok()) return lock.error().Clone();
  const auto asked = static_cast<std::size_t>(context.settings.GetInt("threads"));
  const std::size_t threads = asked == 0 ? os::UsableCores() : asked;
  const auto models = serve::MakeStoreModels(threads);
  qdrant::ServiceOptions options;
  options.vfs = &vfs;
  options.directory = os::JoinPath(settings.storage, "collections");
  options.threads = threads;
  options.memory_bytes = settings.memory_budget_mb << 20;
  options.vectorizer = models.get();
  options.slow_seconds = settings.slow_query_seconds;
  options.recovery_reason = settings.recovery_reason;
  MALMOI_TRY(const auto service, qdrant::Service::Open(options));
  qdrant::Snapshots snapshots(*service, vfs, settings.snapshots);
  serve::StoreRecords records;
  if (settings.audit.enabled) {
    MALMOI_TRY(records.audit, serve::AuditLog::Open(vfs, settings.audit));
  }
  MALMOI_TRY(const auto server, serve::StoreServer::Start(*service, snapshots, settings, &records));
  std::unique_ptr<rpc::store::Server> grpc;
  if (settings.grpc_port) {
    MALMOI_TRY(grpc, rpc::store::Server::Start(*service, snapshots, settings, records));
    std::fprintf(context.err, "gRPC is at %s:%u\n", settings.host.c_str(),
                 static_cast<unsigned>(grpc->port()));
  }
  std::fprintf(context.err, "the store is at %s://%s:%u/ (data in %s%s); stop with Ctrl-C\n",
               settings.enable_tls ? "https" : "http", settings.host.c_str(),
               static_cast<unsigned>(server->port()), settings.storage.c_str(),
               settings.api_key.empty() ? "; no API key is asked for" : "");
  if (!settings.recovery_reason.empty()) {
    std::fprintf(context.err,
                 "recovery mode (%s): collections are listed and deleted, not opened\n",
                 settings.recovery_reason.c_str());
  }
  std::fflush(context.err);
  while (!context.cancel->IsSet()) ::poll(nullptr, 0, 200);
  server->Stop(10);
  if (grpc) grpc->Stop(10);
  return kFound;
}

}  // namespace malmoi::cli
