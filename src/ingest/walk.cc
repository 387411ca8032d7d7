#include "ingest/walk.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>

#include "base/strings.h"
#include "ingest/walk_internal.h"
#include "os/paths.h"
#include "os/vfs.h"

namespace malmoi::ingest {
namespace {

// Paths longer than any real tree's: a loop of mounts ends here.
constexpr int kDepthMax = 64;

std::int64_t ModifiedNs(const struct stat& s) {
  return static_cast<std::int64_t>(s.st_mtim.tv_sec) * 1'000'000'000 + s.st_mtim.tv_nsec;
}

Error SystemError(Code code, const std::string& path) {
  return Error(code, path + ": " + AsciiLower(std::strerror(errno)));
}

class Walker {
 public:
  Walker(std::string root, std::vector<std::string>* skipped)
      : root_(std::move(root)), skipped_(skipped) {}

  std::vector<FoundFile> Run() {
    // Folders still to list; not recursion, so that depth costs no stack.
    std::vector<std::pair<std::string, int>> open = {{"", 0}};
    while (!open.empty()) {
      auto [relative, depth] = std::move(open.back());
      open.pop_back();
      List(relative, depth, &open);
    }
    std::sort(files_.begin(), files_.end(),
              [](const FoundFile& a, const FoundFile& b) { return a.path < b.path; });
    return std::move(files_);
  }

 private:
  void Skip(const std::string& relative, std::string_view reason) {
    if (skipped_ != nullptr) skipped_->push_back(relative + ": " + std::string(reason));
  }

  void List(const std::string& relative, int depth,
            std::vector<std::pair<std::string, int>>* open) {
    const std::string folder = relative.empty() ? root_ : os::JoinPath(root_, relative);
    DIR* dir = ::opendir(folder.c_str());
    if (dir == nullptr) {
      Skip(relative, AsciiLower(std::strerror(errno)));
      return;
    }
    while (const dirent* entry = ::readdir(dir)) {
      const std::string name = entry->d_name;
      if (SkipName(name)) continue;
      const std::string path = relative.empty() ? name : relative + "/" + name;
      Add(path, depth, open);
    }
    ::closedir(dir);
  }

  void Add(const std::string& path, int depth, std::vector<std::pair<std::string, int>>* open) {
    const std::string full = os::JoinPath(root_, path);
    struct stat s {};
    if (::lstat(full.c_str(), &s) != 0) {
      Skip(path, AsciiLower(std::strerror(errno)));
      return;
    }
    if (S_ISLNK(s.st_mode)) {
      // A link to a file within the root is a file; folders are reached by their own name, so a
      // link to one could only repeat or loop.
      const std::string target = os::AbsolutePath(full);
      if (::stat(full.c_str(), &s) != 0) {
        Skip(path, "broken link");
        return;
      }
      if (!target.starts_with(root_ + "/")) {
        Skip(path, "link out of the folder");
        return;
      }
      if (S_ISDIR(s.st_mode)) {
        Skip(path, "link to a folder");
        return;
      }
    }
    if (S_ISDIR(s.st_mode)) {
      if (SkipFolder(std::string_view(path).substr(path.rfind('/') + 1))) return;
      if (depth + 1 > kDepthMax) {
        Skip(path, "deeper than " + std::to_string(kDepthMax) + " folders");
        return;
      }
      open->emplace_back(path, depth + 1);
    } else if (S_ISREG(s.st_mode)) {
      files_.push_back({path, static_cast<std::uint64_t>(s.st_size), ModifiedNs(s)});
    }
  }

  std::string root_;
  std::vector<std::string>* skipped_;
  std::vector<FoundFile> files_;
};

}  // namespace

bool SkipName(std::string_view name) {
  // Hidden files, editors' and office programs' temporary ones.
  return name.starts_with('.') || name.starts_with("~$") || name.ends_with('~');
}

bool SkipFolder(std::string_view name) {
  constexpr std::array<std::string_view, 7> kNames = {
      "node_modules", "__pycache__",  "__MACOSX", "$RECYCLE.BIN", "System Volume Information",
      "lost+found",   "site-packages"};
  return std::find(kNames.begin(), kNames.end(), name) != kNames.end();
}

Result<std::vector<FoundFile>> WalkFolder(const std::string& root,
                                          std::vector<std::string>* skipped) {
  struct stat s {};
  if (::stat(root.c_str(), &s) != 0) {
    return SystemError(errno == ENOENT ? Code::kNotFound : Code::kIo, root);
  }
  const std::string absolute = os::AbsolutePath(root);
  if (S_ISREG(s.st_mode)) {
    return std::vector<FoundFile>{{std::string(os::BaseName(absolute)),
                                   static_cast<std::uint64_t>(s.st_size), ModifiedNs(s)}};
  }
  if (!S_ISDIR(s.st_mode)) return Error(Code::kIo, root + ": not a folder or file");
  if (::access(absolute.c_str(), R_OK | X_OK) != 0) return SystemError(Code::kIo, root);
  return Walker(absolute, skipped).Run();
}

}  // namespace malmoi::ingest
