#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "catalog/catalog.h"
#include "ingest/document.h"
#include "ingest/reader.h"
#include "ingest/walk.h"
#include "rag/lexical.h"
#include "vec/point.h"

namespace malmoi::rag {

// A file that the walk found and the catalogue does not know as unchanged by size and time.
struct FileTask {
  ingest::FoundFile file;
  std::optional<catalog::DocumentRow> old;
};

// A file ready to be committed.
struct PreparedFile {
  enum class Kind : std::uint8_t {
    kUnchanged,  // Same bytes as `old`; nothing to write.
    kTouched,    // Same bytes, another time: only the row is written.
    kRead,       // A new version.
    kFailed,     // Could not be read; the row says why.
  };
  struct Chunk {
    vec::PointId id;
    std::string payload;
    LexicalTerms terms;
  };
  Kind kind = Kind::kUnchanged;
  catalog::DocumentRow row;  // `content` is set when the bytes are stored.
  std::optional<catalog::DocumentRow> old;
  std::string content;  // The encoded document.
  std::vector<Chunk> chunks;
  std::uint64_t bytes = 0;  // Memory held, roughly, for the queue's limit.
};

// Whether a file that could not be read is tried again although nothing of it has changed: what was
// missing (the PDF library, a disk) may be there now.
bool WorthRetrying(const catalog::DocumentRow& row);

// What one version depends on beside the file's bytes.
std::string VersionFingerprint(const text::Analyzer& analyzer, const ingest::ChunkOptions& chunking,
                               const Bm25& bm25);

// From path to points without vectors: hash, read in a sandboxed child, chunk, analyse.
//
// Thread safety: Prepare may run concurrently. Never fails: an unreadable file is a result too.
class FilePreparer {
 public:
  struct Options {
    std::string collection, root, fingerprint;
    ingest::ChunkOptions chunking;
    Bm25 bm25;
  };
  FilePreparer(const Options& options, const text::Analyzer& analyzer, ingest::ReaderPool& readers)
      : options_(options), analyzer_(analyzer), readers_(readers) {}

  PreparedFile Prepare(const FileTask& task) const;

 private:
  void Fail(const Error& error, PreparedFile* out) const;
  void Fill(const ingest::Document& document, PreparedFile* out) const;

  const Options options_;
  const text::Analyzer& analyzer_;
  ingest::ReaderPool& readers_;
};

}  // namespace malmoi::rag
