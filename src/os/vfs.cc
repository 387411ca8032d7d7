#include "os/vfs.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "os/mmap.h"

namespace malmoi::os {
namespace {

Error ErrnoError(const char* what, const std::string& path) {
  const int error = errno;
  const Code code = error == ENOENT   ? Code::kNotFound
                    : error == EEXIST ? Code::kAlreadyExists
                                      : Code::kIo;
  return Error(code, std::string(what) + " '" + path + "': " + std::strerror(error));
}

class PosixFile : public File {
 public:
  PosixFile(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
  ~PosixFile() override { ::close(fd_); }

  Status Read(std::uint64_t offset, std::size_t n, std::string* out) const override {
    const std::size_t before = out->size();
    out->resize(before + n);
    std::size_t done = 0;
    while (done < n) {
      const ssize_t got =
          ::pread(fd_, out->data() + before + done, n - done, static_cast<off_t>(offset + done));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) {
        out->resize(before);
        return ErrnoError("read", path_);
      }
      if (got == 0) break;
      done += static_cast<std::size_t>(got);
    }
    out->resize(before + done);
    return Ok();
  }

  Status Write(std::uint64_t offset, std::string_view bytes) override {
    while (!bytes.empty()) {
      const ssize_t put = ::pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
      if (put < 0 && errno == EINTR) continue;
      if (put < 0) return ErrnoError("write", path_);
      offset += static_cast<std::uint64_t>(put);
      bytes.remove_prefix(static_cast<std::size_t>(put));
    }
    return Ok();
  }

  Status Sync() override {
    return ::fdatasync(fd_) == 0 ? Ok() : Status(ErrnoError("sync", path_));
  }
  Result<std::uint64_t> Size() const override {
    struct stat info {};
    if (::fstat(fd_, &info) != 0) return ErrnoError("stat", path_);
    return static_cast<std::uint64_t>(info.st_size);
  }
  Status Truncate(std::uint64_t size) override {
    return ::ftruncate(fd_, static_cast<off_t>(size)) == 0 ? Ok()
                                                           : Status(ErrnoError("truncate", path_));
  }
  Status Allocate(std::uint64_t size) override {
    const int error = ::posix_fallocate(fd_, 0, static_cast<off_t>(size));
    if (error == 0) return Ok();
    errno = error;
    return ErrnoError("allocate", path_);
  }

 private:
  int fd_;
  std::string path_;
};

class PosixVfsImpl : public Vfs {
 public:
  Result<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) override {
    int flags = O_CLOEXEC;
    switch (mode) {
      case OpenMode::kRead:
        flags |= O_RDONLY;
        break;
      case OpenMode::kReadWrite:
        flags |= O_RDWR | O_CREAT;
        break;
      case OpenMode::kTruncate:
        flags |= O_RDWR | O_CREAT | O_TRUNC;
        break;
    }
    const int fd = ::open(path.c_str(), flags, 0644);
    if (fd < 0) return ErrnoError("open", path);
    return std::unique_ptr<File>(new PosixFile(fd, path));
  }
  Status Rename(const std::string& from, const std::string& to) override {
    return std::rename(from.c_str(), to.c_str()) == 0 ? Ok() : Status(ErrnoError("rename", from));
  }
  Status Remove(const std::string& path) override {
    return ::unlink(path.c_str()) == 0 ? Ok() : Status(ErrnoError("remove", path));
  }
  Status MakeDirs(const std::string& path) override {
    for (std::size_t at = 1; at <= path.size(); ++at) {
      if (at != path.size() && path[at] != '/') continue;
      const std::string part = path.substr(0, at);
      if (::mkdir(part.c_str(), 0755) != 0 && errno != EEXIST) {
        return ErrnoError("create directory", part);
      }
    }
    struct stat info {};
    if (::stat(path.c_str(), &info) != 0) return ErrnoError("create directory", path);
    if (!S_ISDIR(info.st_mode)) {
      errno = ENOTDIR;
      return ErrnoError("create directory", path);
    }
    return Ok();
  }
  Status RemoveAll(const std::string& path) override {
    MALMOI_TRY(const FileInfo info, LinkStat(path));
    if (!info.is_directory) return Remove(path);
    MALMOI_TRY(const auto names, List(path));
    for (const auto& name : names) MALMOI_TRY(RemoveAll(JoinPath(path, name)));
    return ::rmdir(path.c_str()) == 0 ? Ok() : Status(ErrnoError("remove", path));
  }
  Status SyncDir(const std::string& path) override {
    const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return ErrnoError("open directory", path);
    const bool ok = ::fsync(fd) == 0;
    Status status = ok ? Ok() : Status(ErrnoError("sync directory", path));
    ::close(fd);
    return status;
  }
  Result<std::vector<std::string>> List(const std::string& path) override {
    DIR* dir = ::opendir(path.c_str());
    if (dir == nullptr) return ErrnoError("list", path);
    std::vector<std::string> names;
    while (const dirent* entry = ::readdir(dir)) {
      const std::string_view name = entry->d_name;
      if (name != "." && name != "..") names.emplace_back(name);
    }
    ::closedir(dir);
    std::sort(names.begin(), names.end());
    return names;
  }
  Result<FileInfo> Stat(const std::string& path) override {
    struct stat info {};
    if (::stat(path.c_str(), &info) != 0) return ErrnoError("stat", path);
    return Info(info);
  }
  Result<Mapping> Map(const std::string& path) override {
    MALMOI_TRY(auto map, Mmap::Open(path));
    auto owner = std::make_shared<Mmap>(std::move(map));
    return Mapping{owner->bytes(), owner, true};
  }

 private:
  static FileInfo Info(const struct stat& info) {
    return {.size = static_cast<std::uint64_t>(info.st_size),
            .mtime_ns = info.st_mtim.tv_sec * 1'000'000'000LL + info.st_mtim.tv_nsec,
            .is_directory = S_ISDIR(info.st_mode)};
  }
  // RemoveAll must not follow a link out of the tree.
  static Result<FileInfo> LinkStat(const std::string& path) {
    struct stat info {};
    if (::lstat(path.c_str(), &info) != 0) return ErrnoError("stat", path);
    return Info(info);
  }
};

}  // namespace

Vfs& PosixVfs() {
  static PosixVfsImpl vfs;
  return vfs;
}

void Mapping::Drop(std::size_t at) const {
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  at = (at + page - 1) / page * page;
  if (!file || at >= bytes.size()) return;
  // Only the memory is lost: a private mapping that was never written to.
  (void)::madvise(const_cast<char*>(bytes.data()) + at, bytes.size() - at, MADV_DONTNEED);
}

Result<Mapping> Vfs::Map(const std::string& path) {
  MALMOI_TRY(auto bytes, ReadFile(*this, path));
  // A string this long is never inside the object, so its bytes are aligned as malloc's.
  bytes.reserve(64);
  auto owner = std::make_shared<std::string>(std::move(bytes));
  return Mapping{*owner, owner, false};
}

Result<std::string> ReadFile(Vfs& vfs, const std::string& path) {
  MALMOI_TRY(const auto file, vfs.Open(path, OpenMode::kRead));
  MALMOI_TRY(const std::uint64_t size, file->Size());
  std::string out;
  MALMOI_TRY(file->Read(0, size, &out));
  return out;
}

Status WriteAtomically(Vfs& vfs, const std::string& path, std::string_view bytes) {
  const std::string temporary = path + ".tmp";
  {
    MALMOI_TRY(const auto file, vfs.Open(temporary, OpenMode::kTruncate));
    MALMOI_TRY(file->Write(0, bytes));
    MALMOI_TRY(file->Sync());
  }
  MALMOI_TRY(vfs.Rename(temporary, path));
  return vfs.SyncDir(std::string(DirName(path)));
}

std::string JoinPath(std::string_view directory, std::string_view name) {
  if (directory.empty() || name.starts_with('/')) return std::string(name);
  std::string out(directory);
  if (!out.ends_with('/')) out += '/';
  return out += name;
}
std::string_view BaseName(std::string_view path) {
  const std::size_t at = path.rfind('/');
  return at == std::string_view::npos ? path : path.substr(at + 1);
}
std::string_view DirName(std::string_view path) {
  const std::size_t at = path.rfind('/');
  if (at == std::string_view::npos) return ".";
  return at == 0 ? "/" : path.substr(0, at);
}

Result<FileLock> FileLock::Acquire(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) return ErrnoError("open", path);
  // A child that a killed owner had just forked has the lock too, until it runs and ends.
  constexpr int kTries = 50;
  constexpr timespec kPause{0, 10'000'000};
  int tries = 0;
  while (::flock(fd, LOCK_EX | LOCK_NB) != 0 && ++tries < kTries) ::nanosleep(&kPause, nullptr);
  if (tries == kTries) {
    ::close(fd);
    return Error(Code::kAlreadyExists, "'" + path + "' is locked by another process");
  }
  return FileLock(fd);
}
FileLock::FileLock(FileLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
FileLock& FileLock::operator=(FileLock&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}
FileLock::~FileLock() {
  if (fd_ >= 0) ::close(fd_);
}

}  // namespace malmoi::os
