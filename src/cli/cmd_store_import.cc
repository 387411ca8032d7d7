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

constexpr const char* kLockName = ".lock";

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

// The server's words for a client, as this command says them.
Error Told(const Error& error, const std::string& snapshot) {
  std::string_view text = error.message();
  for (const std::string_view prefix : {"Bad request: ", "Wrong input: "}) {
    if (text.starts_with(prefix)) text.remove_prefix(prefix.size());
  }
  return Error(error.code(), "import '" + snapshot + "': " + std::string(text));
}

// Takes a folder away again that this command made, unless it was told to keep it. To be made, and
// to end, while the command has the folder's lock: another process may have come in between.
class FreshFolder {
 public:
  FreshFolder(os::Vfs& vfs, std::string path, bool fresh)
      : vfs_(vfs), path_(std::move(path)), fresh_(fresh && HasLockAlone()) {}
  ~FreshFolder() {
    if (fresh_) (void)vfs_.RemoveAll(path_);  // What stays is empty and does no harm.
  }
  FreshFolder(const FreshFolder&) = delete;
  FreshFolder& operator=(const FreshFolder&) = delete;
  void Keep() { fresh_ = false; }

 private:
  bool HasLockAlone() const {
    const auto names = vfs_.List(path_);
    return names.ok() && names.value() == std::vector<std::string>{kLockName};
  }
  os::Vfs& vfs_;
  const std::string path_;
  bool fresh_;
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
  const bool was_there = vfs.Stat(storage).ok();
  MALMOI_TRY(vfs.MakeDirs(storage));
  auto lock = os::FileLock::Acquire(os::JoinPath(storage, kLockName));
  if (!lock.ok() && lock.error().code() == Code::kAlreadyExists) {
    return Error(Code::kAlreadyExists,
                 "'" + storage +
                     "' is served by another process: stop it, or give it the file with "
                     "PUT /collections/" +
                     name + "/snapshots/recover");
  }
  if (!lock.ok()) return std::move(lock.error());
  FreshFolder folder(vfs, storage, !was_there);  // Outlives the store in it.
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
  const auto done = info.is_directory ? snapshots.RecoverFolder(name, snapshot, progress)
                                      : snapshots.Recover(name, snapshot, checksum, progress);
  bar.Finish();
  if (!done.ok()) return Told(done.error(), snapshot);
  folder.Keep();
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
