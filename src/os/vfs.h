#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace malmoi::os {

// An open file. Positional reads may run concurrently; one writer at a time.
class File {
 public:
  virtual ~File() = default;
  // Up to n bytes at `offset`, appended to *out; fewer only at the end of the file.
  virtual Status Read(std::uint64_t offset, std::size_t n, std::string* out) const = 0;
  virtual Status Write(std::uint64_t offset, std::string_view bytes) = 0;
  // After Ok, everything written before is on stable storage. A failed Sync is final: the caller
  // must treat the file's unsynced part as lost and not retry (the kernel may have dropped it).
  virtual Status Sync() = 0;
  virtual Result<std::uint64_t> Size() const = 0;
  virtual Status Truncate(std::uint64_t size) = 0;
  // Reserves space so that later writes inside it cannot fail with ENOSPC; the size grows to it,
  // the new bytes read as zeros.
  virtual Status Allocate(std::uint64_t size) = 0;
};

enum class OpenMode : std::uint8_t {
  kRead,       // The file must exist.
  kReadWrite,  // Created if missing, kept if there.
  kTruncate,   // Created if missing, emptied if there.
};

struct FileInfo {
  std::uint64_t size = 0;
  std::int64_t mtime_ns = 0;
  bool is_directory = false;
};

// The bytes of a whole file; they live as long as the owner.
struct Mapping {
  std::string_view bytes;
  std::shared_ptr<const void> owner;
  bool file = false;  // Pages of the file itself, which can be given back.

  // Gives the memory of whole pages from `at` on back to the system; a read fetches them again.
  // Nothing where the bytes are a copy.
  void Drop(std::size_t at) const;
};

// All durable file access goes through a Vfs so that power loss, a full disk and I/O errors are
// unit tests (os/fault_vfs.h). Paths are UTF-8; errors: kNotFound, kAlreadyExists, kIo with errno's
// text and the path. Thread-safe.
class Vfs {
 public:
  virtual ~Vfs() = default;
  virtual Result<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) = 0;
  virtual Status Rename(const std::string& from, const std::string& to) = 0;  // Replaces `to`.
  virtual Status Remove(const std::string& path) = 0;                         // Files only.
  virtual Status MakeDirs(const std::string& path) = 0;  // With parents; existing is Ok.
  virtual Status RemoveAll(const std::string& path) = 0;
  // Makes created, renamed and removed names in the directory durable.
  virtual Status SyncDir(const std::string& path) = 0;
  virtual Result<std::vector<std::string>> List(const std::string& path) = 0;  // Names, sorted.
  virtual Result<FileInfo> Stat(const std::string& path) = 0;
  // The file as it is now, for reading: mapped where that is possible (then as Mmap, with its
  // warning), else a copy. At least 8-byte aligned.
  virtual Result<Mapping> Map(const std::string& path);
};

// The operating system's file system. One instance for the process.
Vfs& PosixVfs();

// Whole small files. WriteAtomically writes a temporary beside, syncs it, renames it over `path`
// and syncs the directory: a crash leaves the old or the new contents, never a mixture.
Result<std::string> ReadFile(Vfs& vfs, const std::string& path);
Status WriteAtomically(Vfs& vfs, const std::string& path, std::string_view bytes);

// "a/b" + "c" = "a/b/c"; an absolute `name` replaces the directory.
std::string JoinPath(std::string_view directory, std::string_view name);
std::string_view BaseName(std::string_view path);  // After the last '/'.
std::string_view DirName(std::string_view path);   // Before the last '/'; "." where there is none.

// An advisory lock on a file, held until destruction. kAlreadyExists when another process has it
// for longer than half a second: so long the children of one that was killed may live on.
class FileLock {
 public:
  static Result<FileLock> Acquire(const std::string& path);
  FileLock(FileLock&& other) noexcept;
  FileLock& operator=(FileLock&& other) noexcept;
  ~FileLock();

 private:
  explicit FileLock(int fd) : fd_(fd) {}
  int fd_;
};

}  // namespace malmoi::os
