#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "os/vfs.h"

namespace malmoi::os {

// What happens at the chosen call.
enum class Fault : std::uint8_t {
  kIoError,    // EIO. A write may have changed any of its sectors; a sync has lost any of them.
  kNoSpace,    // ENOSPC, and nothing is changed.
  kPowerLoss,  // The call is cut short, and everything fails until Restart().
};

// A file system in memory that can fail and lose power, for tests of durability. What was written
// since a file's last Sync, and names changed since their directory's last SyncDir, are kept apart:
// at a power loss each such change survives whole, not at all, or (writes) in any of its 512-byte
// sectors. Deterministic: the same calls and seeds give the same bytes. Thread-safe.
class FaultVfs : public Vfs {
 public:
  explicit FaultVfs(std::uint64_t seed);
  ~FaultVfs() override;

  // Calls that change something (all but reads, List, Stat and failed look-ups) since the start or
  // the last Restart().
  std::uint64_t calls() const;
  // The call after `after` more such calls suffers the fault, once.
  void FailAfter(std::uint64_t after, Fault fault);
  // Whether the fault has struck.
  bool fired() const;
  // Cuts the power if it is still on, decides what survives, and switches on again. Files opened
  // before give kIo for good. No fault is pending afterwards.
  void Restart();

  Result<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) override;
  Status Rename(const std::string& from, const std::string& to) override;
  Status Remove(const std::string& path) override;
  Status MakeDirs(const std::string& path) override;
  Status RemoveAll(const std::string& path) override;
  Status SyncDir(const std::string& path) override;
  Result<std::vector<std::string>> List(const std::string& path) override;
  Result<FileInfo> Stat(const std::string& path) override;

 private:
  struct Node;
  struct Disk;
  class OpenFile;
  std::shared_ptr<Disk> disk_;  // Shared with open files.
};

}  // namespace malmoi::os
