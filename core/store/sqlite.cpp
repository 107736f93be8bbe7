#include "core/store/sqlite.hpp"

#include <cerrno>
#include <utility>

namespace gpubroker {

namespace {

/// Whether the system says that there is no room. `cause` is errno after the call: SQLite keeps its own copy
/// for most errors, but (3.40) not for the sync of a commit.
bool is_disk_full(sqlite3* database, int code, int cause) {
  const auto is_no_room = [](int number) { return number == ENOSPC || number == EDQUOT; };
  switch (code & 0xFF) {
    case SQLITE_FULL:
      return true;
    case SQLITE_IOERR:     // a sync, or the shared memory file
    case SQLITE_CANTOPEN:  // the log, which is made at the first write
      return is_no_room(cause) || (database != nullptr && is_no_room(sqlite3_system_errno(database)));
    default:
      return false;
  }
}

}  // namespace

Error sqlite_error(sqlite3* database, int code, const std::string& path) {
  const int cause = errno;
  // `code` may be our own finding, of which the connection knows nothing.
  const bool theirs = database != nullptr && sqlite3_errcode(database) != SQLITE_OK;
  const std::string words = theirs ? sqlite3_errmsg(database) : sqlite3_errstr(code);
  Error error{.kind = ErrorKind::internal,
              .message = path + ": " + words,
              .source = path,
              .code = sqlite3_errstr(code)};
  if (is_disk_full(database, code, cause)) {
    error.kind = ErrorKind::capacity;
    error.scope = ErrorScope::account;
    error.message = path + ": no space left on the disk; nothing was recorded";
    error.hint = "make room and try again";
    error.code = "full";
    return error;
  }
  switch (code & 0xFF) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:  // the same, told by the log's own locks
      error.kind = ErrorKind::conflict;
      error.message = path + " stayed locked by another process";
      error.hint = "wait for the other gpubroker, or end it";
      error.code = "locked";
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
  // NOLINTNEXTLINE(performance-no-int-to-ptr): the value of SQLITE_TRANSIENT, which is a C cast itself.
  const auto copied = reinterpret_cast<sqlite3_destructor_type>(-1);
  sqlite3_bind_text64(handle_.get(), next_++, value.data(), value.size(), copied, SQLITE_UTF8);
  return *this;
}

Statement& Statement::bind_in_place(std::string_view value) {
  // An empty view may point nowhere, which SQLite takes for NULL.
  sqlite3_bind_text64(handle_.get(), next_++, value.empty() ? "" : value.data(), value.size(), nullptr,
                      SQLITE_UTF8);
  return *this;
}

Statement& Statement::bind_null() {
  sqlite3_bind_null(handle_.get(), next_++);
  return *this;
}

Result<bool> Statement::step() {
  errno = 0;  // see sqlite_error
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

void Statement::rewind() {
  sqlite3_reset(handle_.get());
  next_ = 1;
}

std::int64_t Statement::integer(int column) const {
  return sqlite3_column_int64(handle_.get(), column);
}

std::string Statement::text(int column) const {
  return std::string(view(column));
}

std::string_view Statement::view(int column) const {
  const unsigned char* const bytes = sqlite3_column_text(handle_.get(), column);
  const int size = sqlite3_column_bytes(handle_.get(), column);
  return bytes == nullptr
             ? std::string_view{}
             : std::string_view(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size));
}

bool Statement::is_null(int column) const {
  return sqlite3_column_type(handle_.get(), column) == SQLITE_NULL;
}

Result<StatementLoan> Statements::take(const std::string& sql) {
  auto at = kept_.find(sql);
  if (at == kept_.end()) {
    TRY(Statement statement, Statement::prepare(database_, sql, path_));
    at = kept_.emplace(sql, std::move(statement)).first;
  }
  return StatementLoan(&at->second);
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
  if (Status committed = execute(database_, "COMMIT", path_); !committed.ok()) {
    Error error = std::move(committed).error();
    error.maybe_applied = (sqlite3_errcode(database_) & 0xFF) == SQLITE_IOERR;
    return error;
  }
  database_ = nullptr;
  return Ok{};
}

Status execute(sqlite3* database, const char* sql, const std::string& path) {
  errno = 0;  // see sqlite_error
  const int code = sqlite3_exec(database, sql, nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) { return sqlite_error(database, code, path); }
  return Ok{};
}

}  // namespace gpubroker
