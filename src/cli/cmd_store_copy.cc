// malmoi store copy: collections from one store to another, either of them a folder or a server.
#include <memory>
#include <optional>

#include "base/hash.h"
#include "cli/commands.h"
#include "json/writer.h"
#include "obs/progress.h"
#include "os/cpu_info.h"
#include "os/vfs.h"
#include "rpc/qdrant/server.h"
#include "rpc/qdrant/store_link.h"
#include "serve/qdrant/store_server.h"
#include "serve/store_copy.h"

namespace malmoi::cli {
namespace {

// A folder that is served to this process alone, on a loopback port and under a key of its own, by
// the wire of the other side: points then pass as they are.
struct Folder {
  std::optional<os::FileLock> lock;
  std::unique_ptr<qdrant::Service> service;
  std::unique_ptr<qdrant::Snapshots> snapshots;
  serve::StoreSettings settings;
  serve::StoreRecords records;
  std::unique_ptr<serve::StoreServer> server;
  std::unique_ptr<rpc::store::Server> grpc;  // In its place, where the other side speaks gRPC.
};

struct Place {
  serve::StoreAddress address;
  std::unique_ptr<Folder> folder;  // Null for a server's address.
};

Result<std::string> RandomKey(os::Vfs& vfs) {
  MALMOI_TRY(const auto source, vfs.Open("/dev/urandom", os::OpenMode::kRead));
  std::string bytes;
  MALMOI_TRY(source->Read(0, 32, &bytes));
  return Sha256Hex(bytes);
}

Status Serve(Folder& folder, bool grpc, serve::StoreAddress* address) {
  serve::StoreSettings settings;
  settings.http_port = 0;
  settings.grpc_port = 0;
  settings.max_request_mb = 512;
  MALMOI_TRY(settings.api_key, RandomKey(os::PosixVfs()));
  if (!grpc) {
    MALMOI_TRY(folder.server,
               serve::StoreServer::Start(*folder.service, *folder.snapshots, settings));
    *address = {.url = "http://127.0.0.1:" + std::to_string(folder.server->port()),
                .key = settings.api_key};
    return Ok();
  }
  folder.settings = settings;  // The server keeps a reference.
  MALMOI_TRY(folder.grpc, rpc::store::Server::Start(*folder.service, *folder.snapshots,
                                                    folder.settings, folder.records));
  const std::string url = "grpc://127.0.0.1:" + std::to_string(folder.grpc->port());
  MALMOI_TRY(*address, rpc::store::StoreAddressOf(url, settings.api_key, {}));
  return Ok();
}

Result<Place> OpenFolder(const std::string& path, bool create, bool grpc, std::size_t threads) {
  os::Vfs& vfs = os::PosixVfs();
  if (!create && !vfs.Stat(os::JoinPath(path, "collections")).ok()) {
    return Error(Code::kNotFound, "'" + path + "' is no store: there is no folder 'collections'");
  }
  MALMOI_TRY(vfs.MakeDirs(path));
  Place place{.address = {}, .folder = std::make_unique<Folder>()};
  Folder& folder = *place.folder;
  MALMOI_TRY(folder.lock, os::FileLock::Acquire(os::JoinPath(path, ".lock")));
  qdrant::ServiceOptions options;
  options.vfs = &vfs;
  options.directory = os::JoinPath(path, "collections");
  options.threads = threads;
  MALMOI_TRY(folder.service, qdrant::Service::Open(options));
  folder.snapshots =
      std::make_unique<qdrant::Snapshots>(*folder.service, vfs, os::JoinPath(path, "snapshots"));
  MALMOI_TRY(Serve(folder, grpc, &place.address));
  return place;
}

// A folder takes whatever wire there is: gRPC, whose points need no text, where it was built in.
bool TakesGrpc(const std::string& text) {
  if (!remote::IsStoreUrl(text)) return rpc::store::HasGrpc();
  const auto url = serve::StoreUrl(text);
  return url.ok() && remote::IsGrpcUrl(url.value());
}

// One of the two places; `other` is the other one's text.
struct Wanted {
  std::string text, other, key;
  remote::StoreTls tls;
  bool create = false;
};
Result<Place> Open(const Wanted& wanted, std::size_t threads) {
  if (!remote::IsStoreUrl(wanted.text)) {
    return OpenFolder(wanted.text, wanted.create, TakesGrpc(wanted.other), threads);
  }
  Place place;
  MALMOI_TRY(place.address, rpc::store::StoreAddressOf(wanted.text, wanted.key, wanted.tls));
  return place;
}

}  // namespace

Result<int> CmdStoreCopy(const Context& context) {
  const Arguments& arguments = context.arguments;
  const auto flag = [&](const char* name) {
    const auto found = arguments.store.find(name);
    return found == arguments.store.end() ? std::string() : found->second;
  };
  const auto asked = static_cast<std::size_t>(context.settings.GetInt("threads"));
  const std::size_t threads = asked == 0 ? os::UsableCores() : asked;
  const auto side = [&](std::size_t i, const char* name) {
    const std::string prefix(name);
    return Wanted{.text = arguments.positional[i],
                  .other = arguments.positional[1 - i],
                  .key = flag((prefix + "-key").c_str()),
                  .tls = {.authorities = flag((prefix + "-ca").c_str()),
                          .certificate = flag((prefix + "-cert").c_str()),
                          .key = flag((prefix + "-cert-key").c_str())},
                  .create = i == 1};
  };
  MALMOI_TRY(const auto from, Open(side(0, "from"), threads));
  MALMOI_TRY(const auto to, Open(side(1, "to"), threads));
  serve::CopyOptions options;
  options.collections = arguments.only;
  options.resume = arguments.resume;
  options.verify = arguments.verify;
  options.cancel = context.cancel;
  std::unique_ptr<obs::Progress> bar;
  std::string shown;
  std::uint64_t last = 0;
  const auto progress = [&](const std::string& name, std::uint64_t done, std::uint64_t total) {
    if (name != shown) {
      bar = std::make_unique<obs::Progress>(name, "points", total, arguments.quiet);
      shown = name;
      last = 0;
    }
    bar->SetTotal(total);
    bar->Add(done - last);
    last = done;
  };
  MALMOI_TRY(const auto copied, serve::CopyStore(from.address, to.address, options, progress));
  if (bar) bar->Finish();
  json::Writer writer;
  std::uint64_t different = 0;
  writer.BeginObject().Key("copied").BeginArray();
  for (const auto& one : copied) {
    writer.BeginObject().Field("collection", one.name).Field("points", one.points);
    writer.Field("skipped", one.skipped);
    if (arguments.verify) writer.Field("different", one.different);
    writer.EndObject();
    different += one.different;
    if (!arguments.json && arguments.verify) {
      std::fprintf(context.out, "%s: %llu of %llu points differ\n", one.name.c_str(),
                   static_cast<unsigned long long>(one.different),
                   static_cast<unsigned long long>(one.points));
    }
    if (!arguments.json) {
      std::fprintf(context.out, "%s: %llu points, %llu of them there before\n", one.name.c_str(),
                   static_cast<unsigned long long>(one.points),
                   static_cast<unsigned long long>(one.skipped));
    }
  }
  writer.EndArray().EndObject();
  if (arguments.json) std::fprintf(context.out, "%s\n", writer.text().c_str());
  return copied.empty() || different > 0 ? kNothing : kFound;
}

}  // namespace malmoi::cli
