#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/cancel.h"
#include "os/thread_pool.h"
#include "rag/library.h"
#include "rag/open_collection.h"
#include "rag/prepared_file.h"

namespace malmoi::rag {

// What an index run works with; all outlive it.
struct IndexContext {
  catalog::Catalog& catalog;
  catalog::ContentStore& content;
  vec::Database& database;
  os::ThreadPool& pool;
  OpenCollection& collection;
  std::shared_ptr<const text::Analyzer> analyzer;
  std::shared_ptr<embed::Embedder> embedder;  // Null: the vector phase is left out.
  // Starts the reader children when the first file has to be read.
  std::function<Result<std::shared_ptr<ingest::ReaderPool>>()> readers;
  std::size_t jobs = 1;
  const std::function<void(const IndexProgress&)>& progress;
  const Cancel* cancel = nullptr;
};

// Suffix of the collection that a rebuild makes beside the old one; users' names may not end so.
inline constexpr const char* kRebuildSuffix = ".rebuild";

// Configuration of a library's collection; no dense vector without an embedder.
vec::CollectionConfig ConfigFor(const embed::Embedder* embedder,
                                const CollectionSettings& settings);

// One run of Library::Index. The order of durable steps is the safety of it:
//
//   flag "indexing" -> contents -> points of new versions -> rows -> points of old versions
//   -> flag off -> rewrite if the average moved -> dense vectors, a row's mark after its vectors
//
// A run that ends anywhere leaves rows whose points are all there, and perhaps points without a
// row, which searches drop and the next start sweeps.
class IndexRun {
 public:
  IndexRun(const IndexContext& context, std::string root, std::string only_file);
  // Errors: kNotFound for the path; kCancelled; kIo. Files that cannot be read are no error.
  Result<IndexReport> Run();

 private:
  // indexer.cc: which files, and the read phase.
  Status Plan();
  bool Vanished(const catalog::DocumentRow& row) const;
  Status Read();
  Status CommitAll(class FileQueue* queue);
  Status Commit(std::vector<PreparedFile>* batch);
  Status RemoveVanished();
  Status MarkIndexing(bool indexing);
  Status Finish();

  // index_lexical.cc: values that depend on the average length.
  Status ChooseBucket(const std::vector<PreparedFile>& batch);
  Status UpsertChunks(std::vector<PreparedFile>* batch);
  Status CorrectAverage();
  Status RewriteLexical(double bucket);
  void Remember(const vec::PointId& id, LexicalTerms&& terms);

  // index_vectors.cc: the model's part.
  Status MatchModel();
  Status CopyWithoutDense(vec::Collection& from, vec::Collection& to);
  Status MakeVectors();
  Status EmbedChunks(const std::vector<vec::PointId>& ids);

  bool Cancelled() const { return context_.cancel != nullptr && context_.cancel->IsSet(); }
  void Progress(const char* phase);
  const std::string& name() const { return report_.collection; }

  const IndexContext context_;
  const std::string only_file_;  // Relative path; empty: the whole root.
  const Bm25 bm25_;
  const ingest::ChunkOptions chunking_;
  std::string fingerprint_;
  IndexReport report_;
  IndexProgress state_;
  std::vector<FileTask> tasks_;
  std::vector<catalog::DocumentRow> vanished_;
  std::vector<std::string> skipped_;  // "path: reason" of the walk.
  bool replaced_ = false;             // Some content may have lost its row.
  // Terms of this run's chunks, so that a rewrite need not analyse them again; bounded.
  std::map<vec::PointId, LexicalTerms> remembered_;
  std::uint64_t remembered_bytes_ = 0;
};

}  // namespace malmoi::rag
