#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/cancel.h"
#include "base/result.h"
#include "catalog/catalog.h"
#include "ingest/document.h"
#include "ingest/reader.h"
#include "kernels/gemm.h"
#include "rag/answer.h"
#include "rag/lexical.h"
#include "rag/retriever.h"
#include "remote/qdrant_client.h"

namespace malmoi::rag {

struct LibraryOptions {
  std::string data_directory;
  remote::StoreAddress store;  // In place of the embedded store; without a url: embedded.
  // An id, a folder, or an embedding server's URL; "none": lexical search only.
  std::string model = "multilingual-e5-small";
  std::string model_key;                                        // Of the embedding server.
  std::size_t threads = 0;                                      // 0: usable cores.
  kernels::Precision precision = kernels::Precision::kFloat32;  // Of the embedding model.
  std::size_t jobs = 0;                                         // Reader children; 0: usable cores.
  std::shared_ptr<llm::Generator> generator;                    // Null: extractive answers.
  bool lazy_model = true;  // Open the embedding model at the first use, not at start.
  // Used in place of the model and of the sandboxed readers, where the composition root (or a test)
  // brings its own.
  std::shared_ptr<embed::Embedder> embedder;
  std::shared_ptr<ingest::ReaderPool> readers;
};

struct IndexProgress {
  std::uint64_t files_total = 0, files_done = 0;
  // Chunks read so far while reading (the total is not known then); of the vector phase after.
  std::uint64_t chunks_total = 0, chunks_done = 0;
  const char* phase = "read";  // "read", "average", "vectors".
};

struct IndexReport {
  std::string collection, root;
  std::uint64_t files = 0, added = 0, changed = 0, unchanged = 0, removed = 0, failed = 0;
  std::uint64_t chunks = 0;  // In the collection now.
  std::uint64_t vectors_added = 0;
  bool vectors_complete = false;
  std::string note;  // Why vectors are not complete and what to do; empty if they are.
  double seconds = 0;
  struct Failure {
    std::string path, code, reason;
  };
  std::vector<Failure> failures;  // Files without a result, each with its reason.
};

struct SearchHit {
  Passage passage;
  float dense = 0, lexical = 0;
  bool has_dense = false, has_lexical = false;
};
struct SearchReport {
  std::string query, mode;
  std::vector<SearchHit> hits;
  float dense_share = 0;
  bool vectors_complete = true;  // False while vectors are still being made: results will improve.
  double seconds = 0;
};

struct CitationCheck {
  Citation citation;
  bool holds = false;
  std::string reason;  // Why not: "the file has changed since", "no longer indexed".
};

struct CollectionStatus {
  std::string name, model, model_fingerprint;
  std::vector<std::string> roots;
  catalog::CollectionTotals totals;
  std::uint64_t points = 0;
  std::uint64_t disk_bytes = 0;
  double average_length = 0;
};

// A data directory: catalogue, extracted documents and collections, owned by one process (flock).
// Thread-safe: any number of searches beside one Index at a time (a second one waits).
class Library {
 public:
  // Errors: kAlreadyExists when another process owns the directory.
  static Result<std::unique_ptr<Library>> Open(const LibraryOptions& options);
  virtual ~Library() = default;

  // Brings the collection in step with the files under `path`: unchanged files (content hash) are
  // skipped, changed ones replaced, missing ones removed. Lexical search sees each file as soon as
  // it is committed; vectors follow. Interrupted at any moment, a later run completes it.
  virtual Result<IndexReport> Index(const std::string& path, const std::string& collection,
                                    const std::function<void(const IndexProgress&)>& progress,
                                    const Cancel* cancel) = 0;
  // Hybrid search without a model, or before the first vector, is lexical; `mode` says so.
  // Errors: kNotFound for a collection that was never indexed; kInvalidArgument when it was made
  // with another model or analyser than this library has.
  virtual Result<SearchReport> Search(const std::string& collection, std::string_view query,
                                      const RetrieveOptions& options, const Cancel* cancel) = 0;
  struct AskOptions {
    RetrieveOptions retrieve;
    AnswerOptions answer;
    bool extractive = false;  // Even when there is a generator.
  };
  virtual Result<Answer> Ask(const std::string& collection, std::string_view question,
                             const AskOptions& options,
                             const std::function<bool(std::string_view)>& on_text,
                             const Cancel* cancel) = 0;
  virtual Result<std::vector<CitationCheck>> Verify(const std::string& collection,
                                                    const Answer& answer) = 0;
  virtual Result<CollectionStatus> StatusOf(const std::string& collection) = 0;
  virtual std::vector<std::string> Collections() = 0;
  virtual Result<std::vector<catalog::DocumentRow>> Documents(const std::string& collection) = 0;
  // The current extracted document of (root, path); `root` empty: the first that has the path.
  virtual Result<ingest::Document> ReadDocument(const std::string& collection,
                                                const std::string& root,
                                                const std::string& path) = 0;
  virtual Status Drop(const std::string& collection) = 0;
};

// The JSON of --json and of the HTTP API.
std::string ToJson(const IndexReport& report);
std::string ToJson(const SearchReport& report);
std::string ToJson(const CollectionStatus& status);
std::string ToJson(const std::vector<CitationCheck>& checks);

}  // namespace malmoi::rag
