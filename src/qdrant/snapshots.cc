#include "qdrant/snapshots.h"

#include <algorithm>
#include <ctime>

#include "base/hash.h"
#include "base/strings.h"
#include "json/writer.h"
#include "os/vfs.h"
#include "qdrant/foreign_snapshot.h"

namespace malmoi::qdrant {
namespace {

constexpr std::string_view kPeer = "1";

std::string TimeText(std::int64_t seconds, const char* format) {
  const auto time = static_cast<std::time_t>(seconds);
  std::tm parts{};
  ::gmtime_r(&time, &parts);
  char text[32];
  const std::size_t n = std::strftime(text, sizeof text, format, &parts);
  return std::string(text, n);
}

Error SnapshotMissing(const std::string& name) {
  return NotFound("Snapshot " + name + " not found");
}

bool IsPlainName(const std::string& name) {
  return !name.empty() && name.find('/') == std::string::npos && name != "." && name != "..";
}

Result<std::string> DigestOf(os::Vfs& vfs, const std::string& path) {
  MALMOI_TRY(const auto file, vfs.Open(path, os::OpenMode::kRead));
  MALMOI_TRY(const std::uint64_t size, file->Size());
  Sha256 sha;
  for (std::uint64_t at = 0; at < size; at += 1 << 20) {
    std::string bytes;
    MALMOI_TRY(file->Read(at, 1 << 20, &bytes));
    sha.Update(bytes);
  }
  return sha.HexDigest();
}

Error AsService(Error error) {
  return FromStore(std::move(error));
}

}  // namespace

Snapshots::Snapshots(Service& service, os::Vfs& vfs, std::string directory)
    : service_(service), vfs_(vfs), directory_(std::move(directory)) {}

std::string Snapshots::DirectoryOf(const std::string& collection) const {
  return os::JoinPath(os::JoinPath(directory_, "collections"), collection);
}

std::string Snapshots::NewName(const std::string& prefix) const {
  const auto now = std::time(nullptr);
  return prefix + "-" + TimeText(now, "%Y-%m-%d-%H-%M-%S") + ".snapshot";
}

Result<SnapshotDescription> Snapshots::Describe(const std::string& directory,
                                                const std::string& name) {
  SnapshotDescription description;
  description.name = name;
  MALMOI_TRY(const auto info, vfs_.Stat(os::JoinPath(directory, name)));
  description.size = info.size;
  description.creation_time = TimeText(info.mtime_ns / 1'000'000'000, "%Y-%m-%dT%H:%M:%S");
  auto checksum = os::ReadFile(vfs_, os::JoinPath(directory, name + ".checksum"));
  if (checksum.ok()) description.checksum = std::string(Trim(checksum.value()));
  return description;
}

Result<SnapshotDescription> Snapshots::Pack(const std::string& source, const std::string& directory,
                                            const std::string& name) {
  MALMOI_TRY(vfs_.MakeDirs(directory));
  const std::string path = os::JoinPath(directory, name);
  MALMOI_TRY(const std::string digest, WriteTar(vfs_, source, path + ".tmp"));
  MALMOI_TRY(os::WriteAtomically(vfs_, path + ".checksum", digest));
  MALMOI_TRY(vfs_.Rename(path + ".tmp", path));
  MALMOI_TRY(vfs_.SyncDir(directory));
  return Describe(directory, name);
}

Result<SnapshotDescription> Snapshots::Create(const std::string& collection) {
  MALMOI_TRY(const auto open, service_.Find(collection));
  const std::lock_guard lock(mutex_);
  const std::string staging = os::JoinPath(directory_, "tmp-create");
  (void)vfs_.RemoveAll(staging);
  MALMOI_TRY(vfs_.MakeDirs(directory_));
  auto exported = open->store->Export(staging);
  if (!exported.ok()) return AsService(std::move(exported.error()));
  std::string name = NewName(open->name + "-" + std::string(kPeer));
  const std::string directory = DirectoryOf(open->name);
  for (int i = 1; vfs_.Stat(os::JoinPath(directory, name)).ok(); ++i) {
    name = NewName(open->name + "-" + std::string(kPeer) + "-" + std::to_string(i));
  }
  auto packed = Pack(staging, directory, name);
  (void)vfs_.RemoveAll(staging);
  if (!packed.ok()) return AsService(std::move(packed.error()));
  return packed;
}

Result<std::vector<SnapshotDescription>> Snapshots::ListIn(const std::string& directory) {
  std::vector<SnapshotDescription> list;
  const auto names = vfs_.List(directory);
  if (!names.ok()) return list;
  for (const std::string& name : names.value()) {
    if (!name.ends_with(".snapshot")) continue;
    auto description = Describe(directory, name);
    if (description.ok()) list.push_back(std::move(description).value());
  }
  return list;
}

Status Snapshots::DeleteIn(const std::string& directory, const std::string& name) {
  const std::string path = os::JoinPath(directory, name);
  if (!IsPlainName(name) || !vfs_.Stat(path).ok()) return SnapshotMissing(name);
  auto removed = vfs_.Remove(path);
  if (!removed.ok()) return AsService(std::move(removed.error()));
  (void)vfs_.Remove(path + ".checksum");
  return Ok();
}

Result<std::vector<SnapshotDescription>> Snapshots::List(const std::string& collection) {
  MALMOI_TRY(const auto open, service_.Find(collection));
  return ListIn(DirectoryOf(open->name));
}

Status Snapshots::Delete(const std::string& collection, const std::string& name) {
  MALMOI_TRY(const auto open, service_.Find(collection));
  return DeleteIn(DirectoryOf(open->name), name);
}

Result<std::string> Snapshots::PathOf(const std::string& collection, const std::string& name) {
  MALMOI_TRY(const auto open, service_.Find(collection));
  const std::string path = os::JoinPath(DirectoryOf(open->name), name);
  if (!IsPlainName(name) || !vfs_.Stat(path).ok()) return SnapshotMissing(name);
  return path;
}

Result<SnapshotDescription> Snapshots::CreateFull() {
  const std::string staging = os::JoinPath(directory_, "tmp-full");
  (void)vfs_.RemoveAll(staging);
  MALMOI_TRY(vfs_.MakeDirs(staging));
  json::Writer config;
  config.BeginObject().Key("collections_mapping").BeginObject();
  for (const std::string& name : service_.ListCollections()) {
    if (!service_.DescribeCollection(name).ok()) continue;  // Damaged, or dropped by now.
    MALMOI_TRY(const auto snapshot, Create(name));
    MALMOI_TRY(const std::string path, PathOf(name, snapshot.name));
    MALMOI_TRY(vfs_.Rename(path, os::JoinPath(staging, snapshot.name)));
    (void)vfs_.Remove(path + ".checksum");
    config.Field(name, snapshot.name);
  }
  config.EndObject().Key("collections_aliases").BeginObject();
  MALMOI_TRY(const auto aliases, service_.ListAliases(std::nullopt));
  for (const auto& [alias, collection] : aliases) config.Field(alias, collection);
  config.EndObject().EndObject();
  MALMOI_TRY(os::WriteAtomically(vfs_, os::JoinPath(staging, "config.json"), config.text()));
  const std::lock_guard lock(mutex_);
  std::string name = NewName("full-snapshot");
  for (int i = 1; vfs_.Stat(os::JoinPath(directory_, name)).ok(); ++i) {
    name = NewName("full-snapshot-" + std::to_string(i));
  }
  auto packed = Pack(staging, directory_, name);
  (void)vfs_.RemoveAll(staging);
  return packed;
}

Result<std::vector<SnapshotDescription>> Snapshots::ListFull() {
  return ListIn(directory_);
}
Status Snapshots::DeleteFull(const std::string& name) {
  return DeleteIn(directory_, name);
}
Result<std::string> Snapshots::FullPathOf(const std::string& name) {
  const std::string path = os::JoinPath(directory_, name);
  if (!IsPlainName(name) || !vfs_.Stat(path).ok()) return SnapshotMissing(name);
  return path;
}

Status Snapshots::Recover(const std::string& collection, const std::string& path,
                          const std::optional<std::string>& checksum, const Progress& progress) {
  if (!vfs_.Stat(path).ok()) {
    return BadRequest("Failed to resolve snapshot path \"" + path +
                      "\": No such file or directory (os error 2)");
  }
  if (checksum) {
    MALMOI_TRY(const std::string digest, DigestOf(vfs_, path));
    if (digest != AsciiLower(*checksum)) return ChecksumDiffers(digest, *checksum);
  }
  const std::lock_guard lock(mutex_);
  MALMOI_TRY(vfs_.MakeDirs(directory_));
  const auto foreign = IsForeignArchive(vfs_, path);
  if (!foreign.ok()) return AsService(foreign.error().Clone());
  Status done = foreign.value() ? RestoreForeign(collection, path, progress)
                                : RestoreOwn(collection, path, progress);
  if (!done.ok()) return AsService(std::move(done.error()));
  return Ok();
}

Status Snapshots::RecoverFolder(const std::string& collection, const std::string& directory,
                                const Progress& progress) {
  const std::lock_guard lock(mutex_);
  MALMOI_TRY(vfs_.MakeDirs(directory_));
  Status done = Ok();
  if (IsForeignSnapshot(vfs_, directory)) {
    // Its reader has no files but the one that it is given.
    const std::string packed = os::JoinPath(directory_, "tmp-packed.tar");
    auto digest = WriteTar(vfs_, directory, packed);
    done = digest.ok() ? RestoreForeign(collection, packed, progress)
                       : Status(std::move(digest.error()));
    (void)vfs_.Remove(packed);
  } else {
    done = service_.Restore(collection, directory);
  }
  if (!done.ok()) return AsService(std::move(done.error()));
  return Ok();
}

// Locked by the caller, as RestoreForeign.
Status Snapshots::RestoreOwn(const std::string& collection, const std::string& path,
                             const Progress& progress) {
  const std::string staging = os::JoinPath(directory_, "tmp-recover");
  (void)vfs_.RemoveAll(staging);
  Status done = ReadTar(vfs_, path, staging, [&](std::uint64_t bytes, std::uint64_t total) {
    if (progress) progress("MiB", bytes >> 20, total >> 20);
  });
  if (done.ok()) done = service_.Restore(collection, staging);
  (void)vfs_.RemoveAll(staging);
  return done;
}

Status Snapshots::RestoreForeign(const std::string& collection, const std::string& path,
                                 const Progress& progress) {
  const std::string scratch = os::JoinPath(directory_, "tmp-import");
  const std::string ours = os::JoinPath(directory_, "tmp-imported");
  (void)vfs_.RemoveAll(scratch);
  (void)vfs_.RemoveAll(ours);
  Status done = ImportForeignArchive(vfs_, path, scratch, ours,
                                     [&](std::uint64_t points, std::uint64_t total) {
                                       if (progress) progress("points", points, total);
                                     });
  // What is wrong with the file is no fault of this store.
  if (!done.ok() &&
      (done.error().code() == Code::kUnsupported || done.error().code() == Code::kCorruption ||
       done.error().code() == Code::kOutOfRange)) {
    done = BadRequest("import a snapshot of Qdrant: " + done.error().message());
  }
  if (done.ok()) done = service_.Restore(collection, ours);
  (void)vfs_.RemoveAll(scratch);
  (void)vfs_.RemoveAll(ours);
  return done;
}

Status Snapshots::RecoverStream(const std::string& collection,
                                const std::optional<std::string>& checksum,
                                const std::function<Status(const Sink&)>& source) {
  MALMOI_TRY(vfs_.MakeDirs(directory_));
  const std::string path =
      os::JoinPath(directory_, "tmp-upload-" + std::to_string(streams_++) + ".tar");
  Status done = Ok();
  {
    MALMOI_TRY(const auto file, vfs_.Open(path, os::OpenMode::kTruncate));
    std::uint64_t at = 0;
    Status written = Ok();
    done = source([&](std::string_view bytes) {
      written = file->Write(at, bytes);
      at += bytes.size();
      return written.ok();
    });
    if (!written.ok()) done = AsService(std::move(written.error()));
  }
  if (done.ok()) done = Recover(collection, path, checksum);
  (void)vfs_.Remove(path);
  return done;
}

Status Snapshots::RecoverBytes(const std::string& collection, std::string_view bytes,
                               const std::optional<std::string>& checksum) {
  return RecoverStream(collection, checksum, [&](const Sink& sink) -> Status {
    (void)sink(bytes);
    return Ok();
  });
}

}  // namespace malmoi::qdrant
