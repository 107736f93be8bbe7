#include "core/store/migrations.hpp"

#include "core/store/sqlite.hpp"

namespace gpubroker {

const std::vector<Migration>& migrations() {
  static const std::vector<Migration> all = {
      {"2026-11-24 journal and projections", R"(
CREATE TABLE journal (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, at_ms INTEGER NOT NULL, workload TEXT NOT NULL, kind TEXT NOT NULL,
  token TEXT NOT NULL, body TEXT NOT NULL) STRICT;
CREATE INDEX journal_of_workload ON journal (workload, seq);
CREATE TRIGGER journal_is_never_changed BEFORE UPDATE ON journal BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER journal_is_never_cut BEFORE DELETE ON journal BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TABLE workload (
  id TEXT PRIMARY KEY, name TEXT NOT NULL, key TEXT NOT NULL, owner TEXT NOT NULL, phase TEXT NOT NULL,
  live INTEGER NOT NULL, created_at_ms INTEGER NOT NULL, changed_at_ms INTEGER NOT NULL, attempts INTEGER NOT NULL,
  nodes INTEGER NOT NULL, place TEXT NOT NULL, step INTEGER NOT NULL, settled_micros INTEGER NOT NULL,
  detail TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX workload_key ON workload (key) WHERE key <> '';
CREATE INDEX workload_name ON workload (name);
CREATE INDEX workload_live ON workload (live) WHERE live = 1;
CREATE TABLE charge (
  node TEXT NOT NULL, from_ms INTEGER NOT NULL, to_ms INTEGER NOT NULL, workload TEXT NOT NULL, attempt INTEGER NOT NULL,
  provider TEXT NOT NULL, region TEXT NOT NULL, instance_type TEXT NOT NULL, market TEXT NOT NULL, owner TEXT NOT NULL,
  rate_micros_per_hour INTEGER NOT NULL CHECK (rate_micros_per_hour >= 0), amount_micros INTEGER NOT NULL,
  PRIMARY KEY (node, from_ms)) STRICT, WITHOUT ROWID;
CREATE TABLE lease (
  one INTEGER PRIMARY KEY CHECK (one = 1), holder TEXT NOT NULL, fence INTEGER NOT NULL, until_ms INTEGER NOT NULL) STRICT;
)"},
  };
  return all;
}

Result<std::int64_t> schema_version(sqlite3* database, const std::string& path,
                                    const std::vector<Migration>& schema) {
  TRY(Statement statement, Statement::prepare(database, "PRAGMA user_version", path));
  TRY([[maybe_unused]] const bool row, statement.step());
  const std::int64_t version = statement.integer(0);
  const auto newest = static_cast<std::int64_t>(schema.size());
  if (version > newest) {
    return Error{.kind = ErrorKind::invalid,
                 .message = path + " was written by a newer gpubroker (schema " + std::to_string(version) +
                            ", this program knows " + std::to_string(newest) + ")",
                 .hint = "upgrade this gpubroker, or use another GPUBROKER_HOME",
                 .source = path,
                 .code = "newer"};
  }
  return version;
}

Status migrate(sqlite3* database, const std::string& path, const std::vector<Migration>& schema) {
  TRY(Transaction transaction, Transaction::begin(database, path));
  TRY(const std::int64_t version,
      schema_version(database, path, schema));  // again, inside: another process may have been quicker
  for (auto at = static_cast<std::size_t>(version); at < schema.size(); ++at) {
    TRY([[maybe_unused]] const Ok done, execute(database, schema[at].sql, path));
  }
  const std::string stamp = "PRAGMA user_version = " + std::to_string(schema.size());
  TRY([[maybe_unused]] const Ok stamped, execute(database, stamp.c_str(), path));
  return transaction.commit();
}

}  // namespace gpubroker
