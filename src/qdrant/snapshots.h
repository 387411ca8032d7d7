#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "qdrant/service.h"

namespace malmoi::qdrant {

// Snapshots of collections and of the whole storage: tar files (POSIX ustar) of what
// vec::Collection::Export writes, each with its SHA-256 beside it (NAME.checksum). A snapshot is
// written under another name and renamed when it is whole; a restore is unpacked, verified and then
// swapped in, so that a failed one changes nothing.
//
// Thread-safe. Errors: errors.h; NotFound "Snapshot NAME not found".
class Snapshots {
 public:
  Snapshots(Service& service, os::Vfs& vfs, std::string directory);
  const std::string& directory() const { return directory_; }

  Result<SnapshotDescription> Create(const std::string& collection);
  Result<std::vector<SnapshotDescription>> List(const std::string& collection);
  Status Delete(const std::string& collection, const std::string& name);
  Result<std::string> PathOf(const std::string& collection, const std::string& name);

  // The storage as a whole: a tar of the collections' snapshots and config.json, which maps names
  // to files and aliases to names.
  Result<SnapshotDescription> CreateFull();
  Result<std::vector<SnapshotDescription>> ListFull();
  Status DeleteFull(const std::string& name);
  Result<std::string> FullPathOf(const std::string& name);

  // Puts the snapshot's state in the place of the collection, which is made where it is missing.
  // Snapshots of Qdrant itself are read too, in a sandboxed child (foreign_snapshot.h).
  // `checksum`: expected SHA-256.
  // Errors: ChecksumDiffers; BadRequest for a file that is none, and for what is not read of one of
  // Qdrant's.
  // `progress`, where given, hears how far it is: "points" of one of Qdrant's, "MiB" unpacked.
  using Progress = std::function<void(const char* unit, std::uint64_t done, std::uint64_t total)>;
  Status Recover(const std::string& collection, const std::string& path,
                 const std::optional<std::string>& checksum, const Progress& progress = {});
  // The same with an unpacked snapshot, or the folder that qdrant-edge keeps; neither is changed.
  Status RecoverFolder(const std::string& collection, const std::string& directory,
                       const Progress& progress = {});
  // The same with bytes that `source` hands to the sink it is given; the sink returns false when
  // they cannot be kept, and `source` then what it likes.
  using Sink = std::function<bool(std::string_view)>;
  Status RecoverStream(const std::string& collection, const std::optional<std::string>& checksum,
                       const std::function<Status(const Sink&)>& source);
  Status RecoverBytes(const std::string& collection, std::string_view bytes,
                      const std::optional<std::string>& checksum);

 private:
  std::string DirectoryOf(const std::string& collection) const;
  std::string NewName(const std::string& prefix) const;
  Result<SnapshotDescription> Pack(const std::string& source, const std::string& directory,
                                   const std::string& name);
  Status RestoreOwn(const std::string& collection, const std::string& path,
                    const Progress& progress);
  Status RestoreForeign(const std::string& collection, const std::string& path,
                        const Progress& progress);
  Result<SnapshotDescription> Describe(const std::string& directory, const std::string& name);
  Result<std::vector<SnapshotDescription>> ListIn(const std::string& directory);
  Status DeleteIn(const std::string& directory, const std::string& name);

  Service& service_;
  os::Vfs& vfs_;
  std::string directory_;
  std::atomic<std::uint64_t> streams_ = 0;  // Names of unpacked files, apart.
  std::mutex mutex_;                        // One snapshot or restore at a time; held over I/O.
};

// Packs the files under `directory` (recursively) into a tar file, synced; returns its SHA-256.
Result<std::string> WriteTar(os::Vfs& vfs, const std::string& directory, const std::string& path);
// Unpacks regular files, sparse ones among them; refuses names that leave `directory`, links, and
// damaged headers, before anything is written. `progress` hears bytes that are done, of how many.
Status ReadTar(os::Vfs& vfs, const std::string& path, const std::string& directory,
               const std::function<void(std::uint64_t done, std::uint64_t total)>& progress = {});

}  // namespace malmoi::qdrant
