#pragma once
#include <string>
#include <vector>

#include "core/base/time.hpp"
#include "core/store/migrations.hpp"
#include "core/store/open_mode.hpp"
#include "core/store/sqlite.hpp"

namespace gpubroker {

/// One kind of file: its schema, and how a person is told what is the matter with it.
struct DatabaseKind {
  std::string name = {};  // "journal": "there is no journal at … yet"
  const std::vector<Migration>* schema = nullptr;
  std::string made_by = {};     // hint of a file that is missing: "`gpubroker launch` makes it"
  std::string updated_by = {};  // hint of an older schema
  bool is_synced =
      true;  // each commit is on the disk when it returns; else a power loss may undo the last ones
};

/// Opens in WAL mode and brings the schema up to date. Cheap: no check of the whole file. A call that finds
/// the file locked by another process for longer than `patience` fails with `conflict`, code "locked". The
/// others: `not_found`, `capacity` (code "full"), `invalid` (codes "read-only", "newer", "older"), `internal`
/// (code "corrupt").
Result<DatabaseHandle> open_database(const std::string& path, OpenMode mode, Millis patience,
                                     const DatabaseKind& kind);

}  // namespace gpubroker
