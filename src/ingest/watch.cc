#include <poll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>

#include "base/clock.h"
#include "base/hash.h"
#include "base/strings.h"
#include "ingest/walk.h"
#include "ingest/walk_internal.h"
#include "os/paths.h"
#include "os/vfs.h"

namespace malmoi::ingest {
namespace {

constexpr int kSettleMs = 200;
constexpr int kPollMs = 2000;
// A folder that never rests (a log being written) is told of after this long all the same.
constexpr int kSettleMaxMs = 5000;
constexpr std::uint32_t kEvents = IN_CREATE | IN_CLOSE_WRITE | IN_MODIFY | IN_DELETE |
                                  IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF |
                                  IN_ATTRIB;

std::int64_t NowMs() {
  return MonotonicNs() / 1'000'000;
}

// All names, sizes and times as one number: equal means nothing changed.
std::uint64_t Fingerprint(const std::string& root) {
  auto files = WalkFolder(root, nullptr);
  if (!files.ok()) return 0;
  std::uint64_t sum = 1;
  for (const FoundFile& f : files.value()) {
    sum = Hash64(f.path, sum);
    sum = Hash64(std::to_string(f.size) + " " + std::to_string(f.mtime_ns), sum);
  }
  return sum;
}

class Watch final : public FolderWatch {
 public:
  explicit Watch(std::string root) : root_(std::move(root)) {}
  ~Watch() override {
    if (fd_ >= 0) ::close(fd_);
  }

  Status Begin() {
    fd_ = ::inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (fd_ < 0 || !AddTree("")) UsePolling();
    return Ok();
  }

  bool polling() const override { return fd_ < 0; }

  bool Wait(int timeout_ms) override {
    const std::int64_t deadline = NowMs() + std::max(timeout_ms, 0);
    return polling() ? WaitByPolling(deadline) : WaitByEvents(deadline);
  }

 private:
  void UsePolling() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
    folders_.clear();
    seen_ = Fingerprint(root_);
  }

  // False when the system's limit of watches is reached; other failures are of folders that
  // vanished or may not be read, and are left out as WalkFolder leaves them out.
  bool AddOne(const std::string& relative) {
    const std::string path = relative.empty() ? root_ : os::JoinPath(root_, relative);
    const int id = ::inotify_add_watch(fd_, path.c_str(), kEvents | IN_DONT_FOLLOW);
    if (id < 0) return errno != ENOSPC && errno != ENOMEM;
    folders_[id] = relative;
    return true;
  }

  bool AddTree(const std::string& relative) {
    std::vector<std::string> open = {relative};
    while (!open.empty()) {
      const std::string folder = std::move(open.back());
      open.pop_back();
      if (!AddOne(folder)) return false;
      const std::string path = folder.empty() ? root_ : os::JoinPath(root_, folder);
      auto names = os::PosixVfs().List(path);
      if (!names.ok()) continue;
      for (const std::string& name : names.value()) {
        if (SkipName(name) || SkipFolder(name)) continue;
        const std::string child = folder.empty() ? name : folder + "/" + name;
        auto info = os::PosixVfs().Stat(os::JoinPath(root_, child));
        // Links to folders are not followed by the walk; IN_DONT_FOLLOW makes their watch fail to
        // list anything, and IN_ONLYDIR is not needed since files are not added.
        if (info.ok() && info.value().is_directory && !IsLink(os::JoinPath(root_, child))) {
          open.push_back(child);
        }
      }
    }
    return true;
  }

  static bool IsLink(const std::string& path) {
    char target[8];
    return ::readlink(path.c_str(), target, sizeof(target)) >= 0;
  }

  // Reads what has come; true if any of it concerns a document.
  bool Drain() {
    alignas(inotify_event) char buffer[16 << 10];
    bool changed = false;
    for (;;) {
      const ssize_t n = ::read(fd_, buffer, sizeof(buffer));
      if (n <= 0) return changed;
      for (ssize_t at = 0; at < n;) {
        const auto* event = reinterpret_cast<const inotify_event*>(buffer + at);
        at += static_cast<ssize_t>(sizeof(inotify_event) + event->len);
        changed |= Take(*event);
        if (polling()) return true;
      }
    }
  }

  bool Take(const inotify_event& event) {
    if (event.mask & IN_Q_OVERFLOW) return true;
    if (event.mask & IN_IGNORED) {
      folders_.erase(event.wd);
      return false;
    }
    const std::string name = event.len > 0 ? std::string(event.name) : std::string();
    if (SkipName(name) && !name.empty()) return false;
    const bool folder = (event.mask & IN_ISDIR) != 0;
    if (folder && SkipFolder(name)) return false;
    if (folder && (event.mask & (IN_CREATE | IN_MOVED_TO))) {
      const auto parent = folders_.find(event.wd);
      if (parent != folders_.end()) {
        const std::string path = parent->second.empty() ? name : parent->second + "/" + name;
        if (!AddTree(path)) UsePolling();
      }
    }
    return true;
  }

  bool WaitByEvents(std::int64_t deadline) {
    std::int64_t first = 0;    // When the first change was seen; 0: none yet.
    std::int64_t settled = 0;  // When it is settled if nothing more comes.
    for (;;) {
      const std::int64_t now = NowMs();
      if (first != 0 && now >= std::min(settled, first + kSettleMaxMs)) return true;
      if (first == 0 && now >= deadline) return false;
      const std::int64_t until = first != 0 ? settled : deadline;
      pollfd p = {fd_, POLLIN, 0};
      const int ready =
          ::poll(&p, 1, static_cast<int>(std::min<std::int64_t>(until - now, 60'000)));
      if (ready <= 0) continue;
      if (Drain()) {
        if (first == 0) first = NowMs();
        settled = NowMs() + kSettleMs;
      }
      if (polling()) return true;  // Told once more than needed rather than once too few.
    }
  }

  bool WaitByPolling(std::int64_t deadline) {
    for (;;) {
      const std::uint64_t now_seen = Fingerprint(root_);
      if (now_seen != seen_) {
        ::poll(nullptr, 0, kSettleMs);
        const std::uint64_t again = Fingerprint(root_);
        if (again == now_seen) {
          seen_ = again;
          return true;
        }
      }
      const std::int64_t left = deadline - NowMs();
      if (left <= 0) return false;
      ::poll(nullptr, 0, static_cast<int>(std::min<std::int64_t>(left, kPollMs)));
    }
  }

  std::string root_;
  int fd_ = -1;
  std::map<int, std::string> folders_;  // Watch to path relative to the root.
  std::uint64_t seen_ = 0;
};

}  // namespace

Result<std::unique_ptr<FolderWatch>> FolderWatch::Start(const std::string& root) {
  MALMOI_TRY(os::PosixVfs().Stat(root).With("watch"));
  auto watch = std::make_unique<Watch>(os::AbsolutePath(root));
  MALMOI_TRY(watch->Begin());
  return std::unique_ptr<FolderWatch>(std::move(watch));
}

}  // namespace malmoi::ingest
