// malmoi store import: a snapshot, this program's or Qdrant's, into the folder of a store.
#include <memory>

#include "base/strings.h"
#include "cli/commands.h"
#include "json/writer.h"
#include "obs/progress.h"
#include "os/cpu_info.h"
#include "os/vfs.h"
#include "qdrant/snapshots.h"

namespace malmoi::cli {
namespace {

Result<os::FileInfo> Look(os::Vfs& vfs, const std::string& snapshot) {
  auto info = vfs.Stat(snapshot);
  if (info.ok() || info.error().code() != Code::kNotFound) return info;
  return Error(Code::kNotFound,
               "there is no file '" + snapshot +
                   "': give the path of a snapshot (NAME.snapshot, as a server lists and sends "
                   "them at /collections/COLLECTION/snapshots), or of the folder of one that is "
                   "unpacked");
}

// A bar from the first word of how far it is.
class Bar {
 public:
  explicit Bar(bool quiet) : quiet_(quiet) {}
  void Update(const char* unit, std::uint64_t done, std::uint64_t total) {
    if (bar_ == nullptr) bar_ = std::make_unique<obs::Progress>("importing", unit, total, quiet_);
    bar_->SetTotal(total);
    bar_->Add(done - shown_);
    shown_ = done;
  }
  void Finish() { bar_.reset(); }

 private:
  const bool quiet_;
  std::unique_ptr<obs::Progress> bar_;
  std::uint64_t shown_ = 0;
};

}  // namespace

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
  MALMOI_TRY(const auto info, Look(vfs, snapshot));
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
  options.threads = asked == 0 ? os::UsableCores() : asked;
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
  Bar bar(arguments.quiet);
  const auto progress = [&](const char* unit, std::uint64_t done, std::uint64_t total) {
    bar.Update(unit, done, total);
  };
  MALMOI_TRY(info.is_directory ? snapshots.RecoverFolder(name, snapshot, progress)
                               : snapshots.Recover(name, snapshot, checksum, progress));
  bar.Finish();
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
