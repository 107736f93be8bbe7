#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/ports/price_feed.hpp"
#include "core/store/open.hpp"
#include "core/store/sqlite.hpp"

namespace gpubroker {

/// The catalog's file: `catalog.db` in the home folder. One connection, for one thread at a time; several
/// processes may have the file open, and each reads the old or the new of a refresh, never half.
class CatalogDb {
 public:
  /// read_write makes the file when it is missing. Cheap: no check of the whole file. Errors: `not_found`
  /// when there is none to read, `conflict` (code "locked"), `capacity` (code "full"), `invalid` (codes
  /// "read-only", "newer", "older"), `internal` (code "corrupt").
  static Result<std::unique_ptr<CatalogDb>> open(const std::string& path, OpenMode mode,
                                                 Millis patience = std::chrono::seconds{5});

  /// For `open`.
  CatalogDb(DatabaseHandle database, std::string path)
      : database_(std::move(database)), path_(std::move(path)), statements_(database_.get(), path_) {}

  [[nodiscard]] sqlite3* handle() const { return database_.get(); }
  [[nodiscard]] const std::string& path() const { return path_; }
  Statements& statements() { return statements_; }
  /// Lends the statement with this text.
  Result<StatementLoan> take(const std::string& sql) { return statements_.take(sql); }

 private:
  DatabaseHandle database_;
  std::string path_;
  Statements statements_;  // after the connection: they end before it
};

/// "aws" of "aws/price-list".
inline std::string cloud_of(const std::string& feed) {
  return feed.substr(0, feed.find('/'));
}

/// A feed as the catalog remembers it.
struct SourceRow {
  std::string name = {};  // "aws/price-list"
  Instant tried_at = {};
  std::optional<Instant> succeeded_at = {};  // absent: never
  std::optional<Error> error = {};           // of the last try; absent: it succeeded
  std::int64_t offers = 0;                   // good rows
  std::int64_t quarantined = 0;
  std::vector<Remark> remarks = {};  // of the last success
};

/// All sources, by name.
Result<std::vector<SourceRow>> read_sources(CatalogDb& db);

/// What to ask the source's server with. Empty when it was never asked, or its rows were resolved by another
/// vocabulary: then everything is fetched again.
Result<Validators> read_validators(CatalogDb& db, const std::string& source);

/// Drops what nothing refers to any more (facts of machines that are gone), history from before `keep_since`,
/// but the point in force then. Cheap enough for the end of each refresh.
Status tidy(CatalogDb& db, Instant keep_since);

}  // namespace gpubroker
