#include "core/store/open.hpp"

#include <filesystem>
#include <sys/stat.h>

namespace gpubroker {
namespace {

Status make_private(const std::string& path) {
  std::error_code failed;
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  if (!folder.empty() && !std::filesystem::exists(folder, failed)) {
    std::filesystem::create_directories(folder, failed);
    if (failed) {
      return Error{.kind = ErrorKind::invalid,
                   .message = "cannot make the folder " + folder.string() + ": " + failed.message(),
                   .hint = "set GPUBROKER_HOME to a folder that can be written",
                   .source = path};
    }
    (void)::chmod(folder.c_str(), 0700);
  }
  return Ok{};
}

Error none_yet(const std::string& path, const DatabaseKind& kind) {
  return {.kind = ErrorKind::not_found,
          .message = "there is no " + kind.name + " at " + path + " yet",
          .hint = kind.made_by,
          .source = path};
}

/// Write-ahead log. SQLite does not wait by itself where the mode of a new file is
/// changed: of several processes that make it at once all but one are told that it is locked.
Status use_log(sqlite3* database, const std::string& path, Millis patience, bool is_synced) {
  const char* const modes = is_synced ? "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL"
                                      : "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL";
  constexpr Millis kPause{10};
  for (Millis waited{0};; waited += kPause) {
    Status done = execute(database, modes, path);
    if (done.ok() || done.error().code != "locked" || waited >= patience) { return done; }
    sqlite3_sleep(static_cast<int>(kPause.count()));
  }
}

}  // namespace

Result<DatabaseHandle> open_database(const std::string& path, OpenMode mode, Millis patience,
                                     const DatabaseKind& kind) {
  const bool writes = mode == OpenMode::read_write;
  std::error_code failed;
  const bool exists = std::filesystem::exists(path, failed);
  if (!exists && !writes) { return none_yet(path, kind); }
  if (!exists) { TRY([[maybe_unused]] const Ok made, make_private(path)); }
  // A reader of a WAL file needs to write its shared memory: read-only means that we change nothing, not the
  // open mode.
  const int flags = SQLITE_OPEN_READWRITE | (writes ? SQLITE_OPEN_CREATE : 0) | SQLITE_OPEN_NOMUTEX;
  sqlite3* raw = nullptr;
  const int code = sqlite3_open_v2(path.c_str(), &raw, flags, nullptr);
  DatabaseHandle database(raw);
  if (code != SQLITE_OK) { return sqlite_error(raw, code, path); }
  if (!exists) { (void)::chmod(path.c_str(), 0600); }
  sqlite3_extended_result_codes(raw, 1);
  sqlite3_busy_timeout(raw, static_cast<int>(patience.count()));
  // SQLite opens what it may not write for reading, without a word.
  if (writes && sqlite3_db_readonly(raw, "main") == 1) { return sqlite_error(raw, SQLITE_READONLY, path); }
  TRY([[maybe_unused]] const Ok modes,
      writes ? use_log(raw, path, patience, kind.is_synced) : execute(raw, "PRAGMA query_only = 1", path));
  TRY(const std::int64_t version, schema_version(raw, path, *kind.schema));
  if (version != static_cast<std::int64_t>(kind.schema->size())) {
    if (!writes && version == 0) { return none_yet(path, kind); }  // it is being made just now
    if (!writes) {
      return Error{.kind = ErrorKind::invalid,
                   .message = path + " has an older schema",
                   .hint = kind.updated_by,
                   .source = path,
                   .code = "older"};
    }
    TRY([[maybe_unused]] const Ok migrated, migrate(raw, path, *kind.schema));
  }
  return database;
}

}  // namespace gpubroker
