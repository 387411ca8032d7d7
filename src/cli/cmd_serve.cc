// malmoi serve: the page and the APIs on one port.
#include <poll.h>

#include "cli/backend.h"
#include "cli/commands.h"
#include "rag/library.h"
#include "serve/app.h"

namespace malmoi::cli {

Result<int> CmdServe(const Context& context) {
  const Settings& settings = context.settings;
  MALMOI_TRY(const auto options, MakeLibraryOptions(settings, true));
  MALMOI_TRY(const auto library, rag::Library::Open(options));
  serve::AppOptions app_options;
  app_options.host = settings.Get("host");
  app_options.port = static_cast<std::uint16_t>(settings.GetInt("port"));
  app_options.api_key = settings.Get("api-key");
  app_options.collection = settings.Get("collection");
  MALMOI_TRY(const auto app, serve::App::Start(*library, app_options));
  MALMOI_TRY(WriteServerFile(settings, app_options.host, app->port()));
  std::fprintf(context.err, "malmoi is at http://%s:%u/ (data in %s); stop with Ctrl-C\n",
               app_options.host.c_str(), static_cast<unsigned>(app->port()),
               settings.Get("data").c_str());
  std::fflush(context.err);
  while (!context.cancel->IsSet()) ::poll(nullptr, 0, 200);
  std::fprintf(context.err, "stopping: requests under way have %.0f s\n", app_options.stop_seconds);
  RemoveServerFile(settings);
  app->Stop();
  return kFound;
}

}  // namespace malmoi::cli
