#include "core/store/sqlite.hpp"

#include <utility>

namespace gpubroker {

Error sqlite_error(sqlite3* database, int code, const std::string& path) {
  const std::string words = database != nullptr ? sqlite3_errmsg(database) : sqlite3_errstr(code);
  Error error{.kind = ErrorKind::internal,
              .message = path + ": " + words,
              .source = path,
              .code = sqlite3_errstr(code)};
  switch (code & 0xFF) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      error.kind = ErrorKind::conflict;
      error.message = path + " is locked by another process for longer than 5 s";
      error.hint = "wait for the other gpubroker, or end it";
      error.code = "locked";
      break;
    case SQLITE_FULL:
      error.kind = ErrorKind::capacity;
      error.scope = ErrorScope::account;
      error.message = path + ": no space left on the disk; nothing was recorded";
      error.hint = "make room and try again";
      error.code = "full";
      break;
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_CANTOPEN:
    case SQLITE_AUTH:
      error.kind = ErrorKind::invalid;
      error.message = path + " cannot be opened for writing: " + words;
      error.hint = "check the owner and the mode of the file and its folder, or set GPUBROKER_HOME";
      error.code = "read-only";
      break;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      error.message = path + " is damaged: " + words;
      error.hint = "rescue what is whole: sqlite3 '" + path + "' .recover | sqlite3 rescued.db";
      error.code = "corrupt";
      break;
    case SQLITE_IOERR:
      // A disk that is full while the log is extended comes as an I/O error on some file systems.
      error.hint = "look at the disk: `df`, `dmesg`";
      break;
    default:
      break;
  }
  return error;
}

Result<Statement> Statement::prepare(sqlite3* database, std::string_view sql, const std::string& path) {
  sqlite3_stmt* raw = nullptr;
  const int code = sqlite3_prepare_v2(database, sql.data(), static_cast<int>(sql.size()), &raw, nullptr);
  StatementHandle handle(raw);
  if (code != SQLITE_OK) { return sqlite_error(database, code, path); }
  return Statement(database, std::move(handle), path);
}

Statement& Statement::bind(std::int64_t value) {
  sqlite3_bind_int64(handle_.get(), next_++, value);
  return *this;
}

Statement& Statement::bind(std::string_view value) {
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-cstyle-cast): SQLite's own macro.
  sqlite3_bind_text64(handle_.get(), next_++, value.data(), value.size(),
                      reinterpret_cast<sqlite3_destructor_type>(-1), SQLITE_UTF8);
  return *this;
}

Result<bool> Statement::step() {
  const int code = sqlite3_step(handle_.get());
  if (code == SQLITE_ROW) { return true; }
  if (code == SQLITE_DONE) { return false; }
  return sqlite_error(database_, code, path_);
}

Status Statement::finish() {
  while (true) {
    TRY(const bool row, step());
    if (!row) { return Ok{}; }
  }
}

void Statement::reset() {
  sqlite3_reset(handle_.get());
  sqlite3_clear_bindings(handle_.get());
  next_ = 1;
}

std::int64_t Statement::integer(int column) const {
  return sqlite3_column_int64(handle_.get(), column);
}

std::string Statement::text(int column) const {
  const unsigned char* const bytes = sqlite3_column_text(handle_.get(), column);
  const int size = sqlite3_column_bytes(handle_.get(), column);
  return bytes == nullptr ? std::string{}
                          : std::string(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size));
}

Result<Transaction> Transaction::begin(sqlite3* database, const std::string& path) {
  TRY([[maybe_unused]] const Ok begun, execute(database, "BEGIN IMMEDIATE", path));
  return Transaction(database, path);
}

Transaction::Transaction(Transaction&& other) noexcept
    : database_(std::exchange(other.database_, nullptr)), path_(std::move(other.path_)) {}

Transaction::~Transaction() {
  if (database_ != nullptr) { sqlite3_exec(database_, "ROLLBACK", nullptr, nullptr, nullptr); }
}

Status Transaction::commit() {
  TRY([[maybe_unused]] const Ok committed, execute(database_, "COMMIT", path_));
  database_ = nullptr;
  return Ok{};
}

Status execute(sqlite3* database, const char* sql, const std::string& path) {
  const int code = sqlite3_exec(database, sql, nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) { return sqlite_error(database, code, path); }
  return Ok{};
}

}  // namespace gpubroker
