// malmoi store import: a snapshot, this program's or Qdrant's, into the folder of a store.
#include "base/strings.h"
#include "cli/commands.h"
#include "json/writer.h"
#include "os/vfs.h"
#include "qdrant/snapshots.h"

namespace malmoi::cli {

Result<int> CmdStoreImport(const Context& context) {
  const Arguments& arguments = context.arguments;
  const auto flag = [&](const char* name) {
    const auto found = arguments.store.find(name);
    return found == arguments.store.end() ? std::string() : found->second;
  };
  const std::string snapshot = arguments.positional[0];
  const std::string storage = flag("storage").empty() ? "./storage" : flag("storage");
  const std::string name = flag("collection");
  os::Vfs& vfs = os::PosixVfs();
  MALMOI_TRY(const auto info, vfs.Stat(snapshot));
  MALMOI_TRY(vfs.MakeDirs(storage));
  auto lock = os::FileLock::Acquire(os::JoinPath(storage, ".lock"));
  if (!lock.ok() && lock.error().code() == Code::kAlreadyExists) {
    return Error(Code::kAlreadyExists,
                 "'" + storage +
                     "' is served by another process: stop it, or give it the file with "
                     "PUT /collections/" +
                     name + "/snapshots/recover");
  }
  if (!lock.ok()) return std::move(lock.error());
  const auto asked = static_cast<std::size_t>(context.settings.GetInt("threads"));
  qdrant::ServiceOptions options;
  options.vfs = &vfs;
  options.directory = os::JoinPath(storage, "collections");
  options.threads = asked == 0 ? 2 : asked;
  MALMOI_TRY(const auto service, qdrant::Service::Open(options));
  if (service->CollectionExists(name) && !arguments.force) {
    return Error(Code::kAlreadyExists, "'" + storage + "' has a collection '" + name +
                                           "' already: give another name, or put the snapshot in "
                                           "its place with --force");
  }
  qdrant::Checks checks;
  qdrant::ValidateCollectionName(name, "--collection", &checks);
  MALMOI_TRY(checks.Finish("arguments"));
  qdrant::Snapshots snapshots(*service, vfs, os::JoinPath(storage, "snapshots"));
  std::optional<std::string> checksum;
  if (!flag("checksum").empty()) checksum = flag("checksum");
  if (checksum && info.is_directory) {
    return Error(Code::kInvalidArgument, "--checksum is of a file, and '" + snapshot + "' is none");
  }
  MALMOI_TRY(info.is_directory ? snapshots.RecoverFolder(name, snapshot)
                               : snapshots.Recover(name, snapshot, checksum));
  MALMOI_TRY(const auto description, service->DescribeCollection(name));
  if (arguments.json) {
    json::Writer writer;
    writer.BeginObject().Field("collection", name).Field("points", description.info.points);
    writer.EndObject();
    std::fprintf(context.out, "%s\n", writer.text().c_str());
  } else {
    std::fprintf(context.out, "%s: %llu points\n", name.c_str(),
                 static_cast<unsigned long long>(description.info.points));
  }
  return kFound;
}

}  // namespace malmoi::cli
