#include "rag/library.h"

#include <utility>

#include "obs/log.h"
#include "os/cpu_info.h"
#include "rag/indexer.h"
#include "rag/library_impl_internal.h"
#include "rag/parts.h"

namespace malmoi::rag {

Result<std::unique_ptr<Library>> Library::Open(const LibraryOptions& options) {
  auto library = std::make_unique<LibraryImpl>(options);
  MALMOI_TRY(library->OpenAll().With("open library '" + options.data_directory + "'"));
  return std::unique_ptr<Library>(std::move(library));
}

LibraryImpl::LibraryImpl(const LibraryOptions& options)
    : options_(options), embedder_(options.embedder) {}

Status LibraryImpl::OpenAll() {
  os::Vfs& vfs = os::PosixVfs();
  const std::string& data = options_.data_directory;
  MALMOI_TRY(vfs.MakeDirs(data));
  auto lock = os::FileLock::Acquire(os::JoinPath(data, "lock"));
  if (!lock.ok() && lock.error().code() == Code::kAlreadyExists) {
    return Error(Code::kAlreadyExists,
                 "another malmoi process uses this data directory; ask the running server, stop "
                 "it, or give another directory with --data");
  }
  if (!lock.ok()) return std::move(lock.error());
  lock_.emplace(std::move(lock).value());
  const std::size_t threads = options_.threads == 0 ? os::UsableCores() : options_.threads;
  pool_ = std::make_unique<os::ThreadPool>(threads, "library");
  MALMOI_TRY(catalog_, catalog::Catalog::Open(os::JoinPath(data, "catalog.db")));
  MALMOI_TRY(content_, catalog::ContentStore::Open(os::JoinPath(data, "content")));
  MALMOI_TRY(database_, OpenDatabase({.data = data, .store = options_.store, .threads = threads}));
  MALMOI_TRY(OpenCollections());
  if (!options_.lazy_model) {
    const auto embedder = GetEmbedder();
    if (!embedder.ok() && embedder.error().code() != Code::kNotFound) {
      return embedder.error().Clone();
    }
  }
  return Ok();
}

Status LibraryImpl::OpenCollections() {
  for (const auto& [name, reason] : database_->damaged()) {
    obs::LogLine(obs::Level::kError, "collection_damaged").Field("name", name).Field("why", reason);
  }
  for (const std::string& name : database_->List()) {
    auto store = database_->Get(name);
    if (!store.ok()) continue;  // Damaged: Find gives the error to whoever asks for it.
    if (name.ends_with(kRebuildSuffix)) {
      MALMOI_TRY(database_->Drop(name));
      continue;
    }
    auto opened = OpenCollection::Load(*catalog_, std::move(store).value());
    MALMOI_TRY(auto collection, std::move(opened).With("open collection '" + name + "'"));
    // The other half of an interrupted Drop: its rows went first.
    MALMOI_TRY(const auto roots, catalog_->Roots(name));
    if (roots.empty()) {
      MALMOI_TRY(database_->Drop(name));
      continue;
    }
    collections_[name] = std::move(collection);
  }
  return Ok();
}

Result<std::shared_ptr<OpenCollection>> LibraryImpl::Find(const std::string& collection) const {
  {
    const std::lock_guard lock(mutex_);
    const auto at = collections_.find(collection);
    if (at != collections_.end()) return at->second;
  }
  // A damaged collection has its own error; any other name was never indexed.
  auto store = database_->Get(collection);
  if (!store.ok() && store.error().code() != Code::kNotFound) return std::move(store.error());
  return Error(Code::kNotFound, "no collection '" + collection +
                                    "'; make it with: malmoi index FOLDER --collection " +
                                    collection);
}

Result<std::shared_ptr<embed::Embedder>> LibraryImpl::GetEmbedder() {
  const std::lock_guard lock(model_mutex_);
  if (embedder_ == nullptr) {
    MALMOI_TRY(embedder_, OpenEmbedder(options_.model, options_.threads, options_.precision,
                                       options_.model_key));
  }
  return embedder_;
}

Result<std::shared_ptr<const text::Analyzer>> LibraryImpl::GetAnalyzer() {
  const std::lock_guard lock(model_mutex_);
  if (analyzer_ == nullptr) {
    MALMOI_TRY(analyzer_, OpenAnalyzer());
  }
  return analyzer_;
}

std::vector<std::string> LibraryImpl::Collections() {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> names;
  for (const auto& [name, collection] : collections_) names.push_back(name);
  return names;
}

Result<CollectionStatus> LibraryImpl::StatusOf(const std::string& collection) {
  MALMOI_TRY(const auto open, Find(collection));
  CollectionStatus status;
  status.name = collection;
  const CollectionSettings settings = open->settings();
  status.model = settings.model;
  status.model_fingerprint = settings.model_fingerprint;
  MALMOI_TRY(status.roots, catalog_->Roots(collection));
  MALMOI_TRY(status.totals, open->Totals(*catalog_));
  const vec::CollectionInfo info = open->store()->Info();
  status.points = info.points;
  status.disk_bytes = info.disk_bytes;
  if (status.totals.chunks > 0) {
    status.average_length = status.totals.term_length / static_cast<double>(status.totals.chunks);
  }
  return status;
}

Result<std::vector<catalog::DocumentRow>> LibraryImpl::Documents(const std::string& collection) {
  MALMOI_TRY(Find(collection));
  return catalog_->List(collection, "");
}

Result<std::optional<catalog::DocumentRow>> LibraryImpl::FindRow(const std::string& collection,
                                                                 const std::string& root,
                                                                 const std::string& path) {
  if (!root.empty()) return catalog_->Find({collection, root, path});
  MALMOI_TRY(const auto roots, catalog_->Roots(collection));
  for (const std::string& each : roots) {
    MALMOI_TRY(auto row, catalog_->Find({collection, each, path}));
    if (row) return row;
  }
  return std::optional<catalog::DocumentRow>();
}

Result<ingest::Document> LibraryImpl::ReadContent(const catalog::DocumentRow& row) {
  MALMOI_TRY(const std::string bytes, content_->Get(row.content));
  return ingest::Decode(bytes);
}

Result<ingest::Document> LibraryImpl::ReadDocument(const std::string& collection,
                                                   const std::string& root,
                                                   const std::string& path) {
  MALMOI_TRY(Find(collection));
  MALMOI_TRY(const auto row, FindRow(collection, root, path));
  if (!row) {
    return Error(Code::kNotFound, "'" + path + "' is not in collection '" + collection + "'");
  }
  if (row->version.empty()) {
    return Error(Code::kUnsupported, "'" + path + "' could not be read: " + row->error);
  }
  return ReadContent(*row);
}

Status LibraryImpl::Drop(const std::string& collection) {
  const std::lock_guard running(index_mutex_);
  MALMOI_TRY(Find(collection));
  // Rows first: points without rows are invisible, and removed by the next start.
  MALMOI_TRY(catalog_->RemoveCollection(collection));
  {
    const std::lock_guard lock(mutex_);
    collections_.erase(collection);
  }
  return database_->Drop(collection);
}

}  // namespace malmoi::rag
