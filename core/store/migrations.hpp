#pragma once
#include <string>
#include <vector>

#include <sqlite3.h>

#include "core/base/result.hpp"

namespace gpubroker {

/// One step of the schema, forward only. Its place in the list is its version (PRAGMA user_version), from 1.
struct Migration {
  const char* name;  // "2026-11-24 journal and projections"
  const char* sql;
};

/// The journal's schema. (The catalog's is in catalog/schema.cpp.)
const std::vector<Migration>& migrations();

/// Brings the file to the newest of `schema`, in one transaction. `invalid` when it was written by a newer
/// program.
Status migrate(sqlite3* database, const std::string& path, const std::vector<Migration>& schema);

/// The file's schema: 0 while it is being made, schema.size() when it is up to date; `invalid` when it
/// is newer than this program.
Result<std::int64_t> schema_version(sqlite3* database, const std::string& path,
                                    const std::vector<Migration>& schema);

}  // namespace gpubroker
