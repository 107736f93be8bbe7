#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include <sqlite3.h>

#include "core/base/c_handle.hpp"
#include "core/base/result.hpp"

namespace gpubroker {

using DatabaseHandle = CHandle<sqlite3, sqlite3_close_v2>;
using StatementHandle = CHandle<sqlite3_stmt, sqlite3_finalize>;

/// The Error for what SQLite says now: locked, full, read-only, corrupt each with its kind and what to do.
/// `path` is the file. An I/O error is `full` when the system says that the disk or the quota is used up: to
/// be called right after the call that failed, before errno is anybody else's.
Error sqlite_error(sqlite3* database, int code, const std::string& path);

/// A prepared statement. Bind from 1 in order, step, read columns from 0.
class Statement {
 public:
  static Result<Statement> prepare(sqlite3* database, std::string_view sql, const std::string& path);

  Statement& bind(std::int64_t value);
  Statement& bind(std::string_view value);
  Statement& bind_null();
  /// As bind, of bytes that stay where they are until the statement is stepped: nothing is copied.
  Statement& bind_in_place(std::string_view value);

  /// True: a row is there. False: done.
  Result<bool> step();
  /// Steps to the end; rows are not wanted.
  Status finish();
  void reset();
  /// To be bound anew from 1 and run again. Quicker than reset: what is not bound anew keeps its value.
  void rewind();

  [[nodiscard]] std::int64_t integer(int column) const;
  [[nodiscard]] std::string text(int column) const;
  /// Valid until the next step or reset.
  [[nodiscard]] std::string_view view(int column) const;
  [[nodiscard]] bool is_null(int column) const;

 private:
  Statement(sqlite3* database, StatementHandle handle, std::string path)
      : database_(database), handle_(std::move(handle)), path_(std::move(path)) {}

  sqlite3* database_;
  StatementHandle handle_;
  std::string path_;
  int next_ = 1;
};

/// Ends a loan: an open statement would hold a snapshot of the file.
struct ResetStatement {
  void operator()(Statement* statement) const { statement->reset(); }
};
using StatementLoan = std::unique_ptr<Statement, ResetStatement>;

/// The statements of one connection, each prepared at its first use and kept: preparing costs more than
/// running one.
class Statements {
 public:
  Statements(sqlite3* database, std::string path) : database_(database), path_(std::move(path)) {}
  /// Lends the statement with this text; a text must not be lent twice at once.
  Result<StatementLoan> take(const std::string& sql);

 private:
  sqlite3* database_;
  std::string path_;
  std::map<std::string, Statement> kept_;
};

/// Begins IMMEDIATE, commits when told, rolls back in the destructor.
class Transaction {
 public:
  static Result<Transaction> begin(sqlite3* database, const std::string& path);
  Transaction(Transaction&& other) noexcept;
  Transaction& operator=(Transaction&&) = delete;
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  ~Transaction();
  /// Synced when it returns ok. An I/O error here is `maybe_applied`: what is on the disk then, whole or not
  /// at all, only the next one who opens the file knows.
  Status commit();

 private:
  Transaction(sqlite3* database, std::string path) : database_(database), path_(std::move(path)) {}
  sqlite3* database_;
  std::string path_;
};

/// Runs statements without parameters or rows.
Status execute(sqlite3* database, const char* sql, const std::string& path);

}  // namespace gpubroker
