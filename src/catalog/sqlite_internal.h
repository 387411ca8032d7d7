#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace malmoi::catalog {

// kCorruption for a damaged or foreign file, kIo for everything else that SQLite refuses.
Error SqliteError(sqlite3* db, std::string_view what);

// A prepared statement, bound and stepped by hand; reset on destruction, so that a cached
// statement is free for its next use. Not thread-safe: the catalogue's mutex guards it.
class Statement {
 public:
  explicit Statement(sqlite3* db, sqlite3_stmt* stmt) : db_(db), stmt_(stmt) {}
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;
  ~Statement() {
    sqlite3_reset(stmt_);
    sqlite3_clear_bindings(stmt_);
  }

  // Binds the next parameter. Text is not copied: it must live until the last Step.
  Statement& Bind(std::string_view text);
  Statement& Bind(std::int64_t value);
  Statement& Bind(double value);

  // True while there is a row.
  Result<bool> Step();
  // For statements without rows.
  Status Run();

  std::string Text(int column) const;
  std::int64_t Int(int column) const { return sqlite3_column_int64(stmt_, column); }
  double Real(int column) const { return sqlite3_column_double(stmt_, column); }

 private:
  sqlite3* db_;
  sqlite3_stmt* stmt_;
  int next_ = 1;
};

}  // namespace malmoi::catalog
