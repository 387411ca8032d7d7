#include "catalog/catalog.h"

#include <array>
#include <mutex>
#include <utility>

#include "base/check.h"
#include "catalog/sqlite_internal.h"

namespace malmoi::catalog {
namespace {

constexpr int kApplicationId = 0x4d4c4d69;  // "MLMi": tells our files from other databases.
constexpr int kSchemaVersion = 1;

// Columns in the order of DocumentRow; every statement that reads rows names them so.
#define MALMOI_DOCUMENT_COLUMNS                                                        \
  "collection, root, path, file_hash, size, mtime_ns, version, fingerprint, content, " \
  "format, encoding, title, language, chunks, term_length, has_vectors, error_code, error"

constexpr const char* kSchema =
    "CREATE TABLE documents ("
    " collection TEXT NOT NULL, root TEXT NOT NULL, path TEXT NOT NULL,"
    " file_hash TEXT NOT NULL, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,"
    " version TEXT NOT NULL, fingerprint TEXT NOT NULL, content TEXT NOT NULL,"
    " format TEXT NOT NULL, encoding TEXT NOT NULL, title TEXT NOT NULL, language TEXT NOT NULL,"
    " chunks INTEGER NOT NULL, term_length REAL NOT NULL, has_vectors INTEGER NOT NULL,"
    " error_code TEXT NOT NULL, error TEXT NOT NULL,"
    " PRIMARY KEY (collection, root, path)) WITHOUT ROWID;"
    "CREATE INDEX documents_version ON documents (version) WHERE version <> '';";

enum Query : std::size_t {
  kPut,
  kRemove,
  kRemoveCollection,
  kFind,
  kFindVersion,
  kListAll,
  kListRoot,
  kTotals,
  kLanguages,
  kCollections,
  kRoots,
  kQueries,
};

constexpr std::array<const char*, kQueries> kSql = {
    "INSERT OR REPLACE INTO documents (" MALMOI_DOCUMENT_COLUMNS
    ") VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
    "DELETE FROM documents WHERE collection = ? AND root = ? AND path = ?",
    "DELETE FROM documents WHERE collection = ?",
    "SELECT " MALMOI_DOCUMENT_COLUMNS
    " FROM documents WHERE collection = ? AND root = ? AND path = ?",
    "SELECT " MALMOI_DOCUMENT_COLUMNS " FROM documents WHERE version = ? AND version <> ''",
    "SELECT " MALMOI_DOCUMENT_COLUMNS " FROM documents WHERE collection = ? ORDER BY root, path",
    "SELECT " MALMOI_DOCUMENT_COLUMNS
    " FROM documents WHERE collection = ? AND root = ? ORDER BY path",
    "SELECT COUNT(*), SUM(error_code <> ''), SUM(chunks), SUM(chunks * has_vectors),"
    " SUM(term_length) FROM documents WHERE collection = ?",
    "SELECT language, SUM(chunks) AS n FROM documents WHERE collection = ? AND chunks > 0"
    " GROUP BY language ORDER BY n DESC, language",
    "SELECT DISTINCT collection FROM documents ORDER BY collection",
    "SELECT DISTINCT root FROM documents WHERE collection = ? ORDER BY root",
};

DocumentRow ReadRow(const Statement& s) {
  DocumentRow row;
  row.collection = s.Text(0);
  row.root = s.Text(1);
  row.path = s.Text(2);
  row.file_hash = s.Text(3);
  row.size = static_cast<std::uint64_t>(s.Int(4));
  row.mtime_ns = s.Int(5);
  row.version = s.Text(6);
  row.fingerprint = s.Text(7);
  row.content = s.Text(8);
  row.format = s.Text(9);
  row.encoding = s.Text(10);
  row.title = s.Text(11);
  row.language = s.Text(12);
  row.chunks = static_cast<std::uint32_t>(s.Int(13));
  row.term_length = s.Real(14);
  row.has_vectors = s.Int(15) != 0;
  row.error_code = s.Text(16);
  row.error = s.Text(17);
  return row;
}

class SqliteCatalog : public Catalog {
 public:
  explicit SqliteCatalog(sqlite3* db) : db_(db) {}
  ~SqliteCatalog() override {
    for (sqlite3_stmt* stmt : statements_) sqlite3_finalize(stmt);
    sqlite3_close(db_);
  }

  Status Prepare(const std::string& path) {
    MALMOI_TRY(Exec("PRAGMA journal_mode=WAL"));
    MALMOI_TRY(Exec("PRAGMA synchronous=FULL"));
    MALMOI_TRY(const std::int64_t id, Pragma("PRAGMA application_id"));
    MALMOI_TRY(const std::int64_t version, Pragma("PRAGMA user_version"));
    if (version > kSchemaVersion) {
      return Error(Code::kUnsupported, "catalogue '" + path + "' has schema version " +
                                           std::to_string(version) + ", this malmoi reads up to " +
                                           std::to_string(kSchemaVersion) + "; use a newer malmoi");
    }
    if (version == 0) {
      MALMOI_TRY(const std::int64_t tables, Pragma("SELECT COUNT(*) FROM sqlite_schema"));
      if (tables != 0) {
        return Error(Code::kCorruption, "'" + path + "' is not a malmoi catalogue");
      }
      const std::string sql = std::string("BEGIN IMMEDIATE;") + kSchema +
                              "PRAGMA application_id=" + std::to_string(kApplicationId) +
                              ";PRAGMA user_version=" + std::to_string(kSchemaVersion) + ";COMMIT";
      MALMOI_TRY(Exec(sql.c_str()));
    } else if (id != kApplicationId) {
      return Error(Code::kCorruption, "'" + path + "' is not a malmoi catalogue");
    }
    for (std::size_t i = 0; i < kQueries; ++i) {
      if (sqlite3_prepare_v3(db_, kSql[i], -1, SQLITE_PREPARE_PERSISTENT, &statements_[i],
                             nullptr) != SQLITE_OK) {
        return SqliteError(db_, "prepare catalogue");
      }
    }
    return Ok();
  }

  Status Put(std::span<const DocumentRow> rows) override {
    const std::lock_guard lock(mutex_);
    return Transact([&]() -> Status {
      for (const DocumentRow& r : rows) {
        Statement s = Use(kPut);
        s.Bind(r.collection).Bind(r.root).Bind(r.path).Bind(r.file_hash);
        s.Bind(static_cast<std::int64_t>(r.size)).Bind(r.mtime_ns);
        s.Bind(r.version).Bind(r.fingerprint).Bind(r.content);
        s.Bind(r.format).Bind(r.encoding).Bind(r.title).Bind(r.language);
        s.Bind(std::int64_t{r.chunks}).Bind(r.term_length).Bind(std::int64_t{r.has_vectors});
        s.Bind(r.error_code).Bind(r.error);
        MALMOI_TRY(s.Run());
      }
      return Ok();
    });
  }
  Status Remove(std::span<const Key> keys) override {
    const std::lock_guard lock(mutex_);
    return Transact([&]() -> Status {
      for (const Key& key : keys) {
        Statement s = Use(kRemove);
        MALMOI_TRY(s.Bind(key.collection).Bind(key.root).Bind(key.path).Run());
      }
      return Ok();
    });
  }
  Status RemoveCollection(const std::string& collection) override {
    const std::lock_guard lock(mutex_);
    Statement s = Use(kRemoveCollection);
    return s.Bind(collection).Run();
  }
  Result<std::optional<DocumentRow>> Find(const Key& key) override {
    const std::lock_guard lock(mutex_);
    Statement s = Use(kFind);
    return First(s.Bind(key.collection).Bind(key.root).Bind(key.path));
  }
  Result<std::optional<DocumentRow>> FindVersion(const std::string& version) override {
    const std::lock_guard lock(mutex_);
    Statement s = Use(kFindVersion);
    return First(s.Bind(version));
  }
  Result<std::vector<DocumentRow>> List(const std::string& collection,
                                        const std::string& root) override {
    const std::lock_guard lock(mutex_);
    Statement s = Use(root.empty() ? kListAll : kListRoot);
    s.Bind(collection);
    if (!root.empty()) s.Bind(root);
    std::vector<DocumentRow> rows;
    for (;;) {
      MALMOI_TRY(const bool more, s.Step());
      if (!more) return rows;
      rows.push_back(ReadRow(s));
    }
  }
  Result<CollectionTotals> Totals(const std::string& collection) override {
    const std::lock_guard lock(mutex_);
    CollectionTotals totals;
    Statement s = Use(kTotals);
    MALMOI_TRY(s.Bind(collection).Step());  // An aggregate always has its row.
    totals.failed = static_cast<std::uint64_t>(s.Int(1));
    totals.documents = static_cast<std::uint64_t>(s.Int(0)) - totals.failed;
    totals.chunks = static_cast<std::uint64_t>(s.Int(2));
    totals.chunks_with_vectors = static_cast<std::uint64_t>(s.Int(3));
    totals.term_length = s.Real(4);
    Statement by_language = Use(kLanguages);
    by_language.Bind(collection);
    for (;;) {
      MALMOI_TRY(const bool more, by_language.Step());
      if (!more) return totals;
      totals.languages.emplace_back(by_language.Text(0),
                                    static_cast<std::uint64_t>(by_language.Int(1)));
    }
  }
  Result<std::vector<std::string>> Collections() override {
    const std::lock_guard lock(mutex_);
    Statement s = Use(kCollections);
    return Names(s);
  }
  Result<std::vector<std::string>> Roots(const std::string& collection) override {
    const std::lock_guard lock(mutex_);
    Statement s = Use(kRoots);
    return Names(s.Bind(collection));
  }

 private:
  Statement Use(Query query) { return Statement(db_, statements_[query]); }

  Status Exec(const char* sql) {
    return sqlite3_exec(db_, sql, nullptr, nullptr, nullptr) == SQLITE_OK
               ? Ok()
               : Status(SqliteError(db_, "catalogue"));
  }
  Result<std::int64_t> Pragma(const char* sql) {
    sqlite3_stmt* stmt = nullptr;
    if (sqlite3_prepare_v2(db_, sql, -1, &stmt, nullptr) != SQLITE_OK) {
      return SqliteError(db_, "catalogue");
    }
    const int code = sqlite3_step(stmt);
    const std::int64_t value = code == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : 0;
    sqlite3_finalize(stmt);
    if (code != SQLITE_ROW) return SqliteError(db_, "catalogue");
    return value;
  }
  // All of `body`, or, on an error, nothing of it.
  template <class Body>
  Status Transact(Body body) {
    MALMOI_TRY(Exec("BEGIN IMMEDIATE"));
    Status status = body();
    if (status.ok()) status = Exec("COMMIT");
    // The first error is the one to report; SQLite may have rolled back by itself already.
    if (!status.ok() && sqlite3_get_autocommit(db_) == 0) (void)Exec("ROLLBACK");
    return status;
  }
  static Result<std::optional<DocumentRow>> First(Statement& s) {
    MALMOI_TRY(const bool found, s.Step());
    if (!found) return std::optional<DocumentRow>();
    return std::optional<DocumentRow>(ReadRow(s));
  }
  static Result<std::vector<std::string>> Names(Statement& s) {
    std::vector<std::string> names;
    for (;;) {
      MALMOI_TRY(const bool more, s.Step());
      if (!more) return names;
      names.push_back(s.Text(0));
    }
  }

  std::mutex mutex_;  // guards: db_, statements_ and their cursors.
  sqlite3* db_;
  std::array<sqlite3_stmt*, kQueries> statements_{};
};

}  // namespace

Result<std::unique_ptr<Catalog>> Catalog::Open(const std::string& path) {
  sqlite3* db = nullptr;
  const int code = sqlite3_open_v2(
      path.c_str(), &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
  if (code != SQLITE_OK) {
    Error error = db == nullptr ? Error(Code::kIo, "out of memory") : SqliteError(db, "sqlite");
    sqlite3_close(db);
    return std::move(error).With("open catalogue '" + path + "'");
  }
  auto catalog = std::make_unique<SqliteCatalog>(db);
  MALMOI_TRY(catalog->Prepare(path).With("open catalogue '" + path + "'"));
  return std::unique_ptr<Catalog>(std::move(catalog));
}

}  // namespace malmoi::catalog
