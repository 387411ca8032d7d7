// malmoi serve embed: embeddings, reranking and classification over HTTP.
#include <poll.h>

#include <cstdlib>

#include "cli/commands.h"
#include "cli/embed_flags.h"
#include "embed/model_store.h"
#include "obs/log.h"
#include "os/cpu_info.h"
#include "os/paths.h"
#include "os/usage.h"
#include "rpc/tei/server.h"
#include "serve/tei/server.h"

namespace malmoi::cli {
namespace {

std::string FlagOr(const Arguments& arguments, const char* name, const char* fallback = "") {
  const auto it = arguments.embed.find(name);
  return it == arguments.embed.end() || it->second.empty() ? fallback : it->second.back();
}

// The hub's client reads these from the environment.
void SetHubEnvironment(const Arguments& arguments) {
  const std::string token =
      FlagOr(arguments, "hf-token", FlagOr(arguments, "hf-api-token").c_str());
  if (!token.empty()) ::setenv("HF_TOKEN", token.c_str(), 1);
  const std::string cache = FlagOr(arguments, "huggingface-hub-cache");
  if (!cache.empty()) ::setenv("HF_HUB_CACHE", cache.c_str(), 1);
}

// A model that is not on this machine comes from the hub, before the server listens.
Status FetchMissing(const Context& context, const serve::tei::ServerOptions& options) {
  for (const serve::tei::ModelOptions& model : options.models) {
    const bool fetchable = model.id.find('/') != std::string::npos && embed::IsModelId(model.id);
    if (!fetchable || embed::FindModel(model.id).ok()) continue;
    std::fprintf(context.err, "model '%s' is not here: fetching it\n", model.id.c_str());
    embed::PullOptions pull;
    if (!options.revision.empty()) pull.revision = options.revision;
    MALMOI_TRY(embed::PullModel(model.id, pull)
                   .With("'" + model.id + "' is no folder here; fetch it from the hub"));
  }
  return Ok();
}

}  // namespace

Result<int> CmdServeEmbed(const Context& context) {
  // A request has a thread, and by default soon a heap, of its own.
  os::LimitHeaps(os::UsableCores());
  std::vector<std::string> warnings;
  MALMOI_TRY(auto options, ReadEmbedFlags(context.arguments.embed, &warnings));
  for (const std::string& warning : warnings) {
    std::fprintf(context.err, "%s\n", warning.c_str());
  }
  options.threads = static_cast<std::size_t>(context.settings.GetInt("threads"));
  SetHubEnvironment(context.arguments);
  MALMOI_TRY(FetchMissing(context, options));
  MALMOI_TRY(const auto server, serve::tei::Server::Start(options));
  std::unique_ptr<rpc::tei::Server> grpc;
  if (options.grpc_port) {
    MALMOI_TRY(grpc,
               rpc::tei::Server::Start(server->service(), options.hostname, *options.grpc_port));
    std::fprintf(context.err, "gRPC (tei.v1) is at %s:%u\n", options.hostname.c_str(),
                 static_cast<unsigned>(grpc->port()));
  }
  for (const auto& engine : server->engines()) {
    std::fprintf(context.err, "model %s: %zu dimensions, inputs up to %zu tokens\n",
                 engine->info().id.c_str(), engine->info().dim, engine->info().max_tokens);
  }
  std::fprintf(context.err, "malmoi embed is at %s://%s:%u/ ; stop with Ctrl-C\n",
               options.tls_cert.empty() ? "http" : "https", options.hostname.c_str(),
               static_cast<unsigned>(server->port()));
  std::fflush(context.err);
  while (!context.cancel->IsSet()) ::poll(nullptr, 0, 200);
  std::fprintf(context.err, "stopping: requests under way have %.0f s\n", options.stop_seconds);
  if (grpc) grpc->Stop(options.stop_seconds);
  server->Stop();
  return kFound;
}

}  // namespace malmoi::cli
