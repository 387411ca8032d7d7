#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "os/vfs.h"
#include "qdrant/tar_internal.h"

namespace malmoi::qdrant {

// The files of a tar archive in memory (or mapped) as a file system to read from, rooted at "/":
// what a process without files sees of an archive. Archives NAME.tar in a folder "segments" are
// folders of that name. Whatever would change it is kUnsupported. Thread-safe.
class ArchiveFiles final : public os::Vfs {
 public:
  // `archive` outlives it, aligned to 8 bytes or more. Errors: those of ListTar.
  static Result<std::unique_ptr<ArchiveFiles>> Open(std::string_view archive);

  Result<std::unique_ptr<os::File>> Open(const std::string& path, os::OpenMode mode) override;
  Status Rename(const std::string& from, const std::string& to) override;
  Status Remove(const std::string& path) override;
  Status MakeDirs(const std::string& path) override;
  Status RemoveAll(const std::string& path) override;
  Status SyncDir(const std::string& path) override;
  Result<std::vector<std::string>> List(const std::string& path) override;
  Result<os::FileInfo> Stat(const std::string& path) override;
  // The archive's own bytes; a copy for files with holes. Errors: kNotFound; kOutOfRange for one
  // with holes past 1 GiB.
  Result<os::Mapping> Map(const std::string& path) override;

 private:
  struct Entry {
    std::string_view archive;
    TarEntry file;
  };
  Status Mount(const std::string& folder, std::string_view archive, bool outer);
  Result<const Entry*> Find(const std::string& path) const;
  static Result<os::Mapping> Contents(const Entry& entry);

  std::map<std::string, Entry> files_;
  std::map<std::string, std::set<std::string>> folders_;  // Names in each.
  std::vector<os::Mapping> inner_;                        // Archives inside.
};

}  // namespace malmoi::qdrant
