#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "os/thread_pool.h"
#include "os/vfs.h"
#include "rag/library.h"
#include "rag/open_collection.h"

namespace malmoi::rag {

// Library over the embedded parts. Lock order: index_mutex_, then model_mutex_ or mutex_.
class LibraryImpl : public Library {
 public:
  explicit LibraryImpl(const LibraryOptions& options);
  Status OpenAll();

  // library.cc
  Result<CollectionStatus> StatusOf(const std::string& collection) override;
  std::vector<std::string> Collections() override;
  Result<std::vector<catalog::DocumentRow>> Documents(const std::string& collection) override;
  Result<ingest::Document> ReadDocument(const std::string& collection, const std::string& root,
                                        const std::string& path) override;
  Status Drop(const std::string& collection) override;

  // library_index.cc
  Result<IndexReport> Index(const std::string& path, const std::string& collection,
                            const std::function<void(const IndexProgress&)>& progress,
                            const Cancel* cancel) override;

  // library_search.cc
  Result<SearchReport> Search(const std::string& collection, std::string_view query,
                              const RetrieveOptions& options, const Cancel* cancel) override;

  // library_ask.cc
  Result<Answer> Ask(const std::string& collection, std::string_view question,
                     const AskOptions& options,
                     const std::function<bool(std::string_view)>& on_text,
                     const Cancel* cancel) override;
  Result<std::vector<CitationCheck>> Verify(const std::string& collection,
                                            const Answer& answer) override;

 private:
  Status OpenCollections();
  Result<std::shared_ptr<OpenCollection>> Find(const std::string& collection) const;  // kNotFound
  Result<std::shared_ptr<OpenCollection>> FindOrCreate(const std::string& collection,
                                                       const embed::Embedder* embedder);
  // Opened at the first use. The embedder is null where the model is "none"; kNotFound where the
  // model is not on this machine.
  Result<std::shared_ptr<embed::Embedder>> GetEmbedder();
  Result<std::shared_ptr<const text::Analyzer>> GetAnalyzer();

  Result<std::optional<catalog::DocumentRow>> FindRow(const std::string& collection,
                                                      const std::string& root,
                                                      const std::string& path);
  Result<ingest::Document> ReadContent(const catalog::DocumentRow& row);

  // A question's hits with the ports and options they were found with.
  struct Found {
    Ports ports;
    RetrieveOptions options;
    Retrieval retrieval;
    std::vector<SearchHit> hits;
    bool vectors_complete = true;
  };
  Result<Found> RetrieveHits(const std::string& collection, std::string_view query,
                             const RetrieveOptions& options, const Cancel* cancel);
  Status AddEmbedder(const CollectionSettings& settings, const std::string& collection,
                     Found* found);

  const LibraryOptions options_;
  std::optional<os::FileLock> lock_;
  std::unique_ptr<catalog::Catalog> catalog_;
  std::unique_ptr<catalog::ContentStore> content_;
  std::unique_ptr<vec::Database> database_;
  std::unique_ptr<os::ThreadPool> pool_;

  std::mutex index_mutex_;  // One index run or drop at a time.
  std::mutex model_mutex_;  // guards: embedder_, analyzer_; held while they open, once.
  std::shared_ptr<embed::Embedder> embedder_;
  std::shared_ptr<const text::Analyzer> analyzer_;
  mutable std::mutex mutex_;  // guards: collections_.
  std::map<std::string, std::shared_ptr<OpenCollection>> collections_;
};

}  // namespace malmoi::rag
