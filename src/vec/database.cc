#include <algorithm>
#include <atomic>
#include <bit>
#include <map>
#include <mutex>
#include <optional>

#include "base/clock.h"
#include "base/utf8.h"
#include "vec/collection_internal.h"
#include "vec/copy_file_internal.h"
#include "vec/manifest_internal.h"

namespace malmoi::vec {
namespace {

// Kept on the disk so that a full one can still be told to drop a collection: the catalogue is
// written anew for that. Room for about a thousand names.
constexpr std::size_t kReserveBytes = 32 << 10;

// From so many collections on several are opened at a time.
constexpr std::size_t kOpenTogetherFrom = 8;

// After so long one that could not be opened is tried again.
constexpr double kTryAgainSeconds = 10;

// Qdrant's rule. Folders have numbers, so that a name need not be one of a file.
bool IsName(std::string_view name) {
  if (name.empty() || name.size() > 255 || !IsValidUtf8(name)) return false;
  return std::none_of(name.begin(), name.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7F ||
           std::string_view("<>:\"/\\|?*").find(c) != std::string_view::npos;
  });
}

Status CheckName(const std::string& name) {
  if (IsName(name)) return Ok();
  return Error(Code::kInvalidArgument, "collection name '" + name +
                                           "' is not 1 to 255 bytes of UTF-8 without control "
                                           "characters and < > : \" / \\ | ? *");
}

class DirectoryDatabase : public Database {
 public:
  DirectoryDatabase(os::Vfs& vfs, std::string directory, std::size_t threads,
                    std::uint64_t memory_bytes, Opening opening)
      : vfs_(vfs),
        directory_(std::move(directory)),
        opening_(opening),
        pool_(std::make_shared<os::ThreadPool>(threads, "vec")),
        workers_(std::make_shared<Workers>(threads, memory_bytes)) {}

  Status Load();
  Result<std::shared_ptr<Collection>> Create(const std::string& name,
                                             const CollectionConfig& config) override;
  Result<std::shared_ptr<Collection>> Get(const std::string& name) const override;
  Status Drop(const std::string& name) override;
  Status Rename(const std::string& from, const std::string& to) override;
  Result<std::shared_ptr<Collection>> Import(const std::string& name,
                                             const std::string& directory) override;
  Result<Glance> GlanceAt(const std::string& name) const override;
  std::vector<std::string> List() const override;
  std::vector<std::pair<std::string, std::string>> damaged() const override;
  std::string owner_state() const override;
  Status SetOwnerState(std::string_view json_object) override;

 private:
  // A collection's files, opened once: at the start or at the first use. Copies of the list share
  // it.
  struct Slot {
    std::atomic<bool> damaged{false};
    std::mutex mutex;  // guards: all below; held while the files are opened; after change_mutex_
    std::string name;
    bool tried = false;
    std::int64_t tried_ns = 0;  // Of the last failure, and what the files were like after it.
    std::string stamp;
    std::shared_ptr<StoredCollection> collection;  // Null: not opened, damaged, or dropped.
    std::shared_ptr<const Error> error;
  };
  struct Entry {
    std::uint64_t folder = 0;
    std::shared_ptr<Slot> slot;
  };
  using Entries = std::map<std::string, Entry>;

  std::string CataloguePath() const { return os::JoinPath(directory_, "COLLECTIONS"); }
  std::string ReservePath() const { return os::JoinPath(directory_, "RESERVE"); }
  void KeepReserve();
  std::string Folder(std::uint64_t number) const {
    return os::JoinPath(directory_, NumberedName("c", number));
  }
  // Changes when a file of the folder does.
  std::string StampOf(std::uint64_t number) const;
  Status WriteCatalogue(const Entries& entries, const std::string& owner_state);
  template <class Fill>
  Result<std::shared_ptr<Collection>> Add(const std::string& name, const Fill& fill);
  void RemoveUnreferenced();
  Error NoSuch(const std::string& name) const {
    return Error(Code::kNotFound, "there is no collection '" + name + "'");
  }
  // The entry's collection, opened now where it was not.
  Result<std::shared_ptr<StoredCollection>> Opened(const Entry& entry) const;
  void Discard(const Entry& entry);
  Entries Copy() const;
  Status Replace(Entries entries);

  os::Vfs& vfs_;
  std::string directory_;
  Opening opening_;
  std::shared_ptr<os::ThreadPool> pool_;
  std::shared_ptr<Workers> workers_;
  std::mutex change_mutex_;   // One change of the catalogue at a time; before mutex_.
  mutable std::mutex mutex_;  // guards: entries_, owner_state_
  Entries entries_;
  std::string owner_state_ = "{}";
  std::uint64_t next_folder_ = 1;  // Under change_mutex_.
  std::optional<Error> broken_;    // Under change_mutex_: the catalogue's state is unknown.
  bool reserved_ = false;          // Under change_mutex_.
};

Status DirectoryDatabase::Load() {
  MALMOI_TRY(vfs_.MakeDirs(directory_));
  auto bytes = os::ReadFile(vfs_, CataloguePath());
  if (!bytes.ok() && bytes.error().code() == Code::kNotFound) {
    MALMOI_TRY(const auto names, vfs_.List(directory_));
    for (const auto& name : names) {
      if (name.starts_with("c-")) {
        return Error(Code::kCorruption, "'" + CataloguePath() + "' is missing, but '" + name +
                                            "' is there; restore it from a copy");
      }
    }
    MALMOI_TRY(WriteCatalogue(entries_, owner_state_));
    KeepReserve();
    return vfs_.SyncDir(std::string(os::DirName(directory_)));
  }
  if (!bytes.ok()) return std::move(bytes.error());
  MALMOI_TRY(const auto catalogue,
             Catalogue::Decode(bytes.value()).With("'" + CataloguePath() + "'"));
  next_folder_ = catalogue.next_folder;
  owner_state_ = catalogue.owner_state;
  std::vector<const Entry*> all;
  for (const auto& [name, folder] : catalogue.collections) {
    Entry& entry = entries_[name];
    entry = {.folder = folder, .slot = std::make_shared<Slot>()};
    entry.slot->name = name;
    all.push_back(&entry);  // A map's elements stay where they are.
  }
  const auto open = [&](std::size_t, std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) (void)Opened(*all[i]).ok();  // Errors are kept.
  };
  if (opening_ == Opening::kAtFirstUse) {
    all.clear();
  } else if (all.size() < kOpenTogetherFrom) {
    open(0, 0, all.size());
  } else {
    pool_->ParallelFor(all.size(), open);
  }
  RemoveUnreferenced();
  KeepReserve();
  return Ok();
}

std::string DirectoryDatabase::StampOf(std::uint64_t number) const {
  std::string stamp;
  const auto names = vfs_.List(Folder(number));
  if (!names.ok()) return stamp;
  for (const auto& name : names.value()) {
    const auto info = vfs_.Stat(os::JoinPath(Folder(number), name));
    if (!info.ok()) continue;
    stamp += name + ' ' + std::to_string(info.value().size) + ' ' +
             std::to_string(info.value().mtime_ns) + '\n';
  }
  return stamp;
}

Result<std::shared_ptr<StoredCollection>> DirectoryDatabase::Opened(const Entry& entry) const {
  Slot& slot = *entry.slot;
  const std::lock_guard lock(slot.mutex);
  const bool again = slot.error != nullptr && (SecondsSince(slot.tried_ns) >= kTryAgainSeconds ||
                                               StampOf(entry.folder) != slot.stamp);
  if (!slot.tried || again) {
    slot.tried = true;
    slot.tried_ns = MonotonicNs();
    slot.error.reset();
    slot.damaged = false;
    auto store = Store::Open(vfs_, Folder(entry.folder), workers_->budget);
    if (store.ok()) {
      slot.collection =
          std::make_shared<StoredCollection>(slot.name, std::move(store).value(), pool_, workers_);
    } else {
      slot.error = std::make_shared<const Error>(
          std::move(store.error()).With("open collection '" + slot.name + "'"));
      slot.damaged = true;
      slot.stamp = StampOf(entry.folder);
    }
  }
  if (slot.error != nullptr) return slot.error->Clone();
  return slot.collection;
}

// Does without where there is no room: then the catalogue is written with what the disk has.
void DirectoryDatabase::KeepReserve() {
  if (reserved_) return;
  if (const auto info = vfs_.Stat(ReservePath()); info.ok() && info.value().size >= kReserveBytes) {
    reserved_ = true;
    return;
  }
  const auto file = vfs_.Open(ReservePath(), os::OpenMode::kTruncate);
  reserved_ = file.ok() && file.value()->Write(0, std::string(kReserveBytes, '\0')).ok() &&
              file.value()->Sync().ok();
  if (!reserved_) (void)vfs_.Remove(ReservePath()).ok();
}

void DirectoryDatabase::RemoveUnreferenced() {
  const auto names = vfs_.List(directory_);
  if (!names.ok()) return;
  for (const auto& name : names.value()) {
    const bool wanted = std::any_of(entries_.begin(), entries_.end(), [&](const auto& e) {
      return NumberedName("c", e.second.folder) == name;
    });
    // What cannot be removed costs space only; the next start tries again.
    if (name.starts_with("c-") && !wanted) {
      (void)vfs_.RemoveAll(os::JoinPath(directory_, name)).ok();
    }
  }
}

Status DirectoryDatabase::WriteCatalogue(const Entries& entries, const std::string& owner_state) {
  if (broken_) return broken_->Clone();
  Catalogue catalogue;
  catalogue.owner_state = owner_state;
  catalogue.next_folder = next_folder_;
  for (const auto& [name, entry] : entries) catalogue.collections.push_back({name, entry.folder});
  const std::string bytes = catalogue.Encode();
  const std::string temporary = CataloguePath() + ".tmp";
  const auto write = [&]() -> Status {
    MALMOI_TRY(const auto file, vfs_.Open(temporary, os::OpenMode::kTruncate));
    MALMOI_TRY(file->Write(0, bytes));
    return file->Sync();
  };
  auto written = write();
  if (!written.ok() && reserved_) {
    reserved_ = false;
    (void)vfs_.Remove(ReservePath()).ok();
    written = write();
  }
  if (!written.ok()) {  // The catalogue in use is as it was.
    (void)vfs_.Remove(temporary).ok();
    return std::move(written.error()).With("the catalogue of collections could not be written");
  }
  auto status = vfs_.Rename(temporary, CataloguePath());
  if (status.ok()) status = vfs_.SyncDir(directory_);
  if (status.ok()) return Ok();
  broken_ = std::move(status.error())
                .With(
                    "collections cannot be created, dropped or renamed until the database is "
                    "reopened, since its catalogue could not be written");
  return broken_->Clone();
}

// A collection whose folder `fill` makes.
template <class Fill>
Result<std::shared_ptr<Collection>> DirectoryDatabase::Add(const std::string& name,
                                                           const Fill& fill) {
  MALMOI_TRY(CheckName(name));
  const std::lock_guard change(change_mutex_);
  Entries entries = Copy();
  if (entries.contains(name)) {
    return Error(Code::kAlreadyExists, "collection '" + name + "' exists");
  }
  if (broken_) return broken_->Clone();
  const std::string folder = Folder(next_folder_);
  (void)vfs_.RemoveAll(folder).ok();  // What an earlier failed try left.
  MALMOI_TRY(fill(folder).With("create collection '" + name + "'"));
  MALMOI_TRY(auto store,
             Store::Open(vfs_, folder, workers_->budget).With("create collection '" + name + "'"));
  // The folder's name before the catalogue that refers to it.
  if (auto status = vfs_.SyncDir(directory_); !status.ok()) {
    broken_ = std::move(status.error()).With("the database's folder could not be synced");
    return broken_->Clone();
  }
  auto collection = std::make_shared<StoredCollection>(name, std::move(store), pool_, workers_);
  Entry& entry = entries[name];
  entry = {.folder = next_folder_++, .slot = std::make_shared<Slot>()};
  entry.slot->name = name;
  entry.slot->tried = true;
  entry.slot->collection = collection;
  MALMOI_TRY(Replace(std::move(entries)));
  return std::shared_ptr<Collection>(collection);
}

Result<std::shared_ptr<Collection>> DirectoryDatabase::Create(const std::string& name,
                                                              const CollectionConfig& config) {
  MALMOI_TRY(CheckConfig(config).With("collection '" + name + "'"));
  return Add(name, [&](const std::string& folder) { return Store::Create(vfs_, folder, config); });
}

Result<std::shared_ptr<Collection>> DirectoryDatabase::Import(const std::string& name,
                                                              const std::string& directory) {
  return Add(name, [&](const std::string& folder) -> Status {
    MALMOI_TRY(vfs_.MakeDirs(folder));
    MALMOI_TRY(const auto names, vfs_.List(directory));
    for (const auto& file : names) {
      MALMOI_TRY(CopyFile(vfs_, os::JoinPath(directory, file), os::JoinPath(folder, file)));
    }
    MALMOI_TRY(vfs_.SyncDir(folder));
    return Store::Verify(vfs_, folder);
  });
}

std::string DirectoryDatabase::owner_state() const {
  const std::lock_guard lock(mutex_);
  return owner_state_;
}

Status DirectoryDatabase::SetOwnerState(std::string_view json_object) {
  MALMOI_TRY(CheckJsonObject(json_object, "the owner's state"));
  const std::lock_guard change(change_mutex_);
  std::string state(json_object);
  MALMOI_TRY(WriteCatalogue(Copy(), state));
  const std::lock_guard lock(mutex_);
  owner_state_.swap(state);
  return Ok();
}

Result<std::shared_ptr<Collection>> DirectoryDatabase::Get(const std::string& name) const {
  Entry entry;
  {
    const std::lock_guard lock(mutex_);
    const auto it = entries_.find(name);
    if (it == entries_.end()) return NoSuch(name);
    entry = it->second;
  }
  MALMOI_TRY(auto collection, Opened(entry));
  return std::shared_ptr<Collection>(std::move(collection));
}

Result<Glance> DirectoryDatabase::GlanceAt(const std::string& name) const {
  Entry entry;
  {
    const std::lock_guard lock(mutex_);
    const auto it = entries_.find(name);
    if (it == entries_.end()) return NoSuch(name);
    entry = it->second;
  }
  {
    // Not while it is being opened, which may take long.
    const std::unique_lock lock(entry.slot->mutex, std::try_to_lock);
    if (lock.owns_lock() && entry.slot->collection != nullptr) {
      const auto& open = entry.slot->collection;
      return Glance{.config = open->config(), .info = open->Info(), .open = true};
    }
  }
  const std::string path = os::JoinPath(Folder(entry.folder), "MANIFEST");
  MALMOI_TRY(const auto bytes, os::ReadFile(vfs_, path));
  MALMOI_TRY(const Manifest manifest, Manifest::Decode(bytes).With("'" + path + "'"));
  Glance glance;
  manifest.schema.Describe(&glance.config);
  glance.config.metadata = manifest.metadata;
  glance.config.settings = manifest.settings;
  glance.info.segments = manifest.segments.size();
  for (const auto& segment : manifest.segments) {
    glance.info.points += segment.info.rows;
    glance.info.disk_bytes += segment.info.size;
    for (const char byte : segment.deleted) {
      glance.info.points -= static_cast<unsigned>(std::popcount(static_cast<unsigned char>(byte)));
    }
  }
  return glance;
}

Status DirectoryDatabase::Drop(const std::string& name) {
  const std::lock_guard change(change_mutex_);
  Entries entries = Copy();
  const auto it = entries.find(name);
  if (it == entries.end()) return NoSuch(name);
  const Entry dropped = it->second;
  entries.erase(it);
  MALMOI_TRY(Replace(std::move(entries)).With("drop collection '" + name + "'"));
  Discard(dropped);
  KeepReserve();
  return Ok();
}

Status DirectoryDatabase::Rename(const std::string& from, const std::string& to) {
  MALMOI_TRY(CheckName(to));
  const std::lock_guard change(change_mutex_);
  Entries entries = Copy();
  const auto it = entries.find(from);
  if (it == entries.end()) return NoSuch(from);
  {
    const std::lock_guard lock(it->second.slot->mutex);
    if (it->second.slot->error != nullptr) return it->second.slot->error->Clone();
  }
  if (from == to) return Ok();
  const Entry moved = it->second;
  entries.erase(it);
  std::optional<Entry> replaced;
  if (const auto old = entries.find(to); old != entries.end()) replaced = old->second;
  entries[to] = moved;
  MALMOI_TRY(Replace(std::move(entries)).With("rename collection '" + from + "'"));
  {
    const std::lock_guard lock(moved.slot->mutex);
    moved.slot->name = to;
    if (moved.slot->collection != nullptr) moved.slot->collection->SetName(to);
  }
  if (replaced) Discard(*replaced);
  return Ok();
}

// Readers that still hold the collection keep its mapped files; writers get kNotFound.
void DirectoryDatabase::Discard(const Entry& entry) {
  const std::lock_guard lock(entry.slot->mutex);
  if (entry.slot->collection != nullptr) entry.slot->collection->Close();
  if (!entry.slot->tried) {  // Whoever is about to open it finds none.
    entry.slot->tried = true;
    entry.slot->error = std::make_shared<const Error>(NoSuch(entry.slot->name));
  }
  (void)vfs_.RemoveAll(Folder(entry.folder)).ok();  // Else the next start removes it.
}

DirectoryDatabase::Entries DirectoryDatabase::Copy() const {
  const std::lock_guard lock(mutex_);
  return entries_;
}

// Makes the list durable, then visible.
Status DirectoryDatabase::Replace(Entries entries) {
  MALMOI_TRY(WriteCatalogue(entries, owner_state()));
  const std::lock_guard lock(mutex_);
  entries_.swap(entries);
  return Ok();
}

std::vector<std::string> DirectoryDatabase::List() const {
  std::vector<std::string> names;
  for (const auto& [name, entry] : Copy()) {
    if (!entry.slot->damaged) names.push_back(name);
  }
  return names;
}

std::vector<std::pair<std::string, std::string>> DirectoryDatabase::damaged() const {
  std::vector<std::pair<std::string, std::string>> out;
  for (const auto& [name, entry] : Copy()) {
    if (!entry.slot->damaged) continue;  // Nor is one waited for that is being opened.
    const std::lock_guard lock(entry.slot->mutex);
    out.emplace_back(name, entry.slot->error->message());
  }
  return out;
}

}  // namespace

Result<std::unique_ptr<Database>> Database::Open(os::Vfs& vfs, const std::string& directory,
                                                 std::size_t threads, std::uint64_t memory_bytes,
                                                 Opening opening) {
  auto database =
      std::make_unique<DirectoryDatabase>(vfs, directory, threads, memory_bytes, opening);
  MALMOI_TRY(database->Load().With("open database '" + directory + "'"));
  return std::unique_ptr<Database>(std::move(database));
}

}  // namespace malmoi::vec
