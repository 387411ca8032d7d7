#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace malmoi::catalog {

// What is known of one file of an indexed folder. A row says which version of the document is
// current: chunks of other versions are invisible to search and swept at start-up.
struct DocumentRow {
  std::string collection;
  std::string root;  // Absolute path of the indexed folder (or of the folder of a single file).
  std::string path;  // Relative to root.
  std::string file_hash;  // SHA-256 of the file's bytes, hex.
  std::uint64_t size = 0;
  std::int64_t mtime_ns = 0;
  std::string
      version;  // UUID of collection, root, path, file hash and fingerprint; empty if unreadable.
  std::string fingerprint;  // Extractor, chunker and analyser that made the version.
  std::string content;  // Key of the extracted document in the ContentStore; empty if unreadable.
  std::string format, encoding, title, language;
  std::uint32_t chunks = 0;
  double term_length = 0;    // Sum of the chunks' lexical lengths, for BM25's average.
  bool has_vectors = false;  // All chunks have their dense vector.
  std::string error_code;    // CodeName of why it could not be read; empty if it could.
  std::string error;
};

struct CollectionTotals {
  std::uint64_t documents = 0;  // Readable ones.
  std::uint64_t failed = 0;
  std::uint64_t chunks = 0;
  std::uint64_t chunks_with_vectors = 0;
  double term_length = 0;
  std::vector<std::pair<std::string, std::uint64_t>> languages;  // Chunks by language, most first.
};

// The relational state of a data directory, in SQLite (WAL mode, synchronous=FULL: a returned write
// is durable). Thread-safe. Errors: kIo, kCorruption.
class Catalog {
 public:
  // `path` is the database file; made if missing, migrated if older (docs/formats/catalog.md).
  static Result<std::unique_ptr<Catalog>> Open(const std::string& path);
  virtual ~Catalog() = default;

  // Inserts or replaces rows by (collection, root, path): one transaction.
  virtual Status Put(std::span<const DocumentRow> rows) = 0;
  struct Key {
    std::string collection, root, path;
  };
  virtual Status Remove(std::span<const Key> keys) = 0;
  virtual Status RemoveCollection(const std::string& collection) = 0;
  virtual Result<std::optional<DocumentRow>> Find(const Key& key) = 0;
  virtual Result<std::optional<DocumentRow>> FindVersion(const std::string& version) = 0;
  // By (root, path). `root` empty: all roots.
  virtual Result<std::vector<DocumentRow>> List(const std::string& collection,
                                                const std::string& root) = 0;
  virtual Result<CollectionTotals> Totals(const std::string& collection) = 0;
  virtual Result<std::vector<std::string>> Collections() = 0;
  virtual Result<std::vector<std::string>> Roots(const std::string& collection) = 0;
};

// Extracted documents in files named by their key (SHA-256 of the encoded document), written once
// and checked against the key when read (docs/formats/catalog.md). Thread-safe; a Sweep must not
// run beside a Put whose key its `keep` does not know. Cost of PutAll: a sync a new file.
class ContentStore {
 public:
  static Result<std::unique_ptr<ContentStore>> Open(const std::string& directory);
  virtual ~ContentStore() = default;
  virtual Result<std::string> Put(std::string_view bytes) = 0;  // Returns the key; durable.
  // The same for many, with one directory sync for all: keys in the order given.
  virtual Result<std::vector<std::string>> PutAll(std::span<const std::string> documents) = 0;
  virtual Result<std::string> Get(const std::string& key) = 0;  // kNotFound, kCorruption.
  // Removes files whose key `keep` refuses; returns how many.
  virtual Result<std::uint64_t> Sweep(const std::function<bool(const std::string& key)>& keep) = 0;
};

}  // namespace malmoi::catalog
