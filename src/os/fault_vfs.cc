#include "os/fault_vfs.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <optional>
#include <random>
#include <utility>

#include "base/strings.h"

namespace malmoi::os {
namespace {

constexpr std::size_t kSector = 512;

// One change of a file's contents.
struct Change {
  enum class Kind : std::uint8_t { kWrite, kTruncate, kGrow } kind = Kind::kWrite;
  std::uint64_t at = 0;  // Offset, or the new size.
  std::string bytes;

  void Apply(std::string* data) const {
    const std::uint64_t end = at + bytes.size();
    if (kind == Kind::kTruncate || end > data->size()) data->resize(end, '\0');
    std::copy(bytes.begin(), bytes.end(), data->begin() + static_cast<std::ptrdiff_t>(at));
  }
};

}  // namespace

// A file or directory: what programs see, what is on the medium, and what is on its way there.
struct FaultVfs::Node {
  using Names = std::map<std::string, std::shared_ptr<Node>>;
  using Renaming = std::vector<std::pair<std::string, std::shared_ptr<Node>>>;  // Null: removed.

  bool is_directory = false;
  std::string data, durable_data;
  std::vector<Change> changes;
  Names names, durable_names;
  std::vector<Renaming> renamings;  // Each is atomic.

  static void Apply(const Renaming& renaming, Names* names) {
    for (const auto& [name, node] : renaming) {
      if (node == nullptr) {
        names->erase(name);
      } else {
        (*names)[name] = node;
      }
    }
  }
  void Do(Change change) {
    change.Apply(&data);
    changes.push_back(std::move(change));
  }
  void Do(Renaming renaming) {
    Apply(renaming, &names);
    renamings.push_back(std::move(renaming));
  }
};

struct FaultVfs::Disk {
  mutable std::mutex mutex;  // guards: everything below, and all nodes
  std::mt19937_64 random;
  std::shared_ptr<Node> root = std::make_shared<Node>();
  std::uint64_t generation = 0;
  std::uint64_t calls = 0;
  std::optional<std::uint64_t> fail_at;
  Fault fault = Fault::kIoError;
  bool fired = false;
  bool off = false;

  bool Coin() { return (random() & 1) != 0; }

  // Puts a random part of the change on `data`.
  void ApplyPart(const Change& change, std::string* data) {
    const std::uint64_t choice = random() % 4;
    if (choice == 0) return;
    if (choice == 1 || change.kind != Change::Kind::kWrite) return change.Apply(data);
    const bool prefix = choice == 2;  // Else any subset.
    const std::uint64_t kept = random() % (change.bytes.size() / kSector + 2);
    std::size_t i = 0;
    for (std::uint64_t sector = 0; i < change.bytes.size(); ++sector) {
      const std::size_t n = std::min(kSector - (change.at + i) % kSector, change.bytes.size() - i);
      if (prefix ? sector < kept : Coin()) {
        Change{Change::Kind::kWrite, change.at + i, change.bytes.substr(i, n)}.Apply(data);
      }
      i += n;
    }
  }

  // Counts a changing call; the error it shall give, if any. `cut` is told that the call's change
  // reaches the file in part.
  Status Count(const std::string& what, bool* cut) {
    *cut = false;
    if (off) return Error(Code::kIo, what + ": the power is off");
    const std::uint64_t call = calls++;
    if (fail_at != call) return Ok();
    fail_at.reset();
    fired = true;
    if (fault == Fault::kNoSpace) return Error(Code::kIo, what + ": No space left on device");
    *cut = true;
    if (fault == Fault::kIoError) return Error(Code::kIo, what + ": Input/output error");
    off = true;
    return Error(Code::kIo, what + ": the power went off");
  }

  Result<std::shared_ptr<Node>> Find(const std::string& path) const {
    if (off) return Error(Code::kIo, "'" + path + "': the power is off");
    std::shared_ptr<Node> node = root;
    for (const auto piece : Split(path, '/')) {
      if (piece.empty()) continue;
      const auto it = node->names.find(std::string(piece));
      if (it == node->names.end()) {
        return Error(Code::kNotFound, "'" + path + "': No such file or directory");
      }
      node = it->second;
    }
    return node;
  }
  Result<std::shared_ptr<Node>> Parent(const std::string& path) const {
    return Find(std::string(DirName(path)));
  }

  // Decides the fate of all that was not synced, from the root down.
  void Settle(Node& node) {
    for (const auto& change : node.changes) ApplyPart(change, &node.durable_data);
    node.changes.clear();
    node.data = node.durable_data;
    for (const auto& renaming : node.renamings) {
      if (Coin()) Node::Apply(renaming, &node.durable_names);
    }
    node.renamings.clear();
    node.names = node.durable_names;
    for (const auto& [name, child] : node.names) Settle(*child);
  }
};

class FaultVfs::OpenFile : public File {
 public:
  OpenFile(std::shared_ptr<Disk> disk, std::shared_ptr<Node> node, std::string path)
      : disk_(std::move(disk)),
        node_(std::move(node)),
        path_(std::move(path)),
        generation_(disk_->generation) {}

  Status Read(std::uint64_t offset, std::size_t n, std::string* out) const override {
    const std::lock_guard lock(disk_->mutex);
    MALMOI_TRY(Usable());
    if (offset < node_->data.size()) out->append(node_->data, offset, n);
    return Ok();
  }
  Status Write(std::uint64_t offset, std::string_view bytes) override {
    return Do("write", {Change::Kind::kWrite, offset, std::string(bytes)});
  }
  Status Truncate(std::uint64_t size) override {
    return Do("truncate", {Change::Kind::kTruncate, size, {}});
  }
  Status Allocate(std::uint64_t size) override {
    return Do("allocate", {Change::Kind::kGrow, size, {}});
  }
  Status Sync() override {
    const std::lock_guard lock(disk_->mutex);
    MALMOI_TRY(Usable());
    bool cut = false;
    auto status = disk_->Count("sync '" + path_ + "'", &cut);
    if (!status.ok() && !cut) return status;
    for (const auto& change : node_->changes) {
      if (cut) {
        disk_->ApplyPart(change, &node_->durable_data);
      } else {
        change.Apply(&node_->durable_data);
      }
    }
    node_->changes.clear();  // Also after a failure: the next sync knows nothing of them.
    return status;
  }
  Result<std::uint64_t> Size() const override {
    const std::lock_guard lock(disk_->mutex);
    MALMOI_TRY(Usable());
    return static_cast<std::uint64_t>(node_->data.size());
  }

 private:
  Status Usable() const {
    if (!disk_->off && generation_ == disk_->generation) return Ok();
    return Error(Code::kIo, "'" + path_ + "' was open when the power went off");
  }
  Status Do(const char* what, Change change) {
    const std::lock_guard lock(disk_->mutex);
    MALMOI_TRY(Usable());
    bool cut = false;
    auto status = disk_->Count(std::string(what) + " '" + path_ + "'", &cut);
    if (status.ok()) {
      node_->Do(std::move(change));
    } else if (cut && change.kind == Change::Kind::kWrite) {
      change.bytes.resize(disk_->random() % (change.bytes.size() + 1));
      node_->Do(std::move(change));
    }
    return status;
  }

  std::shared_ptr<Disk> disk_;
  std::shared_ptr<Node> node_;
  std::string path_;
  std::uint64_t generation_;
};

FaultVfs::FaultVfs(std::uint64_t seed) : disk_(std::make_shared<Disk>()) {
  disk_->random.seed(seed);
  disk_->root->is_directory = true;
}
FaultVfs::~FaultVfs() = default;

std::uint64_t FaultVfs::calls() const {
  const std::lock_guard lock(disk_->mutex);
  return disk_->calls;
}

void FaultVfs::FailAfter(std::uint64_t after, Fault fault) {
  const std::lock_guard lock(disk_->mutex);
  disk_->fail_at = disk_->calls + after;
  disk_->fault = fault;
  disk_->fired = false;
}

bool FaultVfs::fired() const {
  const std::lock_guard lock(disk_->mutex);
  return disk_->fired;
}

void FaultVfs::Restart() {
  const std::lock_guard lock(disk_->mutex);
  disk_->Settle(*disk_->root);
  ++disk_->generation;
  disk_->calls = 0;
  disk_->fail_at.reset();
  disk_->off = false;
}

Result<std::unique_ptr<File>> FaultVfs::Open(const std::string& path, OpenMode mode) {
  const std::lock_guard lock(disk_->mutex);
  auto found = disk_->Find(path);
  if (!found.ok() && (mode == OpenMode::kRead || found.error().code() != Code::kNotFound)) {
    return std::move(found.error());
  }
  std::shared_ptr<Node> node = found.ok() ? found.value() : nullptr;
  if (node != nullptr && node->is_directory) {
    return Error(Code::kIo, "open '" + path + "': Is a directory");
  }
  bool cut = false;
  if (node == nullptr) {
    MALMOI_TRY(const auto parent, disk_->Parent(path));
    MALMOI_TRY(disk_->Count("open '" + path + "'", &cut));
    node = std::make_shared<Node>();
    parent->Do(Node::Renaming{{std::string(BaseName(path)), node}});
  } else if (mode == OpenMode::kTruncate) {
    MALMOI_TRY(disk_->Count("open '" + path + "'", &cut));
    node->Do(Change{Change::Kind::kTruncate, 0, {}});
  }
  return std::unique_ptr<File>(new OpenFile(disk_, node, path));
}

Status FaultVfs::Rename(const std::string& from, const std::string& to) {
  const std::lock_guard lock(disk_->mutex);
  MALMOI_TRY(const auto node, disk_->Find(from));
  MALMOI_TRY(const auto source, disk_->Parent(from));
  MALMOI_TRY(const auto target, disk_->Parent(to));
  bool cut = false;
  MALMOI_TRY(disk_->Count("rename '" + from + "'", &cut));
  if (source == target) {
    source->Do(
        Node::Renaming{{std::string(BaseName(from)), nullptr}, {std::string(BaseName(to)), node}});
  } else {
    target->Do(Node::Renaming{{std::string(BaseName(to)), node}});
    source->Do(Node::Renaming{{std::string(BaseName(from)), nullptr}});
  }
  return Ok();
}

Status FaultVfs::Remove(const std::string& path) {
  const std::lock_guard lock(disk_->mutex);
  MALMOI_TRY(const auto node, disk_->Find(path));
  if (node->is_directory) return Error(Code::kIo, "remove '" + path + "': Is a directory");
  MALMOI_TRY(const auto parent, disk_->Parent(path));
  bool cut = false;
  MALMOI_TRY(disk_->Count("remove '" + path + "'", &cut));
  parent->Do(Node::Renaming{{std::string(BaseName(path)), nullptr}});
  return Ok();
}

Status FaultVfs::MakeDirs(const std::string& path) {
  const std::lock_guard lock(disk_->mutex);
  if (disk_->off) return Error(Code::kIo, "'" + path + "': the power is off");
  std::shared_ptr<Node> node = disk_->root;
  for (const auto piece : Split(path, '/')) {
    if (piece.empty()) continue;
    const auto it = node->names.find(std::string(piece));
    if (it != node->names.end()) {
      node = it->second;
      if (!node->is_directory) return Error(Code::kIo, "'" + path + "': Not a directory");
      continue;
    }
    bool cut = false;
    MALMOI_TRY(disk_->Count("create directory '" + path + "'", &cut));
    auto child = std::make_shared<Node>();
    child->is_directory = true;
    node->Do(Node::Renaming{{std::string(piece), child}});
    node = child;
  }
  return Ok();
}

// File by file, as an operating system does it: a fault can strike between any two.
Status FaultVfs::RemoveAll(const std::string& path) {
  MALMOI_TRY(const FileInfo info, Stat(path));
  if (!info.is_directory) return Remove(path);
  MALMOI_TRY(const auto names, List(path));
  for (const auto& name : names) MALMOI_TRY(RemoveAll(JoinPath(path, name)));
  const std::lock_guard lock(disk_->mutex);
  MALMOI_TRY(const auto parent, disk_->Parent(path));
  bool cut = false;
  MALMOI_TRY(disk_->Count("remove '" + path + "'", &cut));
  parent->Do(Node::Renaming{{std::string(BaseName(path)), nullptr}});
  return Ok();
}

Status FaultVfs::SyncDir(const std::string& path) {
  const std::lock_guard lock(disk_->mutex);
  MALMOI_TRY(const auto node, disk_->Find(path));
  bool cut = false;
  auto status = disk_->Count("sync directory '" + path + "'", &cut);
  if (!status.ok() && !cut) return status;
  for (const auto& renaming : node->renamings) {
    if (!cut || disk_->Coin()) Node::Apply(renaming, &node->durable_names);
  }
  node->renamings.clear();
  return status;
}

Result<std::vector<std::string>> FaultVfs::List(const std::string& path) {
  const std::lock_guard lock(disk_->mutex);
  MALMOI_TRY(const auto node, disk_->Find(path));
  std::vector<std::string> names;
  for (const auto& [name, child] : node->names) names.push_back(name);
  return names;
}

Result<FileInfo> FaultVfs::Stat(const std::string& path) {
  const std::lock_guard lock(disk_->mutex);
  MALMOI_TRY(const auto node, disk_->Find(path));
  return FileInfo{.size = node->data.size(), .mtime_ns = 0, .is_directory = node->is_directory};
}

}  // namespace malmoi::os
