#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "base/strings.h"
#include "qdrant/archive_files_internal.h"

namespace malmoi::qdrant {
namespace {

// Of a file with holes, which is copied. Qdrant's are pages and chunks of 32 MiB.
constexpr std::uint64_t kHolesMax = std::uint64_t{1} << 30;

Error ReadOnly() {
  return Error(Code::kUnsupported, "an archive is read, not changed");
}

class BytesFile final : public os::File {
 public:
  explicit BytesFile(os::Mapping contents) : contents_(std::move(contents)) {}

  Status Read(std::uint64_t offset, std::size_t n, std::string* out) const override {
    const std::string_view bytes = contents_.bytes;
    if (offset < bytes.size()) out->append(bytes.substr(static_cast<std::size_t>(offset), n));
    return Ok();
  }
  Result<std::uint64_t> Size() const override { return std::uint64_t{contents_.bytes.size()}; }
  Status Write(std::uint64_t, std::string_view) override { return ReadOnly(); }
  Status Sync() override { return ReadOnly(); }
  Status Truncate(std::uint64_t) override { return ReadOnly(); }
  Status Allocate(std::uint64_t) override { return ReadOnly(); }

 private:
  const os::Mapping contents_;
};

bool IsInnerArchive(std::string_view path) {
  return path.ends_with(".tar") && os::BaseName(os::DirName(path)) == "segments";
}

}  // namespace

Result<std::unique_ptr<ArchiveFiles>> ArchiveFiles::Open(std::string_view archive) {
  auto self = std::make_unique<ArchiveFiles>();
  MALMOI_TRY(self->Mount("/", archive, true));
  return self;
}

Status ArchiveFiles::Mount(const std::string& folder, std::string_view archive, bool outer) {
  MALMOI_TRY(auto entries, ListTar(BytesFile({.bytes = archive, .owner = nullptr})));
  for (TarEntry& file : entries) {
    const std::string path = os::JoinPath(folder, file.name);
    for (std::string at = path; at != "/";) {
      const std::string parent(os::DirName(at));
      if (!folders_[parent].insert(std::string(os::BaseName(at))).second) break;
      at = parent;
    }
    const Entry entry{archive, std::move(file)};
    if (outer && IsInnerArchive(path)) {
      MALMOI_TRY(auto bytes, Contents(entry));
      MALMOI_TRY(Mount(path, bytes.bytes, false).With("'" + path + "'"));
      inner_.push_back(std::move(bytes));
    } else {
      files_.insert_or_assign(path, entry);
    }
  }
  return Ok();
}

Result<const ArchiveFiles::Entry*> ArchiveFiles::Find(const std::string& path) const {
  const auto at = files_.find(path);
  if (at != files_.end()) return &at->second;
  return Error(Code::kNotFound, "'" + path + "': not in the archive");
}

Result<os::Mapping> ArchiveFiles::Contents(const Entry& entry) {
  const TarEntry& file = entry.file;
  std::string_view stored = entry.archive.substr(static_cast<std::size_t>(file.at));
  const auto whole = [&] {
    return file.pieces.size() == 1 && file.pieces[0].at == 0 && file.pieces[0].bytes == file.size;
  };
  if (file.size == 0) return os::Mapping{};
  if (whole()) {
    return os::Mapping{.bytes = stored.substr(0, static_cast<std::size_t>(file.size)),
                       .owner = nullptr};
  }
  // Zeroed pages that nobody writes take no memory.
  char* copy = file.size > kHolesMax
                   ? nullptr
                   : static_cast<char*>(std::calloc(static_cast<std::size_t>(file.size), 1));
  if (copy == nullptr) {
    return Error(Code::kOutOfRange, "'" + file.name + "': " + FormatBytes(file.size) +
                                        " with its holes are more than the memory that is allowed");
  }
  const std::shared_ptr<char> owner(copy, std::free);
  for (const TarEntry::Piece& piece : file.pieces) {
    std::memcpy(copy + piece.at, stored.data(), static_cast<std::size_t>(piece.bytes));
    stored.remove_prefix(static_cast<std::size_t>(piece.bytes));
  }
  return os::Mapping{.bytes = {copy, static_cast<std::size_t>(file.size)}, .owner = owner};
}

Result<os::Mapping> ArchiveFiles::Map(const std::string& path) {
  MALMOI_TRY(const Entry* entry, Find(path));
  return Contents(*entry);
}

Result<std::unique_ptr<os::File>> ArchiveFiles::Open(const std::string& path, os::OpenMode mode) {
  if (mode != os::OpenMode::kRead) return ReadOnly();
  MALMOI_TRY(auto contents, Map(path));
  return std::unique_ptr<os::File>(std::make_unique<BytesFile>(std::move(contents)));
}

Result<std::vector<std::string>> ArchiveFiles::List(const std::string& path) {
  const auto at = folders_.find(path);
  if (at == folders_.end()) return Error(Code::kNotFound, "'" + path + "': not in the archive");
  return std::vector<std::string>(at->second.begin(), at->second.end());
}

Result<os::FileInfo> ArchiveFiles::Stat(const std::string& path) {
  if (folders_.contains(path)) return os::FileInfo{.is_directory = true};
  MALMOI_TRY(const Entry* entry, Find(path));
  return os::FileInfo{.size = entry->file.size};
}

Status ArchiveFiles::Rename(const std::string&, const std::string&) {
  return ReadOnly();
}
Status ArchiveFiles::Remove(const std::string&) {
  return ReadOnly();
}
Status ArchiveFiles::MakeDirs(const std::string&) {
  return ReadOnly();
}
Status ArchiveFiles::RemoveAll(const std::string&) {
  return ReadOnly();
}
Status ArchiveFiles::SyncDir(const std::string&) {
  return ReadOnly();
}

}  // namespace malmoi::qdrant
