#include "catalog/sqlite_internal.h"

namespace malmoi::catalog {

Error SqliteError(sqlite3* db, std::string_view what) {
  const int code = sqlite3_errcode(db) & 0xff;
  const bool damaged = code == SQLITE_CORRUPT || code == SQLITE_NOTADB;
  return Error(damaged ? Code::kCorruption : Code::kIo,
               std::string(what) + ": " + sqlite3_errmsg(db));
}

Statement& Statement::Bind(std::string_view text) {
  // A null pointer would bind NULL; an empty view may hold one.
  const char* data = text.data() == nullptr ? "" : text.data();
  sqlite3_bind_text64(stmt_, next_++, data, text.size(), SQLITE_STATIC, SQLITE_UTF8);
  return *this;
}
Statement& Statement::Bind(std::int64_t value) {
  sqlite3_bind_int64(stmt_, next_++, value);
  return *this;
}
Statement& Statement::Bind(double value) {
  sqlite3_bind_double(stmt_, next_++, value);
  return *this;
}

Result<bool> Statement::Step() {
  const int code = sqlite3_step(stmt_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return SqliteError(db_, "catalogue");
}
Status Statement::Run() {
  MALMOI_TRY(Step());
  return Ok();
}

std::string Statement::Text(int column) const {
  const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(stmt_, column));
  if (text == nullptr) return {};
  return std::string(text, static_cast<std::size_t>(sqlite3_column_bytes(stmt_, column)));
}

}  // namespace malmoi::catalog
