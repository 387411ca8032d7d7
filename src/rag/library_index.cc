#include <utility>

#include "os/cpu_info.h"
#include "os/paths.h"
#include "rag/indexer.h"
#include "rag/library_impl_internal.h"

namespace malmoi::rag {

Result<std::shared_ptr<OpenCollection>> LibraryImpl::FindOrCreate(const std::string& collection,
                                                                  const embed::Embedder* embedder) {
  auto found = Find(collection);
  if (found.ok() || found.error().code() != Code::kNotFound) return found;
  if (collection.ends_with(kRebuildSuffix)) {
    return Error(Code::kInvalidArgument, "a collection's name may not end in '" +
                                             std::string(kRebuildSuffix) + "': '" + collection +
                                             "'");
  }
  MALMOI_TRY(const auto analyzer, GetAnalyzer());
  CollectionSettings settings;
  settings.analyzer = analyzer->fingerprint();
  if (embedder != nullptr) {
    settings.model = embedder->id();
    settings.model_fingerprint = embedder->fingerprint();
  }
  MALMOI_TRY(auto store, database_->Create(collection, ConfigFor(embedder, settings)));
  // Rows that outlived their store would pass for indexed files.
  MALMOI_TRY(catalog_->RemoveCollection(collection));
  MALMOI_TRY(auto opened, OpenCollection::Load(*catalog_, std::move(store)));
  const std::lock_guard lock(mutex_);
  collections_[collection] = opened;
  return opened;
}

Result<IndexReport> LibraryImpl::Index(const std::string& path, const std::string& collection,
                                       const std::function<void(const IndexProgress&)>& progress,
                                       const Cancel* cancel) {
  const std::lock_guard running(index_mutex_);
  std::string root = os::AbsolutePath(path);
  std::string only_file;
  auto found = os::PosixVfs().Stat(root);
  if (!found.ok() && found.error().code() == Code::kNotFound) {
    return Error(Code::kNotFound, root + " does not exist: give a file or folder that is there");
  }
  MALMOI_TRY(const os::FileInfo info, std::move(found));
  if (!info.is_directory) {
    only_file = os::BaseName(root);
    root = os::DirName(root);
  }
  auto embedder = GetEmbedder();
  if (!embedder.ok() && embedder.error().code() != Code::kNotFound) {
    return std::move(embedder.error());
  }
  MALMOI_TRY(const auto analyzer, GetAnalyzer());
  const std::shared_ptr<embed::Embedder> model =
      embedder.ok() ? embedder.value() : std::shared_ptr<embed::Embedder>();
  MALMOI_TRY(const auto open, FindOrCreate(collection, model.get()));
  const std::size_t jobs = options_.jobs == 0 ? os::UsableCores() : options_.jobs;
  const IndexContext context{
      .catalog = *catalog_,
      .content = *content_,
      .database = *database_,
      .pool = *pool_,
      .collection = *open,
      .analyzer = analyzer,
      .embedder = model,
      .readers = [&]() -> Result<std::shared_ptr<ingest::ReaderPool>> {
        if (options_.readers != nullptr) return options_.readers;
        MALMOI_TRY(auto readers, ingest::ReaderPool::Start(jobs, {}));
        return std::shared_ptr<ingest::ReaderPool>(std::move(readers));
      },
      .jobs = jobs,
      .progress = progress,
      .cancel = cancel,
  };
  IndexRun run(context, std::move(root), std::move(only_file));
  MALMOI_TRY(IndexReport report, run.Run());
  if (!report.vectors_complete || !embedder.ok()) {
    report.note = embedder.ok() ? "no embedding model is configured: search is lexical only"
                                : "search is lexical only: " + embedder.error().message();
  }
  return report;
}

}  // namespace malmoi::rag
