#include <algorithm>
#include <atomic>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "catalog/catalog.h"
#include "os/vfs.h"

namespace malmoi::catalog {
namespace {

constexpr std::string_view kTemporarySuffix = ".tmp";

bool IsKey(std::string_view name) {
  return name.size() == 64 && name.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

// One flat folder, so that a batch of any size needs one directory sync.
class FileContentStore : public ContentStore {
 public:
  FileContentStore(os::Vfs& vfs, std::string directory)
      : vfs_(vfs), directory_(std::move(directory)) {}

  Result<std::string> Put(std::string_view bytes) override {
    MALMOI_TRY(auto keys, PutAll(std::vector<std::string>{std::string(bytes)}));
    return std::move(keys[0]);
  }

  Result<std::vector<std::string>> PutAll(std::span<const std::string> documents) override {
    std::vector<std::string> keys;
    keys.reserve(documents.size());
    for (const std::string& bytes : documents) {
      std::string key = Sha256Hex(bytes);
      // A name is given only to complete, synced bytes; what has the name and the size is whole.
      auto there = vfs_.Stat(PathOf(key));
      if (!there.ok() || there.value().size != bytes.size()) MALMOI_TRY(Write(key, bytes));
      keys.push_back(std::move(key));
    }
    // Also when nothing was written: another writer's name may not be durable yet.
    if (!keys.empty()) MALMOI_TRY(vfs_.SyncDir(directory_));
    return keys;
  }

  Result<std::string> Get(const std::string& key) override {
    if (!IsKey(key)) return Error(Code::kNotFound, "'" + key + "' is not a content key");
    MALMOI_TRY(std::string bytes, os::ReadFile(vfs_, PathOf(key)).With("read content"));
    if (Sha256Hex(bytes) != key) {
      return Error(Code::kCorruption, "content '" + PathOf(key) +
                                          "' does not match its key; remove the file and index its "
                                          "document again");
    }
    return bytes;
  }

  Result<std::uint64_t> Sweep(const std::function<bool(const std::string& key)>& keep) override {
    MALMOI_TRY(const auto names, vfs_.List(directory_));
    std::uint64_t removed = 0;
    for (const std::string& name : names) {
      const bool unwanted = IsKey(name) ? !keep(name) : name.ends_with(kTemporarySuffix);
      if (!unwanted) continue;
      MALMOI_TRY(vfs_.Remove(os::JoinPath(directory_, name)));
      ++removed;
    }
    return removed;
  }

 private:
  std::string PathOf(const std::string& key) const { return os::JoinPath(directory_, key); }

  Status Write(const std::string& key, std::string_view bytes) {
    // Two writers of one key must not share a temporary file.
    const std::string temporary =
        PathOf(key) + "." + std::to_string(next_temporary_++) + std::string(kTemporarySuffix);
    {
      MALMOI_TRY(const auto file, vfs_.Open(temporary, os::OpenMode::kTruncate));
      MALMOI_TRY(file->Write(0, bytes));
      MALMOI_TRY(file->Sync());
    }
    return vfs_.Rename(temporary, PathOf(key));
  }

  os::Vfs& vfs_;
  const std::string directory_;
  std::atomic<std::uint64_t> next_temporary_{0};
};

}  // namespace

Result<std::unique_ptr<ContentStore>> ContentStore::Open(const std::string& directory) {
  os::Vfs& vfs = os::PosixVfs();
  MALMOI_TRY(vfs.MakeDirs(directory).With("open content store"));
  return std::unique_ptr<ContentStore>(new FileContentStore(vfs, directory));
}

}  // namespace malmoi::catalog
